"""Fox beside the solve loop: cell and space group known, the same CPU seconds on one core.

Fox is told more: the number of independent atoms of each element, which its users would have to guess, background,
zero, widths and cell of our whole-pattern fit, and of a textured pattern the axis and the March-Dollase ratio, both
true. Each program's first answer counts.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pxrdgen.interfaces.task import Task
from pxrdgen.specs.pipeline import PipelineSpec
from pxrdgen.values.cell import UnitCell
from pxrdgen.values.crystal import Crystal
from pxrdgen_benchmarks.cases import Column, SimulatedCase, simulated_cases
from pxrdgen_benchmarks.evaluate import solve
from pxrdgen_benchmarks.fox_input import FoxProblem
from pxrdgen_benchmarks.fox_run import fox_program, run_fox
from pxrdgen_benchmarks.metrics import PUBLISHED, STRICT, match_rms
from pxrdgen_benchmarks.perturbed import Texture, perturbed_task
from pxrdgen_benchmarks.posed import posed_of
from pxrdgen_benchmarks.subsets import val_entries
from pxrdgen_crystallography.space_group_symbols import parse_space_group
from pxrdgen_solver.question.question import Question

#: share of the time that our search may use; the rest goes into preparation and refinement.
SEARCH_SHARE = 0.75
#: A, of the symmetry that counts as the truth's.
TOLERANCE = 0.01


class Program(StrEnum):
    """Which program solves."""

    FOX = "fox"
    PXRDGEN = "pxrdgen"


class FoxSpec(BaseModel):
    """A program and its time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    program: Program = Field(default=Program.PXRDGEN, description="which program solves")
    seconds: float = Field(default=30.0, gt=0, description="CPU seconds a crystal")
    texture: bool = Field(default=True, description="whether Fox is told the true texture of a textured pattern")


class FoxData(BaseModel):
    """Crystals drawn from the validation split."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    limit: int = Field(default=20, ge=1, description="how many; longer draws start alike")
    sizes: tuple[int, int] = Field(default=(13, 20), description="fewest and most atoms")
    seed: int = Field(default=11, ge=0, description="of the draw")
    columns: tuple[Column, ...] = Field(default=(Column.PERTURBED,), description="clean, perturbed")
    crystals: Path | None = Field(default=None, description="table or pack; default: the shared data folder's")


@dataclass(frozen=True, kw_only=True)
class FoxRow:
    """One crystal solved by one program.

    Args:
        strict, published: whether the first answer matches the truth.
        rms: of it by the published matcher, in (V / N)^(1/3); ``None`` without a match.
        cpu_s: used by all of it.
        trials: Fox's, in all runs.
        space_group: Hermann-Mauguin symbol given.
        sites: independent atoms of the truth.
    """

    strict: bool
    published: bool
    rms: float | None
    cpu_s: float
    trials: int
    space_group: str
    sites: int


@dataclass(frozen=True, kw_only=True)
class Known:
    """The question with the symmetry of the truth: conventional cell as typed, group, independent atoms, texture."""

    question: Question
    sites: tuple[int, ...]
    texture: Texture | None


class BesideFox(Task):
    """Two programs on the same patterns."""

    spec_model: ClassVar[type[BaseModel]] = FoxSpec
    data_model: ClassVar[type[BaseModel]] = FoxData
    headline: ClassVar[str] = "strict"
    card_values: ClassVar[tuple[str, ...]] = ("strict", "published", "rms", "cpu_s")

    def cases(self, data: Any) -> Sequence[SimulatedCase]:
        """Each crystal in each column."""
        return simulated_cases(val_entries(data.limit, data.crystals, sizes=data.sizes, seed=data.seed), data.columns)

    def selection(self, data: Any) -> str:
        """By size, drawn."""
        low, high = data.sizes
        return f"{data.limit} crystals of {low} to {high} atoms, drawn from the validation split (seed {data.seed})"

    def absent(self, spec: FoxSpec) -> str:
        """The program Fox, where it is wanted and not there."""
        if spec.program is Program.FOX and fox_program() is None:
            return "got no program 'fox' on PATH, expected Fox; on Debian: apt-get install objcryst-fox xvfb"
        return ""

    def measure(self, case: SimulatedCase, spec: FoxSpec) -> FoxRow:
        """Ask one program, then compare."""
        known, started, trials = known_of(case), time.process_time(), 0
        if spec.program is Program.FOX:
            answers, cpu_s, trials = _by_fox(known, spec)
        else:
            pipeline = PipelineSpec(budget_s=SEARCH_SHARE * spec.seconds)
            best = solve(known.question, pipeline).best
            answers, cpu_s = [best.crystal] if best is not None else [], time.process_time() - started
        matched = [rms for answer in answers if (rms := match_rms(answer, case.truth, PUBLISHED)) is not None]
        group = known.question.space_group
        return FoxRow(
            strict=any(match_rms(answer, case.truth, STRICT) is not None for answer in answers),
            published=bool(matched),
            rms=min(matched, default=None),
            cpu_s=round(cpu_s, 1),
            trials=trials,
            space_group="" if group is None else group.hm_symbol,
            sites=len(known.sites),
        )


def known_of(case: SimulatedCase) -> Known:
    """The question in the conventional cell of the reference setting of the truth's group."""
    from pxrdgen_crystallography.symmetry.symmetrise import find_symmetry

    question = case.question()
    if question.cell is None or question.z is None:
        raise ValueError("got a question without cell or Z, which both programs are told")
    _, transform = case.truth.cell.niggli()
    truth = replace(
        case.truth,
        basis=transform @ case.truth.basis,
        frac_coords=case.truth.frac_coords @ np.linalg.inv(transform) % 1.0,
    )
    symmetry = find_symmetry(truth, TOLERANCE)
    conventional = symmetry.to_standard @ transform
    texture = None
    if case.column == Column.PERTURBED and (made := perturbed_task(case.truth, case.index).texture) is not None:
        # indices of a plane go with the rows of the basis
        plane = conventional @ np.array(made.axis, dtype=np.float64)
        texture = Texture(ratio=made.ratio, axis=(float(plane[0]), float(plane[1]), float(plane[2])))
    return Known(
        question=replace(
            question,
            cell=UnitCell.from_basis(conventional @ question.cell.basis),
            z=question.z * round(float(np.linalg.det(symmetry.to_standard))),
            space_group=parse_space_group(symmetry.space_group.hm_symbol),
        ),
        sites=tuple(int(truth.species[atom]) for atom in np.unique(symmetry.orbits)),
        texture=texture,
    )


def _by_fox(known: Known, spec: FoxSpec) -> tuple[list[Crystal], float, int]:
    posed = posed_of(known.question)
    problem = posed.problem
    if problem.space_group is None:
        raise ValueError("got a problem without its space group, which Fox is told")
    told = FoxProblem(
        prepared=posed.prepared,
        decomposition=posed.decomposition,
        cell=UnitCell.from_basis(problem.to_user @ posed.decomposition.basis),
        space_group=problem.space_group,
        sites=known.sites,
        texture=known.texture if spec.texture else None,
    )
    counts = {
        int(number): problem.lattice_points * count for number, count in Counter(problem.species.tolist()).items()
    }
    outcome = run_fox(told, counts, spec.seconds)
    return list(outcome.crystals), outcome.cpu_s, outcome.runs * outcome.trials
