"""What a question leaves open, as structure problems to be tried: several Z, several cells."""

from __future__ import annotations

from dataclasses import dataclass

from pxrdgen.errors import CellError
from pxrdgen.plugins.registry import Registry
from pxrdgen.specs.pipeline import PipelineSpec
from pxrdgen.values.prepared_pattern import PreparedPattern
from pxrdgen.values.problem import StructureProblem
from pxrdgen_solver.indexing.find_in_pattern import cells_of
from pxrdgen_solver.indexing.problems_of_cells import problems_of_cells
from pxrdgen_solver.progress import Progress
from pxrdgen_solver.question.problem import build_problem, problems_for_z
from pxrdgen_solver.question.question import Question

#: numbers of formula units that are tried in a given cell, and the least probability of each.
MOST_Z, PROBABLE_Z = 3, 0.1


@dataclass(frozen=True, kw_only=True)
class Alternative:
    """One problem, and its share (0-1) of the time."""

    problem: StructureProblem
    share: float


def state_alternatives(
    question: Question, prepared: PreparedPattern, spec: PipelineSpec, registry: Registry, report: Progress
) -> list[Alternative]:
    """The problems of a question, likeliest first; where no cell is given, in the cells found in the pattern.

    Raises:
        InputError: cell, centring, Z, formula and space group do not go together; or no cell is found.
    """
    if question.cell is None:
        if question.centring is not None:
            raise CellError(
                f"got the centring {question.centring!r} without a cell, expected a cell with it; leave both out to "
                "find them"
            )
        return _in_found_cells(question, prepared, spec, registry, report)
    pattern, composition = prepared.pattern, question.composition
    if question.z is None:
        problems = problems_for_z(
            pattern,
            composition,
            cell=question.cell,
            centring=question.centring,
            space_group=question.space_group,
            at_least=PROBABLE_Z,
        )[:MOST_Z]
    else:
        problems = [
            build_problem(
                pattern,
                composition,
                cell=question.cell,
                z=question.z,
                centring=question.centring,
                space_group=question.space_group,
            )
        ]
    return [Alternative(problem=problem, share=1.0 / len(problems)) for problem in problems]


def _in_found_cells(
    question: Question, prepared: PreparedPattern, spec: PipelineSpec, registry: Registry, report: Progress
) -> list[Alternative]:
    answer = cells_of(
        prepared,
        question.composition,
        question.z,
        spec,
        registry,
        seed=spec.seed,
        progress=report,
    )
    found = problems_of_cells(
        answer,
        prepared.pattern,
        question.composition,
        z=question.z,
        space_group=question.space_group,
        most=spec.cells,
    )
    return [Alternative(problem=entry.problem, share=entry.share) for entry in found]
