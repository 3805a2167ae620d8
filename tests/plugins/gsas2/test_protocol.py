"""Calls to the GSAS-II worker when everything goes wrong: no GSAS-II is needed for any of this."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pxrdgen_gsas2.client import DISK_FULL_EXIT, PROTOCOL, WORKER, call
from pxrdgen_gsas2.diagnosis import diagnose
from pxrdgen_gsas2.failures import INSTALL_PAGE, FailureKind, Gsas2Error
from pxrdgen_gsas2.options import Gsas2WorkerOptions

Interpreter = Callable[[str], str]

VERSION = {"version": "5838", "commit": "d46e7a0a", "folder": "/somewhere", "python": "/usr/bin/python"}
GOOD = {"protocol": PROTOCOL, "status": "ok", "kind": "", "message": "", "gsas2": VERSION, "value": {"answer": 42}}


@pytest.fixture
def interpreter(tmp_path: Path) -> Interpreter:
    """Makes a program that stands for Python: it is started as ``PROGRAM WORKER REQUEST RESULT``."""

    def make(script: str) -> str:
        path = tmp_path / "python"
        path.write_text("#!/bin/sh\n" + script)
        path.chmod(0o755)
        return str(path)

    return make


def failure(python: str, *, timeout: float = 20.0, retries: int = 0, memory_mib: int = 4096) -> Gsas2Error:
    options = Gsas2WorkerOptions(python=python, timeout=timeout, retries=retries, memory_mib=memory_mib)
    with pytest.raises(Gsas2Error) as caught:
        call("check", {}, options)
    return caught.value


def saying(answer: object) -> str:
    return f"cat > $3 <<'END'\n{json.dumps(answer)}\nEND\n"


def test_an_answer_comes_back_with_the_version_that_gave_it(interpreter: Interpreter) -> None:
    answer = call("check", {}, Gsas2WorkerOptions(python=interpreter(saying(GOOD))))
    assert answer.value["answer"] == 42
    assert str(answer.gsas2) == "5838 (d46e7a0a)"


def test_the_request_says_verb_protocol_and_limits(interpreter: Interpreter, tmp_path: Path) -> None:
    copy = tmp_path / "copy.json"
    python = interpreter(f"cp $2 {copy}\n" + saying(GOOD))
    call("index", {"lines": [1, 2]}, Gsas2WorkerOptions(python=python, memory_mib=512))
    request = json.loads(copy.read_text())
    assert request["verb"] == "index"
    assert request["lines"] == [1, 2]
    assert request["protocol"] == PROTOCOL
    assert request["memory_bytes"] == 512 << 20


def test_each_call_has_an_empty_folder_that_is_gone_afterwards(interpreter: Interpreter, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    python = interpreter(f'pwd > {seen}\nls -A >> {seen}\necho "$HOME" >> {seen}\n' + saying(GOOD))
    call("check", {}, Gsas2WorkerOptions(python=python))
    folder, home = seen.read_text().splitlines()
    assert folder == home
    assert not Path(folder).exists()


@pytest.mark.parametrize(
    ("script", "kind", "word"),
    [
        ("kill -9 $$\n", FailureKind.CRASHED, "SIGKILL"),
        ("kill -11 $$\n", FailureKind.CRASHED, "SIGSEGV"),
        ("echo Fortran runtime error; exit 2\n", FailureKind.CRASHED, "Fortran runtime error"),
        ("echo hello\n", FailureKind.GARBAGE, "hello"),
        ("echo 'certainly! {' > $3\n", FailureKind.GARBAGE, "JSONDecodeError"),
        ("head -c 9999 /dev/urandom > $3\n", FailureKind.GARBAGE, "Error"),
        (saying(GOOD)[:80] + "\nEND\n", FailureKind.GARBAGE, "JSONDecodeError"),
        (saying([1, 2, 3]), FailureKind.GARBAGE, "TypeError"),
        (saying({"protocol": PROTOCOL, "status": "ok"}), FailureKind.GARBAGE, "gsas2"),
        (saying({**GOOD, "protocol": 99}), FailureKind.GARBAGE, "99"),
        (saying({**GOOD, "status": "error", "kind": "sadness"}), FailureKind.GARBAGE, "sadness"),
        (f"exit {DISK_FULL_EXIT}\n", FailureKind.DISK_FULL, "space"),
        ("echo 'OSError: [Errno 28] No space left on device'; exit 1\n", FailureKind.DISK_FULL, "space"),
        ("echo MemoryError; exit 1\n", FailureKind.MEMORY, "memory"),
    ],
)
def test_bad_workers_are_told_apart_and_may_be_tried_again(
    interpreter: Interpreter, script: str, kind: FailureKind, word: str
) -> None:
    error = failure(interpreter(script))
    assert error.kind is kind
    assert error.retriable
    assert word in str(error)
    assert "trying again may help" in str(error)


@pytest.mark.parametrize("kind", ["not_installed", "too_old", "memory", "disk_full", "failed", "refused"])
def test_what_the_worker_reports_keeps_its_name(interpreter: Interpreter, kind: str) -> None:
    error = failure(interpreter(saying({**GOOD, "status": "error", "kind": kind, "message": "a fact"})))
    assert error.kind == kind
    assert "a fact" in str(error)
    assert (INSTALL_PAGE in str(error)) is (kind in ("not_installed", "too_old"))


def test_a_hanging_worker_is_ended_with_all_it_started(interpreter: Interpreter, tmp_path: Path) -> None:
    child = tmp_path / "child"
    python = interpreter(f"sleep 300 &\necho $! > {child}\nwait\n")
    started = time.monotonic()
    error = failure(python, timeout=2.0)  # enough to start the child on a busy machine
    ended = time.monotonic()
    assert error.kind is FailureKind.TIMED_OUT
    assert "after 2 s" in str(error)
    assert ended - started < 60.0
    # a process that was sent SIGKILL still has to be scheduled to die of it
    process = int(child.read_text())
    while _runs(process) and time.monotonic() < ended + 10.0:
        time.sleep(0.01)
    assert not _runs(process)


def _runs(process: int) -> bool:
    """Whether a process is alive; one that waits to be buried is not."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def test_crashes_are_retried_as_often_as_asked(interpreter: Interpreter, tmp_path: Path) -> None:
    count = tmp_path / "count"
    python = interpreter(f"echo x >> {count}\n[ $(wc -l < {count}) -gt 2 ] || kill -9 $$\n" + saying(GOOD))
    assert call("check", {}, Gsas2WorkerOptions(python=python, retries=2)).value["answer"] == 42
    count.unlink()
    assert failure(python, retries=1).kind is FailureKind.CRASHED


def test_a_full_disk_is_not_retried(interpreter: Interpreter, tmp_path: Path) -> None:
    count = tmp_path / "count"
    failure(interpreter(f"echo x >> {count}\nexit {DISK_FULL_EXIT}\n"), retries=3)
    assert count.read_text().splitlines() == ["x"]


@pytest.mark.parametrize("name", ["missing", "folder", "text"])
def test_what_is_no_interpreter_is_said(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("no program")
    error = failure(str(tmp_path / name))
    assert error.kind is FailureKind.INTERPRETER
    assert not error.retriable
    assert INSTALL_PAGE in str(error)
    assert "PXRDGEN_GSAS2_PYTHON" in str(error)


def gsas2_of(folder: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> str:
    """The real worker with a GSAS-II of our making."""
    package = folder / "GSASII"
    package.mkdir()
    (package / "__init__.py").write_text("")
    for name in ("GSASIIscriptable", "GSASIIstrMain", "GSASIIstrMath", "GSASIIspc", "GSASIIindex", "GSASIIpath"):
        (package / f"{name}.py").write_text(source)
    monkeypatch.setenv("PXRDGEN_GSAS2_FOLDER", str(folder))
    return sys.executable


def test_the_worker_says_that_gsas2_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PXRDGEN_GSAS2_FOLDER", raising=False)
    if _has_gsas2():
        pytest.skip("GSAS-II is installed in this interpreter")
    error = failure(sys.executable)
    assert error.kind is FailureKind.NOT_INSTALLED
    assert sys.executable in str(error)


def _has_gsas2() -> bool:
    import importlib.util

    return importlib.util.find_spec("GSASII") is not None


def test_the_worker_says_that_gsas2_is_too_old_and_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = failure(gsas2_of(tmp_path, monkeypatch, "class G2Project: pass\n"))
    assert error.kind is FailureKind.TOO_OLD
    assert "GSASIIscriptable.LoadG2fil" in str(error)


def test_the_worker_keeps_the_memory_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = gsas2_of(tmp_path, monkeypatch, "filling = bytearray(3 << 30)\n")
    error = failure(python, memory_mib=1024)
    assert error.kind is FailureKind.MEMORY
    assert error.retriable


def test_the_worker_reports_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = "raise OSError(28, 'No space left on device')\n"
    assert failure(gsas2_of(tmp_path, monkeypatch, full)).kind is FailureKind.DISK_FULL


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_an_answer_that_does_not_fit_on_the_disk_leaves_no_half_of_it(interpreter: Interpreter) -> None:
    python = interpreter(f'ln -s /dev/full "${{3%.json}}.part"\nexec {sys.executable} "$@"\n')
    assert failure(python).kind is FailureKind.DISK_FULL


def test_a_disk_too_full_for_the_request_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object, **named: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    error = failure(sys.executable)
    assert error.kind is FailureKind.DISK_FULL
    assert error.retriable


def test_the_worker_needs_nothing_of_pxrdgen() -> None:
    lines = [line.lstrip() for path in WORKER.glob("*.py") for line in path.read_text().splitlines()]
    imports = [line for line in lines if line.startswith(("import ", "from "))]
    assert len(imports) > 20
    assert not [line for line in imports if "pxrdgen" in line]


def test_the_doctor_tells_where_gsas2_comes_from(monkeypatch: pytest.MonkeyPatch, interpreter: Interpreter) -> None:
    missing = interpreter(saying({**GOOD, "status": "error", "kind": "not_installed", "message": "no"}))
    monkeypatch.setenv("PXRDGEN_GSAS2_PYTHON", missing)
    diagnosis = diagnose()
    assert not diagnosis.found
    assert diagnosis.wanted
    assert INSTALL_PAGE in diagnosis.detail
    monkeypatch.delenv("PXRDGEN_GSAS2_PYTHON")
    if not _has_gsas2() and not os.environ.get("PXRDGEN_GSAS2_FOLDER"):
        assert not diagnose().wanted


def test_the_doctor_names_version_and_defects(monkeypatch: pytest.MonkeyPatch, interpreter: Interpreter) -> None:
    monkeypatch.setenv(
        "PXRDGEN_GSAS2_PYTHON", interpreter(saying({**GOOD, "value": {"averages_friedel_mates": False}}))
    )
    diagnosis = diagnose()
    assert diagnosis.found
    assert "5838" in diagnosis.detail
    assert "centre of symmetry" in diagnosis.detail
