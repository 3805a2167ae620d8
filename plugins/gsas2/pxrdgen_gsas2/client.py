"""Calls to the worker: a process in GSAS-II's interpreter and a folder of its own, bounded in time and memory."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pxrdgen_gsas2.failures import FailureKind, Gsas2Error
from pxrdgen_gsas2.options import Gsas2WorkerOptions

#: name the interpreter GSAS-II lives in, and a folder that holds the package GSASII where its Python cannot import it.
PYTHON_VARIABLE, FOLDER_VARIABLE = "PXRDGEN_GSAS2_PYTHON", "PXRDGEN_GSAS2_FOLDER"
PROTOCOL = 1
#: a larger answer is no answer; exit code of a worker that could not write its own.
MOST_BYTES, DISK_FULL_EXIT = 256 << 20, 74
#: end of the log that is searched for a reason.
LOG_TAIL = 4000
WORKER = Path(__file__).with_name("worker")


@dataclass(frozen=True, kw_only=True)
class Gsas2Version:
    """The GSAS-II that answered.

    Args:
        version: build number as GSAS-II counts them.
        commit: eight digits of the git commit, empty where the installation does not record it.
        folder: of the package GSASII.
        python: its interpreter.
    """

    version: str
    commit: str
    folder: str
    python: str

    def __str__(self) -> str:
        return f"{self.version} ({self.commit})" if self.commit else self.version


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the worker found, still as JSON values, and who it was."""

    value: Mapping[str, Any]
    gsas2: Gsas2Version


def interpreter(options: Gsas2WorkerOptions) -> str:
    """The Python that runs the worker: the option, the environment, this one."""
    return options.python or os.environ.get(PYTHON_VARIABLE) or sys.executable


def call(verb: str, request: Mapping[str, object], options: Gsas2WorkerOptions) -> Answer:
    """Ask the worker, again after a crash or garbage as often as ``options.retries`` says.

    Raises:
        Gsas2Error: no answer came; its ``kind`` says why.
    """
    for left in range(options.retries, -1, -1):
        try:
            return _call_once(verb, request, options)
        except Gsas2Error as error:
            if left == 0 or error.kind not in (FailureKind.CRASHED, FailureKind.GARBAGE):
                raise
    raise AssertionError("the last attempt returns or raises")


def _call_once(verb: str, request: Mapping[str, object], options: Gsas2WorkerOptions) -> Answer:
    try:
        with tempfile.TemporaryDirectory(prefix="pxrdgen-gsas2-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            message = {
                **request,
                "protocol": PROTOCOL,
                "verb": verb,
                "as_installed": options.as_installed,
                "memory_bytes": options.memory_mib << 20,
                "folders": _folders(),
            }
            (folder / "request.json").write_text(json.dumps(message), encoding="utf-8")
            code = _run(folder, options)
            return _answer(folder, code)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise Gsas2Error(FailureKind.DISK_FULL, f"no space left in {tempfile.gettempdir()}") from error
        raise Gsas2Error(FailureKind.INTERPRETER, f"{error}") from error


def _folders() -> list[str]:
    home = Path.home()
    given = os.environ.get(FOLDER_VARIABLE)
    return [*([given] if given else []), str(home / "GSAS-II"), str(home / "gsas2main" / "GSAS-II")]


def _run(folder: Path, options: Gsas2WorkerOptions) -> int:
    python = interpreter(options)
    command = [python, str(WORKER), str(folder / "request.json"), str(folder / "result.json")]
    work = folder / "work"
    work.mkdir()
    with (folder / "log.txt").open("wb") as log:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=work,
                env=_environment(work),
                start_new_session=True,
            )
        except (FileNotFoundError, PermissionError, NotADirectoryError, OSError) as error:
            if error.errno == errno.ENOSPC:
                raise
            raise Gsas2Error(FailureKind.INTERPRETER, f"{python}: {error.strerror or error}") from error
        try:
            return process.wait(timeout=options.timeout)
        except subprocess.TimeoutExpired:
            raise Gsas2Error(FailureKind.TIMED_OUT, f"no answer after {options.timeout:g} s") from None
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the worker and whatever it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        process.kill()
    process.wait()


def _environment(work: Path) -> dict[str, str]:
    """One thread, no window, and a home of its own: GSAS-II's settings there could start processes and windows."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONSTARTUP", "DISPLAY")}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    home = environment.get("HOME", "")
    user_base = {"PYTHONUSERBASE": environment.get("PYTHONUSERBASE") or str(Path(home) / ".local")} if home else {}
    return {**environment, **threads, **user_base, "HOME": str(work), "PYTHONDONTWRITEBYTECODE": "1"}


def _answer(folder: Path, code: int) -> Answer:
    path = folder / "result.json"
    if not path.is_file():
        raise _no_answer(code, _tail(folder / "log.txt"))
    if path.stat().st_size > MOST_BYTES:
        raise Gsas2Error(FailureKind.GARBAGE, f"an answer of {path.stat().st_size >> 20} MiB")
    try:
        answer = json.loads(path.read_text(encoding="utf-8"))
        if answer["protocol"] != PROTOCOL:
            raise Gsas2Error(FailureKind.GARBAGE, f"protocol {answer['protocol']}, expected {PROTOCOL}")
        if answer["status"] != "ok":
            raise Gsas2Error(FailureKind(answer["kind"]), str(answer["message"])[:500])
        names = ("version", "commit", "folder", "python")
        version = Gsas2Version(**{name: str(answer["gsas2"][name]) for name in names})
        return Answer(value=dict(answer["value"]), gsas2=version)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Gsas2Error(FailureKind.GARBAGE, f"{type(error).__name__}: {error}") from error


def _no_answer(code: int, log: str) -> Gsas2Error:
    if code == DISK_FULL_EXIT or "No space left on device" in log:
        return Gsas2Error(FailureKind.DISK_FULL, "no space left for the answer")
    if "MemoryError" in log or "Unable to allocate" in log:
        return Gsas2Error(FailureKind.MEMORY, "the memory limit was reached")
    last = next((line.strip() for line in reversed(log.splitlines()) if line.strip()), "")
    if code < 0:
        return Gsas2Error(FailureKind.CRASHED, f"signal {_signal_name(-code)}")
    if code:
        return Gsas2Error(FailureKind.CRASHED, f"exit code {code}, {last[:200] or 'nothing printed'}")
    return Gsas2Error(FailureKind.GARBAGE, f"no result, {last[:200] or 'nothing printed'}")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            stream.seek(max(path.stat().st_size - LOG_TAIL, 0))
            return stream.read().decode("utf-8", "replace")
    except OSError:
        return ""


#: what :func:`call` looks like, for whoever is handed another one.
Call = Callable[[str, Mapping[str, object], Gsas2WorkerOptions], Answer]
