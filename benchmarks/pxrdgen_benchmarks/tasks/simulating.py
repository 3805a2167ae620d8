"""How fast the diffraction engine is, against pymatgen's XRDCalculator, and how its memory grows with the batch."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, Field

from pxrdgen.interfaces.task import Task
from pxrdgen.values.crystal import Crystal
from pxrdgen_benchmarks.fresh_process import in_fresh_process, peak_mb
from pxrdgen_benchmarks.options import Options
from pxrdgen_benchmarks.subject import Subject


class SimulatingSpec(Options):
    """How it is timed."""

    repeats: int = Field(default=5, ge=1, description="medians are taken over")
    threads: int = Field(default=1, ge=1, description="for torch; pymatgen uses one")
    sample: int = Field(default=60, ge=1, description="crystals that pymatgen and full profiles are timed on")
    patterns: int = Field(
        default=10_000,
        ge=1,
        description="of ours a repeat, so that both sides run for about as long and a busy machine slows both alike",
    )


class SimulatingData(Options):
    """Batches of crystals."""

    batches: tuple[int, ...] = Field(default=(100, 1000, 5000), description="crystals at once")
    atoms: tuple[tuple[int, int], ...] = Field(default=((1, 20),), description="smallest and largest cell")
    crystals: Path | None = Field(default=None, description="table whose val split is simulated; generated without it")
    limit: int | None = Field(default=None, ge=1, description="batches in all")


@dataclass(frozen=True, kw_only=True)
class Batch:
    """So many crystals, with cells of ``atoms[0]`` to ``atoms[1]`` atoms, from a table or generated."""

    size: int
    atoms: tuple[int, int]
    source: Path | None

    def crystals(self) -> list[Crystal]:
        """Read or generated."""
        if self.source is None:
            return generated_crystals(self.size, atoms=self.atoms)
        from pxrdgen_benchmarks.subsets import val_entries

        return [entry.crystal for entry in val_entries(self.size, self.source, sizes=self.atoms)]


@dataclass(frozen=True, kw_only=True)
class SimulationRow:
    """Medians over the repeats, in milliseconds a pattern.

    Args:
        crystals: in the batch.
        reflections_ms: our reflection lists, the whole batch at once.
        pymatgen_ms: ``XRDCalculator.get_pattern``, one by one, structures already built.
        ratio: of the two.
        profile_ms: our full profiles of 7501 points.
        result_mb, growth_mb: size of the batch's result, and growth of a fresh process that computes it.
    """

    crystals: int
    reflections_ms: float
    pymatgen_ms: float
    ratio: float
    profile_ms: float
    result_mb: float
    growth_mb: float


class Simulating(Task):
    """Both on the same cores, in turn, in one process."""

    spec_model: ClassVar[type[BaseModel]] = SimulatingSpec
    data_model: ClassVar[type[BaseModel]] = SimulatingData
    headline: ClassVar[str] = "ratio"
    card_values: ClassVar[tuple[str, ...]] = ("ratio", "reflections_ms", "profile_ms", "growth_mb", "result_mb")

    def cases(self, data: Any) -> Sequence[Subject[Batch]]:
        """Each size of batch with each size of cell."""
        every = [Batch(size=size, atoms=atoms, source=data.crystals) for size in data.batches for atoms in data.atoms]
        return [
            Subject(what=batch, column=f"batch of {batch.size}, {batch.atoms[0]}-{batch.atoms[1]} atoms")
            for batch in every[: data.limit]
        ]

    def measure(self, case: Any, spec: Any) -> SimulationRow:
        """Memory first, then time."""
        (result_mb, before_mb), after_mb = in_fresh_process(_simulated, case.what)
        crystals = case.what.crystals()
        reflections, pymatgen, profile = _timed(crystals, spec)
        return SimulationRow(
            crystals=len(crystals),
            reflections_ms=reflections,
            pymatgen_ms=pymatgen,
            ratio=pymatgen / reflections,
            profile_ms=profile,
            result_mb=result_mb,
            growth_mb=after_mb - before_mb,
        )


def generated_crystals(count: int, *, atoms: tuple[int, int] = (1, 20), seed: int = 0) -> list[Crystal]:
    """Random crystals of realistic density: 15-25 A^3 an atom, Niggli-like cells, up to four elements."""
    rng = np.random.default_rng(seed)
    crystals = []
    for _ in range(count):
        size = int(rng.integers(atoms[0], atoms[1] + 1))
        basis = np.diag(rng.uniform(0.7, 1.6, 3)) + rng.uniform(-0.25, 0.25, (3, 3))
        basis *= (rng.uniform(15.0, 25.0) * size / abs(np.linalg.det(basis))) ** (1.0 / 3.0)
        elements = rng.choice(np.arange(1, 84), size=4, replace=False)
        crystals.append(
            Crystal(species=rng.choice(elements, size=size), frac_coords=rng.random((size, 3)), basis=basis)
        )
    return crystals


def _timed(crystals: Sequence[Crystal], spec: SimulatingSpec) -> list[float]:
    """Milliseconds a pattern of reflection lists, of pymatgen and of profiles."""
    import torch
    from pymatgen.analysis.diffraction.xrd import XRDCalculator

    from pxrdgen.values.crystal_batch import CrystalBatch
    from pxrdgen.values.instrument import GSAS2_DEFAULT
    from pxrdgen_crystallography.diffraction import simulate_profile, simulate_reflections
    from pxrdgen_crystallography.symmetry.pymatgen_structure import crystal_to_pymatgen

    torch.set_num_threads(spec.threads)
    batch = CrystalBatch.from_crystals(crystals)
    rows = np.linspace(0, len(crystals) - 1, min(spec.sample, len(crystals))).astype(int)
    some = CrystalBatch.from_crystals([crystals[row] for row in rows])
    structures = [crystal_to_pymatgen(crystals[row]) for row in rows]
    calculator = XRDCalculator(wavelength=GSAS2_DEFAULT.radiation.wavelength)
    grid, calls = 5.0 + 0.01 * torch.arange(7501), max(spec.patterns // len(batch), 1)

    def ours() -> None:
        for _ in range(calls):
            simulate_reflections(batch, GSAS2_DEFAULT)

    def theirs() -> None:
        for structure in structures:
            calculator.get_pattern(structure, two_theta_range=(5.0, 80.0))

    timed: list[tuple[Callable[[], object], int, list[float]]] = [
        (ours, calls * len(batch), []),
        (theirs, len(structures), []),
        (lambda: simulate_profile(some, GSAS2_DEFAULT, grid), len(some), []),
    ]
    with torch.no_grad():
        simulate_reflections(batch, GSAS2_DEFAULT)  # loads the tables
        for _ in range(spec.repeats):
            for action, patterns, times in timed:
                started = time.perf_counter()
                action()
                times.append(1e3 * (time.perf_counter() - started) / patterns)
    return [median(times) for _, _, times in timed]


def _simulated(wanted: Batch) -> tuple[float, float]:
    """Size of a batch's result, and the process's peak before it was computed; MB."""
    import torch

    from pxrdgen.values.crystal_batch import CrystalBatch
    from pxrdgen.values.instrument import GSAS2_DEFAULT
    from pxrdgen_crystallography.diffraction import simulate_reflections

    torch.set_num_threads(1)
    batch = CrystalBatch.from_crystals(wanted.crystals())
    simulate_reflections(batch[:2], GSAS2_DEFAULT)
    before = peak_mb()
    found = simulate_reflections(batch, GSAS2_DEFAULT)
    tensors = (found.hkl, found.d, found.two_theta, found.multiplicity, found.f_squared, found.intensity, found.mask)
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors) / (1 << 20), before
