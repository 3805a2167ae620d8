"""One refinement case through one refiner, scored. The truth is looked at after the refiner is done."""

from __future__ import annotations

import math
import resource
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pxrdgen.interfaces.refiner import Refiner
from pxrdgen.values.refinement import RefinementResult
from pxrdgen_benchmarks.metrics import PUBLISHED, match_rms
from pxrdgen_benchmarks.refinement_cases import RefinementCase
from pxrdgen_benchmarks.refinement_rows import RefinementRow, append_row, open_rows

#: builds the refiner for a case; measured cases may want options of their own.
RefinerOf = Callable[[RefinementCase], Refiner]


def run_refinements(
    cases: Sequence[RefinementCase],
    refiner_of: RefinerOf,
    path: Path,
    run: Mapping[str, object],
    watch: Callable[[RefinementRow, int], None] | None = None,
) -> list[RefinementRow]:
    """Refine what the file lacks, each row written as soon as it is there; all rows of these cases.

    Raises:
        OptionError: the file belongs to another run.
    """
    wanted = {case.key for case in cases}
    rows = [row for row in open_rows(path, run) if row.key in wanted]
    done = {row.key for row in rows}
    for row in _fresh([case for case in cases if case.key not in done], refiner_of):
        append_row(path, row)
        rows.append(row)
        if watch is not None:
            watch(row, len(cases))
    return rows


def _fresh(cases: Sequence[RefinementCase], refiner_of: RefinerOf) -> Iterator[RefinementRow]:
    for case in cases:
        yield evaluate_refinement(case, refiner_of(case))


def evaluate_refinement(case: RefinementCase, refiner: Refiner) -> RefinementRow:
    """The row of one case; whatever goes wrong is a row that did not come home."""
    row = RefinementRow(id=case.id, part=case.part, group=case.group, num_atoms=len(case.truth))
    try:
        measurement, start = case.task()
        row = replace(row, rms_before=match_rms(start.crystal, case.truth, PUBLISHED))
        wall, cpu = time.perf_counter(), _cpu_seconds()
        result = refiner.refine(measurement, [start])[0]
        row = replace(row, seconds=round(time.perf_counter() - wall, 3), cpu_seconds=round(_cpu_seconds() - cpu, 3))
        return _scored(row, case, result)
    except Exception as error:  # every failure is a row
        return replace(row, error=f"{type(error).__name__}: {error}"[:300])


def _scored(row: RefinementRow, case: RefinementCase, result: RefinementResult) -> RefinementRow:
    crystal = result.crystal
    su = result.coordinate_su
    return replace(
        row,
        rms_after=match_rms(crystal, case.truth, PUBLISHED),
        r_wp=_finite(result.r_wp),
        r_wp_without_background=_finite(result.r_wp_without_background),
        r_exp=_finite(result.r_exp),
        gof=_finite(result.gof),
        converged=result.converged,
        message=result.message[:300],
        cell=tuple(crystal.cell.parameters),
        cell_su=tuple(float(value) for value in result.cell_su or ()),
        coords=tuple(tuple(map(float, atom)) for atom in crystal.frac_coords),
        coordinate_su=() if su is None else tuple(tuple(map(float, atom)) for atom in su),
        parameters={name: float(value) for name, value in result.parameters.items() if math.isfinite(value)},
    )


def _cpu_seconds() -> float:
    """Of this process and of its children that have ended."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
