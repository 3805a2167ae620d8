"""The Python door: ``pxrdgen.solve(...)`` takes the words of the command line and returns a :class:`Solution`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pxrdgen.errors import CellError, OptionError
from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.specs.pipeline import PipelineSpec, labelled
from pxrdgen.values.cell import UnitCell
from pxrdgen.values.composition import parse_formula
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.instrument import Instrument, Radiation, radiation_from
from pxrdgen.values.pattern import PowderPattern

if TYPE_CHECKING:
    from pxrdgen.plugins.registry import Registry
    from pxrdgen.values.composition import Composition
    from pxrdgen.values.prepared_pattern import PreparedPattern
    from pxrdgen.values.problem import StructureProblem
    from pxrdgen.values.solution import Solution
    from pxrdgen.values.space_group import SpaceGroup
    from pxrdgen_solver.loop.settings import Components, Progress


#: what every answer rests on, whatever the components.
_WORKS = ("pxrdgen", "extinction", "moyo", "spglib", "gemmi")


def solve(
    pattern: PowderPattern | str | Path,
    formula: str,
    *,
    z: int | None = None,
    cell: UnitCell | Sequence[float] | None = None,
    centring: str | None = None,
    space_group: str | int | None = None,
    instrument: Instrument | str | None = None,
    wavelength: Radiation | str | float | None = None,
    ranges: Sequence[tuple[float, float]] = (),
    exclude: Sequence[tuple[float, float]] = (),
    impurity: Sequence[Crystal | str | Path] = (),
    candidates: int | None = None,
    budget: float | None = None,
    seed: int | None = None,
    spec: PipelineSpec | None = None,
    registry: Registry | None = None,
    progress: Progress | None = None,
) -> Solution:
    """Find the crystal structure behind a powder pattern.

    Args:
        pattern: a pattern, or a file of any format an installed reader knows.
        formula: of one formula unit, ``"CuSO4.5H2O"``.
        z: formula units in the cell as typed, without a cell in the primitive one; several are tried when it is left
            out.
        cell: a b c (A) alpha beta gamma (degrees), in any setting; found from the pattern when it is left out.
        centring: P A B C I F or R; default from the space group, else P.
        space_group: number or Hermann-Mauguin symbol with its setting; names the setting of the answer.
        instrument: an :class:`Instrument`, the name of a shipped one or a .instprm file; default: what the file says.
        wavelength: a tube or A, where the file says nothing.
        ranges, exclude: 2theta ranges (degrees) to use and to leave out.
        impurity: crystals, or CIFs of crystals, known to be in the sample besides.
        candidates, budget (s), seed: override the spec's.
        spec: the pipeline; default: everything by default.
        registry: of components; default: what is installed.
        progress: called with stage, share done and best score.

    Raises:
        InputError: something given cannot be used; the message says what and how to mend it.
    """
    from pxrdgen.plugins.registry import default_registry
    from pxrdgen.values.space_group import parse_space_group
    from pxrdgen_crystallography.preparation import prepare
    from pxrdgen_crystallography.scattering.radiation import check_radiation
    from pxrdgen_files.cif import read_cif
    from pxrdgen_files.instprm import with_instrument
    from pxrdgen_files.patterns import read_pattern
    from pxrdgen_solver.loop.pipeline import solve_problems
    from pxrdgen_solver.loop.settings import SolveSettings
    from pxrdgen_solver.question.problem import build_problem, problems_for_z
    from pxrdgen_solver.search.islands import default_processes

    registry = registry or default_registry()
    spec = _overridden(spec or PipelineSpec(), candidates, budget, seed)
    composition, formula_notes = parse_formula(formula)
    group = None if space_group is None else parse_space_group(space_group)
    unit_cell = cell if cell is None or isinstance(cell, UnitCell) else UnitCell.from_numbers(cell)
    if unit_cell is None and centring is not None:
        raise CellError(
            f"got the centring {centring!r} without a cell, expected a cell with it; leave both out to find them"
        )
    components = build_components(spec, registry)
    radiation, note = _radiation(wavelength)
    known = [entry if isinstance(entry, Crystal) else read_cif(entry) for entry in impurity]
    if not isinstance(pattern, PowderPattern):
        pattern = read_pattern(Path(pattern), registry=registry, radiation=radiation)
    if instrument is not None:
        pattern = with_instrument(pattern, instrument)
    check_radiation(pattern.instrument.radiation)
    prepared = prepare(pattern, ranges=ranges, exclude=exclude)
    shares: tuple[float, ...] = ()
    if unit_cell is None:
        problems, shares = _without_cell(prepared, composition, z, group, spec, registry, progress)
    elif z is None:
        problems = problems_for_z(
            pattern, composition, cell=unit_cell, centring=centring, space_group=group, at_least=0.1
        )[:3]
    else:
        problems = [build_problem(pattern, composition, cell=unit_cell, z=z, centring=centring, space_group=group)]
    settings = SolveSettings(
        candidates=spec.candidates,
        refine_best=spec.refine_best,
        budget_s=spec.budget_s,
        seed=spec.seed,
        processes=spec.processes or default_processes(),
        stop_when_solved=spec.stop_when_solved,
    )
    solution = solve_problems(problems, prepared, components, settings, progress, known, shares)
    return _with_provenance(solution, spec, registry, (*formula_notes, *((note,) if note else ())))


def _without_cell(
    prepared: PreparedPattern,
    composition: Composition,
    z: int | None,
    group: SpaceGroup | None,
    spec: PipelineSpec,
    registry: Registry,
    progress: Progress | None,
) -> tuple[list[StructureProblem], tuple[float, ...]]:
    """The problems of the likeliest cells, and the share of the time of each."""
    from pxrdgen_solver.indexing.find_in_pattern import cells_of
    from pxrdgen_solver.indexing.problems_of_cells import problems_of_cells

    def report(stage: str, share: float) -> None:
        if progress is not None:
            progress(stage, share, None)

    answer = cells_of(prepared, composition, z, spec, registry, seed=spec.seed, progress=report)
    found = problems_of_cells(answer, prepared.pattern, composition, z=z, space_group=group, most=spec.cells)
    return [entry.problem for entry in found], tuple(entry.share for entry in found)


def build_components(spec: PipelineSpec, registry: Registry) -> Components:
    """The generators and the refiner a spec names."""
    from pxrdgen.plugins.resolution import with_encoder
    from pxrdgen_solver.loop.settings import Components

    return Components(
        generators={
            label: registry.build(ComponentKind.GENERATOR, part)
            for label, part in labelled(with_encoder(spec, registry).generators)
        },
        refiner=registry.build(ComponentKind.REFINER, spec.refiner),
    )


def _overridden(spec: PipelineSpec, candidates: int | None, budget: float | None, seed: int | None) -> PipelineSpec:
    if candidates is not None and candidates < 1:
        raise OptionError(f"got {candidates} candidates, expected at least 1")
    if budget is not None and not (math.isfinite(budget) and budget > 0):
        raise OptionError(f"got a budget of {budget:g} seconds, expected a number above 0")
    if seed is not None and not 0 <= seed < 2**63:
        raise OptionError(f"got seed {seed}, expected a whole number from 0 to 2^63 - 1")
    changes = {"candidates": candidates, "budget_s": budget, "seed": seed}
    return spec.model_copy(update={name: value for name, value in changes.items() if value is not None})


def _radiation(wavelength: Radiation | str | float | None) -> tuple[Radiation | None, str]:
    if wavelength is None or isinstance(wavelength, Radiation):
        return wavelength, ""
    return radiation_from(wavelength)


def _with_provenance(solution: Solution, spec: PipelineSpec, registry: Registry, notes: tuple[str, ...]) -> Solution:
    from pxrdgen import __version__
    from pxrdgen.plugins.resolution import citations_of, component_versions, resolve_spec

    provenance = {
        **solution.provenance,
        "spec": resolve_spec(spec, registry).model_dump(mode="json"),
        "versions": {"pxrdgen": __version__, **component_versions(spec, registry)},
        "citations": [*_WORKS, *(work.key for work in citations_of(spec, registry))],
    }
    return replace(solution, provenance=provenance, notes=(*notes, *solution.notes))
