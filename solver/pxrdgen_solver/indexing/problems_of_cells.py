"""From ranked cells to structure problems: which cells are tried, with which Z, for which share of the time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pxrdgen.errors import CellError, InputError
from pxrdgen.values.cells import CellAnswer, CellHypothesis
from pxrdgen.values.composition import Composition
from pxrdgen.values.pattern import PowderPattern
from pxrdgen.values.problem import StructureProblem
from pxrdgen.values.space_group import SpaceGroup
from pxrdgen_crystallography.lattice.atomic_volumes import plausible_z
from pxrdgen_solver.question.problem import build_problem, problems_for_z

#: alternatives (cell and Z) less likely than this share of the likeliest are not tried.
WORTH_TRYING = 0.03
#: no alternative that is tried gets less than this share of the time.
LEAST_TIME = 0.12


@dataclass(frozen=True, kw_only=True)
class WeightedProblem:
    """One alternative and its share of the time, 0-1."""

    problem: StructureProblem
    share: float


def problems_of_cells(
    answer: CellAnswer,
    pattern: PowderPattern,
    composition: Composition,
    *,
    z: int | None = None,
    space_group: SpaceGroup | None = None,
    most: int = 3,
) -> list[WeightedProblem]:
    """At most ``most`` alternatives, likeliest first.

    Args:
        answer: ranked cells.
        pattern: to be explained.
        composition: one formula unit.
        z: formula units in the primitive cell; several are tried without it.
        space_group: cells that cannot have it in this setting are left out.
        most: alternatives of cell and Z together.

    Raises:
        CellError: no cell was found, or none can hold the formula in the space group.
    """
    if not answer.hypotheses:
        reasons = "; ".join(answer.notes)
        raise CellError(
            f"got no cell and found none in the pattern: {reasons}; expected a cell or a pattern that can be indexed; "
            "index it with 'pxrdgen index' or another program, and give the cell"
        )
    weighted: list[tuple[float, StructureProblem]] = []
    refusals: list[str] = []
    for hypothesis in answer.hypotheses:
        try:
            weighted.extend(_alternatives(hypothesis, pattern, composition, z, space_group))
        except InputError as error:
            refusals.append(str(error))
    if not weighted:
        raise CellError(
            f"got no cell, and none of the {len(refusals)} found in the pattern suits the rest (the first: "
            f"{refusals[0]}); give the cell, or leave Z and the space group out"
        )
    weighted.sort(key=lambda pair: -pair[0])
    kept = [pair for pair in weighted if pair[0] >= WORTH_TRYING * weighted[0][0]][:most]
    shares = [max(weight / sum(weight for weight, _ in kept), LEAST_TIME) for weight, _ in kept]
    return [
        WeightedProblem(problem=problem, share=share / sum(shares))
        for share, (_, problem) in zip(shares, kept, strict=True)
    ]


def _alternatives(
    hypothesis: CellHypothesis,
    pattern: PowderPattern,
    composition: Composition,
    z: int | None,
    space_group: SpaceGroup | None,
) -> Sequence[tuple[float, StructureProblem]]:
    conventional = hypothesis.conventional
    if conventional is None:
        raise CellError("got a cell hypothesis that was not fitted to the peaks")
    weight = hypothesis.probability or 0.0
    note = (
        f"the cell was found from the pattern: {conventional.system} {conventional.centring}, {conventional.cell}, "
        f"with probability {weight:.2f}"
    )
    cell = conventional.cell
    # the group's own letter says how the cell is centred; a setting that does not fit is refused
    letter = conventional.centring if space_group is None else None
    if z is not None:
        typed = z * conventional.lattice_points
        problem = build_problem(pattern, composition, cell=cell, z=typed, centring=letter, space_group=space_group)
        return [(weight, replace(problem, notes=(note, *problem.notes)))]
    problems = problems_for_z(pattern, composition, cell=cell, centring=letter, space_group=space_group, at_least=0.05)
    chances = dict(plausible_z(problems[0].composition, problems[0].volume))
    return [
        (weight * chances.get(problem.z, 0.0), replace(problem, notes=(note, *problem.notes))) for problem in problems
    ]
