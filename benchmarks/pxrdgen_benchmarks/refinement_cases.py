"""Refinement problems with known answers: simulated, measured, and candidates as a generator leaves them.

Everything random follows from the crystal's place in its subset. A refiner sees measurement and start only.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.crystal import Crystal
from pxrdgen.values.instrument import GSAS2_DEFAULT
from pxrdgen.values.refinement import Measurement, RefinementStart
from pxrdgen.values.symmetrised_crystal import SymmetrisedCrystal
from pxrdgen_benchmarks.measured import MeasuredCase, example_case
from pxrdgen_benchmarks.subsets import Entry
from pxrdgen_crystallography.symmetry.freedom import free_coordinates, free_origin, free_strains, strain_matrix
from pxrdgen_crystallography.symmetry.symmetrise import find_symmetry

FloatArray = NDArray[np.float64]

#: what is wrong with the start: relative strain of the cell, distance of the atoms (A).
CELL_OFF, ATOMS_OFF = 0.005, 0.1
#: counts at the highest point, and of the background at the ends of the pattern.
COUNTS, BACKGROUND = 1e4, (200.0, 100.0)
#: 2theta of simulated patterns, degrees: first, last, step.
GRID = (10.0, 80.0, 0.02)
#: random displacements (A, each coordinate's standard deviation) of the candidates of figure 6.
LEVELS = (0.05, 0.1, 0.2, 0.3, 0.45, 0.6)
#: candidates of a generator for each crystal of figure 6.
GENERATED = 4
#: terms of the background's polynomial on measured patterns, the same for all refiners.
BACKGROUND_TERMS = 12


class Part(StrEnum):
    """What is refined."""

    SIMULATED = "simulated"
    MEASURED = "measured"
    CANDIDATES = "candidates"


@dataclass(frozen=True, kw_only=True)
class RefinementCase(ABC):
    """A start, a measurement and the truth.

    Args:
        id: of the crystal and, where it has several, of the start.
        column: the part.
        bucket: kind of crystal or of start.
        index: seeds what is random.
        truth: the crystal, primitive cell.
    """

    id: str
    column: Part
    bucket: str
    index: int
    truth: Crystal = field(repr=False)

    @property
    def num_atoms(self) -> int:
        """In the primitive cell."""
        return len(self.truth)

    @abstractmethod
    def task(self) -> tuple[Measurement, RefinementStart]:
        """What the refiner is given; simulated or read on call."""

    def model(self) -> Mapping[str, Any]:
        """Options that every refiner is told, so that all fit the same model; none by default."""
        return {}


@dataclass(frozen=True, kw_only=True)
class SimulatedRefinement(RefinementCase):
    """Noise of 10^4 counts, cell off by 0.5 %, atoms off by 0.1 A, all within the symmetry; the instrument is known."""

    symmetry: SymmetrisedCrystal = field(repr=False)

    def task(self) -> tuple[Measurement, RefinementStart]:
        """Simulated with the engine that the reference model was checked with."""
        rng = np.random.default_rng([self.index, 61])
        measurement = simulated_measurement(self.symmetry.crystal, rng)
        start = strained(displaced(self.symmetry, ATOMS_OFF, rng), CELL_OFF, rng)
        return measurement, RefinementStart(crystal=start.crystal, symmetry=start)


@dataclass(frozen=True, kw_only=True)
class MeasuredRefinement(RefinementCase):
    """A measured example, the reference's coordinates moved by 0.1 A within the symmetry.

    Args:
        example: pattern and reference.
        span: 2theta used, degrees.
        texture_axis: Miller indices in the primitive cell; ``None`` for no texture.
        sh_l: axial divergence (S + H) / L to begin with; refiners may refine it.
    """

    example: MeasuredCase
    span: tuple[float, float]
    texture_axis: tuple[int, int, int] | None
    sh_l: float

    def task(self) -> tuple[Measurement, RefinementStart]:
        """The task that ``pxrdgen refine`` would hand over, with displaced atoms."""
        from pxrdgen_crystallography.preparation import prepare
        from pxrdgen_solver.refinement.frame import frame_of
        from pxrdgen_solver.refinement.run import task_for

        pattern = self.example.question().pattern
        found = task_for(prepare(pattern, ranges=[self.span]), frame_of(pattern, self.truth))
        start = found.start
        if start.symmetry is not None:
            moved = displaced(start.symmetry, ATOMS_OFF, np.random.default_rng([self.index, 62]))
            start = replace(start, crystal=moved.crystal, symmetry=moved)
        instrument = replace(found.measurement.instrument, sh_l=self.sh_l)
        return replace(found.measurement, instrument=instrument), start

    def model(self) -> Mapping[str, Any]:
        """Background and texture."""
        return {
            "background": "chebyshev",
            "background_terms": BACKGROUND_TERMS,
            "refine_texture": self.texture_axis is not None,
            "texture_axis": None if self.texture_axis is None else list(self.texture_axis),
        }


@dataclass(frozen=True, kw_only=True)
class CandidateRefinement(RefinementCase):
    """An arrangement without symmetry in the true cell, to be fitted to a simulated pattern without noise.

    Args:
        level: standard deviation (A) of the displacements; ``None`` for a proposal of the generator.
        number: of the proposal.
    """

    level: float | None = None
    number: int = 0

    def task(self) -> tuple[Measurement, RefinementStart]:
        """The candidate in P1, the cell known."""
        measurement = simulated_measurement(self.truth, None)
        if self.level is None:
            coords = proposals(self.truth, measurement, seed=self.index)[self.number]
        else:
            rng = np.random.default_rng([self.index, 64, round(1000 * self.level)])
            shift = rng.normal(scale=self.level, size=(len(self.truth), 3))
            coords = self.truth.frac_coords + shift @ np.linalg.inv(self.truth.basis)
        crystal = replace(self.truth, frac_coords=coords, u_iso=None)
        return measurement, RefinementStart(crystal=crystal, cell_fitted=True)


def simulated_refinements(
    entries: Sequence[Entry], *, centrosymmetric: int = 20, others: int = 10
) -> list[SimulatedRefinement]:
    """The first crystals of each kind that have a free coordinate and no hydrogen, which X-rays cannot place."""
    wanted = {"centrosymmetric": centrosymmetric, "other": others}
    cases: list[SimulatedRefinement] = []
    for entry in entries:
        if (entry.crystal.species == 1).any() or not any(wanted.values()):
            continue
        symmetry = find_symmetry(entry.crystal, 0.01)
        kind = "centrosymmetric" if is_centrosymmetric(symmetry) else "other"
        free = free_coordinates(symmetry).shape[1] - free_origin(symmetry).shape[1]
        if free and wanted[kind]:
            wanted[kind] -= 1
            cases.append(
                SimulatedRefinement(
                    id=entry.crystal.name,
                    column=Part.SIMULATED,
                    bucket=kind,
                    index=entry.index,
                    truth=symmetry.crystal,
                    symmetry=symmetry,
                )
            )
    return cases


def measured_refinements(folder: Path) -> list[MeasuredRefinement]:
    """The examples of ``folder``, with 2theta used, texture axis and axial divergence of each."""
    told: tuple[tuple[str, float, tuple[int, int, int] | None, float], ...] = (
        ("brucite", 15.0, (0, 0, 1), 0.06),
        ("pbso4", 16.0, None, 0.05),
        ("fluorapatite", 15.0, None, 0.04),
    )
    return [
        MeasuredRefinement(
            id=name,
            column=Part.MEASURED,
            bucket=name,
            index=index,
            truth=example.truth,
            example=example,
            span=(low, 130.0),
            texture_axis=axis,
            sh_l=sh_l,
        )
        for index, (name, low, axis, sh_l) in enumerate(told)
        for example in [example_case(folder, name)]
    ]


def candidate_refinements(
    entries: Sequence[Entry], *, crystals: int = 20, atoms: int = 12
) -> list[CandidateRefinement]:
    """Displaced truths and ``direct_space`` proposals, first crystals of 2 to ``atoms`` atoms without hydrogen."""
    chosen = [e for e in entries if 2 <= len(e.crystal) <= atoms and not (e.crystal.species == 1).any()][:crystals]
    starts = [*((level, 0) for level in LEVELS), *((None, number) for number in range(GENERATED))]
    return [
        CandidateRefinement(
            id=f"{entry.crystal.name} {kind} {number}",
            column=Part.CANDIDATES,
            bucket=kind,
            index=entry.index,
            truth=entry.crystal,
            level=level,
            number=number,
        )
        for entry in chosen
        for level, number in starts
        for kind in ["direct_space" if level is None else f"displaced {level:g}"]
    ]


def is_centrosymmetric(symmetry: SymmetrisedCrystal) -> bool:
    """Whether the point group holds the inversion."""
    return bool((symmetry.rotations == -np.eye(3, dtype=np.int64)).all(axis=(1, 2)).any())


def simulated_measurement(crystal: Crystal, rng: np.random.Generator | None) -> Measurement:
    """Counts of a crystal, Uiso 0.01 A^2, on the MP-20 protocol's instrument; the background given is a level.

    Poisson noise with ``rng``; without, the expected counts with the uncertainties that noise would give them.
    """
    import torch

    from pxrdgen.values.crystal_batch import CrystalBatch
    from pxrdgen_crystallography.diffraction import simulate_profile

    grid = np.arange(GRID[0], GRID[1] + 1e-9, GRID[2])
    batch = CrystalBatch.from_crystals([replace(crystal, u_iso=None)], dtype=torch.float64)
    with torch.no_grad():
        profile = simulate_profile(
            batch, GSAS2_DEFAULT, torch.from_numpy(grid), reflection_range=(GRID[0] - 2.0, GRID[1] + 2.0)
        )[0].numpy()
    expected = COUNTS * profile / profile.max() + np.linspace(*BACKGROUND, grid.size)
    counts = expected if rng is None else rng.poisson(expected).astype(np.float64)
    return Measurement(
        two_theta=grid,
        intensity=counts,
        sigma=np.sqrt(np.maximum(counts, 1.0)),
        background=np.full(grid.size, float(np.percentile(counts, 5))),
        instrument=GSAS2_DEFAULT,
    )


def displaced(symmetry: SymmetrisedCrystal, distance: float, rng: np.random.Generator) -> SymmetrisedCrystal:
    """Atoms moved as the group allows, the root mean square over those that can move being ``distance`` (A).

    No common shift of all atoms along a floating origin is made.
    """
    crystal = symmetry.crystal
    columns = free_coordinates(symmetry)
    field_ = rng.normal(size=(len(crystal), 3)) @ np.linalg.inv(crystal.basis)
    moved = (columns @ (columns.T @ field_.ravel())).reshape(-1, 3)
    origin = free_origin(symmetry)
    moved = moved - (moved.mean(axis=0) @ origin) @ origin.T
    lengths = np.linalg.norm(moved @ crystal.basis, axis=1)
    able = lengths > 1e-9
    if not able.any():
        return symmetry
    moved *= distance / np.sqrt(np.mean(lengths[able] ** 2))
    return replace(symmetry, crystal=replace(crystal, frac_coords=crystal.frac_coords + moved))


def strained(symmetry: SymmetrisedCrystal, size: float, rng: np.random.Generator) -> SymmetrisedCrystal:
    """The cell deformed as the group allows, the largest principal strain being ``size``."""
    strain = strain_matrix(free_strains(symmetry) @ rng.normal(size=free_strains(symmetry).shape[1]))
    strain *= size / np.abs(np.linalg.eigvalsh(strain)).max()
    basis = symmetry.crystal.basis @ (np.eye(3) + strain)
    return replace(symmetry, crystal=replace(symmetry.crystal, basis=basis))


def proposals(truth: Crystal, measurement: Measurement, *, seed: int) -> FloatArray:
    """[M, N, 3] what the generator ``direct_space`` proposes for the crystal's composition, cell and pattern."""
    import torch

    from pxrdgen.interfaces.kinds import ComponentKind
    from pxrdgen.plugins.registry import default_registry
    from pxrdgen.values.composition import Composition
    from pxrdgen.values.pattern import PowderPattern
    from pxrdgen_benchmarks.posed import posed_of, proposed
    from pxrdgen_solver.question.question import Question

    pattern = PowderPattern(
        two_theta=measurement.two_theta, intensity=measurement.intensity, instrument=measurement.instrument
    )
    composition, z = Composition.from_species(truth.species).reduced()
    posed = posed_of(Question(pattern=pattern, composition=composition, cell=truth.cell, z=z))
    generator = default_registry().build(ComponentKind.GENERATOR, "direct_space")
    batch = proposed(posed, "direct_space", generator, GENERATED, torch.Generator().manual_seed(seed))
    # the problem's cell is the same lattice as the truth's, described by a matrix of whole numbers
    to_truth = np.linalg.inv(posed.problem.to_user.astype(np.float64))
    return np.asarray(batch.frac_coords.double().numpy() @ to_truth)
