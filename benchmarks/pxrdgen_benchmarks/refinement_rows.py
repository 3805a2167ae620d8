"""One line of a refinement run, and the file of them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from pxrdgen.errors import DatasetError, OptionError
from pxrdgen_benchmarks.results_file import code_digest


@dataclass(frozen=True, kw_only=True)
class RefinementRow:
    """What became of one start; a failure is a row too.

    Args:
        id, part, group, num_atoms: the case.
        rms_before, rms_after: to the truth by the published matcher, in (V / N)^(1/3); ``None`` without a match.
        r_wp, r_wp_without_background, r_exp, gof: fractions; ``None`` when refinement failed.
        converged, message: the refiner's.
        seconds, cpu_seconds: wall, and of this process with its children.
        cell, cell_su: a b c (A) alpha beta gamma (degrees) of the primitive cell.
        coords, coordinate_su: [N][3] fractional, the start's atoms in its order.
        parameters: by name.
        error: type and message of what the refiner raised, else empty.
    """

    id: str
    part: str
    group: str
    num_atoms: int
    rms_before: float | None = None
    rms_after: float | None = None
    r_wp: float | None = None
    r_wp_without_background: float | None = None
    r_exp: float | None = None
    gof: float | None = None
    converged: bool = False
    message: str = ""
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    cell: tuple[float, ...] = ()
    cell_su: tuple[float, ...] = ()
    coords: tuple[tuple[float, ...], ...] = ()
    coordinate_su: tuple[tuple[float, ...], ...] = ()
    parameters: Mapping[str, float] = field(default_factory=dict)
    error: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """Names the case within a run."""
        return (self.id, self.part, self.group)

    @classmethod
    def from_mapping(cls, values: Mapping[str, object]) -> RefinementRow:
        """The row a line describes.

        Raises:
            DatasetError: a field is missing or unknown.
        """
        if not {"id", "part", "group", "num_atoms"} <= values.keys() <= {entry.name for entry in fields(cls)}:
            raise DatasetError(f"got the fields {', '.join(sorted(values))}, which are no row of a refinement run")
        return cls(**values)  # type: ignore[arg-type]


def open_rows(path: Path, run: Mapping[str, object]) -> list[RefinementRow]:
    """Begin the file of a run (its first line says which), or continue it; a line cut short is dropped.

    Raises:
        OptionError: the file belongs to another run.
        DatasetError: it is no such file.
    """
    if not path.exists() or path.stat().st_size == 0:
        _append(path, json.dumps({"run": run, "code": code_digest()}))
        return []
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(path, whole)
    head, rows = read_rows(path)
    if head.get("run") != json.loads(json.dumps(run)):
        raise OptionError(
            f"got {path}, which holds another run: {json.dumps(head.get('run'))}; "
            "give the same options to continue it, or another --out"
        )
    return rows


def append_row(path: Path, row: RefinementRow) -> None:
    """Add a finished row in one write that reaches the disk."""
    _append(path, json.dumps(asdict(row), allow_nan=False))


def read_rows(path: Path) -> tuple[dict[str, object], list[RefinementRow]]:
    """The first line and the rows; a last line without its end is left out.

    Raises:
        DatasetError: it cannot be read or is no such file.
    """
    try:
        text = path.read_text(encoding="utf-8")
        lines = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
    except (OSError, ValueError) as error:
        raise DatasetError(f"got {path}, which cannot be read as results ({error})") from error
    if not lines or not all(isinstance(line, dict) for line in lines) or "run" not in lines[0]:
        raise DatasetError(f"got {path}, which is no results file; its first line names the run")
    return lines[0], [RefinementRow.from_mapping(line) for line in lines[1:]]


def _append(path: Path, line: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(handle, line.encode() + b"\n")
        os.fsync(handle)
    finally:
        os.close(handle)
