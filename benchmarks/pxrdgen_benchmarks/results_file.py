"""A results file: JSON lines, the first says what run this is, each further one is a row. Survives a kill."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from pxrdgen.errors import DatasetError, OptionError, OutputError
from pxrdgen_benchmarks.record import Record


@dataclass(frozen=True, kw_only=True)
class ResultsFile:
    """Records of one spec of a run on disk.

    Args:
        path: of the file; its folder must exist.
        run: what must agree for rows to belong together (subset, resolved spec); plain JSON.
    """

    path: Path
    run: Mapping[str, object] = field(default_factory=dict)

    def open(self) -> list[Record]:
        """Begin the file, or continue it: a line cut short by a kill is dropped. Returns the finished rows.

        Raises:
            OptionError: the file belongs to another run.
            DatasetError: the file is not a results file.
            OutputError: it cannot be written.
        """
        try:
            if not self.path.exists() or self.path.stat().st_size == 0:
                self._append({"run": self.run, "code": code_digest(), "version": metadata.version("pxrdgen")})
                return []
            content = self.path.read_bytes()
            whole = content[: content.rfind(b"\n") + 1]
            if len(whole) < len(content):
                os.truncate(self.path, len(whole))
            if not whole:
                return self.open()
        except OSError as error:
            raise OutputError(
                f"got the results file {self.path}, which cannot be written ({error.strerror})"
            ) from error
        head, rows = read_records(self.path)
        if head.get("run") != json.loads(json.dumps(self.run)):
            raise OptionError(
                f"got {self.path}, which holds another run: {json.dumps(head.get('run'))}; "
                "give the same options to continue it, or another --out"
            )
        if head.get("code") != code_digest():
            self._append({"note": "continued with other code", "code": code_digest()})
        return rows

    def append(self, record: Record) -> None:
        """Add a finished record, in one write that reaches the disk."""
        self._write(record.to_json())

    def _append(self, line: Mapping[str, object]) -> None:
        self._write(json.dumps(line))

    def _write(self, line: str) -> None:
        handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(handle, line.encode() + b"\n")
            os.fsync(handle)
        finally:
            os.close(handle)


def read_records(path: Path) -> tuple[dict[str, object], list[Record]]:
    """The first line and the rows of a results file; a last line without its end is left out.

    Raises:
        DatasetError: it cannot be read or is not a results file.
    """
    try:
        text = path.read_text(encoding="utf-8")
        lines: list[Any] = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
    except (OSError, ValueError) as error:
        raise DatasetError(f"got {path}, which cannot be read as results ({error})") from error
    if not lines or not all(isinstance(line, dict) for line in lines) or "run" not in lines[0]:
        raise DatasetError(f"got {path}, which is not a results file; its first line names the run")
    return lines[0], [Record.from_mapping(line) for line in lines[1:] if "note" not in line]


def codes_of(path: Path) -> tuple[str, ...]:
    """Digests of the code its rows came from, in the order in which it was continued."""
    lines: list[dict[str, str]] = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
    return tuple(line["code"] for line in lines if "code" in line)


#: packages below the plugins whose code decides an answer.
ROOMS = ("pxrdgen", "pxrdgen_crystallography", "pxrdgen_files", "pxrdgen_learning", "pxrdgen_solver")


def code_digest() -> str:
    """Of the sources of the rooms and the plugins: says whether two rows came from the same program."""
    import importlib.util

    digest = hashlib.sha256()
    rooms = sorted({entry.value for entry in metadata.entry_points(group="pxrdgen.plugins")} | set(ROOMS))
    for room in rooms:
        found = importlib.util.find_spec(room)
        for folder in (found.submodule_search_locations or []) if found else []:
            for file in sorted(Path(folder).rglob("*.py")):
                digest.update(str(file.relative_to(folder)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]
