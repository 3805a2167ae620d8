"""Candidates a second of learned generators, by size of the cell and number of threads.

Without weights the networks have random numbers, which take as long as trained ones. With several threads the members
of a batch are shared out, one thread each.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import BaseModel, Field, JsonValue

from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.interfaces.task import Task
from pxrdgen.plugins.registry import default_registry
from pxrdgen.specs.component import ComponentSpec
from pxrdgen.values.crystal import Crystal
from pxrdgen_benchmarks.options import Options
from pxrdgen_benchmarks.subject import Subject

if TYPE_CHECKING:
    from pxrdgen.interfaces.structure_generator import StructureGenerator
    from pxrdgen_testing.samples import Sample

#: A^3 an atom of the made-up crystals.
_ATOM_VOLUME = 14.0


class ProposingSpec(Options):
    """A generator, and how it is asked."""

    plugin: str = Field(default="flow", description="name of the generator")
    options: dict[str, JsonValue] = Field(default_factory=dict, description="its options, such as the denoiser")
    weights: str = Field(default="", description="trained weights; random numbers without")
    steps: int = Field(default=50, ge=2, description="of a sample")
    candidates: int = Field(default=20, ge=1, description="in a batch")
    threads: int = Field(default=1, ge=1, description="that share a batch")
    repeats: int = Field(default=3, ge=1, description="timed batches; the median counts")


class ProposingData(Options):
    """Made-up cells."""

    atoms: tuple[int, ...] = Field(default=(4, 8, 12, 20), description="in a cell; multiples of 4")


@dataclass(frozen=True, kw_only=True)
class ProposingRow:
    """Medians over the repeats.

    Args:
        per_second: candidates a second of the clock.
        seconds, cpu_seconds: of a batch; the latter of all threads together.
    """

    per_second: float
    seconds: float
    cpu_seconds: float


class Proposing(Task):
    """Batches in cells of several sizes."""

    spec_model: ClassVar[type[BaseModel]] = ProposingSpec
    data_model: ClassVar[type[BaseModel]] = ProposingData
    headline: ClassVar[str] = "per_second"

    def cases(self, data: Any) -> Sequence[Subject[int]]:
        """One a size."""
        return [Subject(what=atoms, column=f"{atoms} atoms", num_atoms=atoms) for atoms in data.atoms]

    def measure(self, case: Any, spec: Any) -> ProposingRow:
        """Time batches after one that warms up."""
        import torch

        generator, sample = _generator(spec.model_dump_json()), cell_of(case.what)
        shares = [spec.candidates // spec.threads + (n < spec.candidates % spec.threads) for n in range(spec.threads)]

        def generate(member: int) -> None:
            torch.set_num_threads(1)
            rng = torch.Generator().manual_seed(member)
            generator.generate(sample.problem, sample.target, shares[member], rng)

        before, walls, cpus = torch.get_num_threads(), [], []
        try:
            with ThreadPoolExecutor(spec.threads) as pool:
                for _ in range(spec.repeats + 1):
                    wall, cpu = time.perf_counter(), time.process_time()
                    list(pool.map(generate, range(spec.threads)))
                    walls.append(time.perf_counter() - wall)
                    cpus.append(time.process_time() - cpu)
        finally:
            torch.set_num_threads(before)
        seconds = median(walls[1:])
        return ProposingRow(per_second=spec.candidates / seconds, seconds=seconds, cpu_seconds=median(cpus[1:]))


def cell_of(atoms: int, *, seed: int = 0) -> Sample:
    """A made-up crystal SrTiO2 of ``atoms`` atoms (a multiple of 4) without symmetry, its pattern prepared."""
    from pxrdgen_testing.samples import sample_of

    rng = np.random.default_rng(seed + atoms)
    basis = np.diag(rng.uniform(0.8, 1.3, 3)) + np.tril(rng.uniform(-0.2, 0.2, (3, 3)), -1)
    basis *= (_ATOM_VOLUME * atoms / abs(np.linalg.det(basis))) ** (1.0 / 3.0)
    species = np.repeat([8, 22, 38], [atoms // 2, atoms // 4, atoms // 4])
    crystal = Crystal(species=species, frac_coords=rng.random((atoms, 3)), basis=basis)
    return sample_of(crystal, "SrTiO2", z=atoms // 4)


@lru_cache(maxsize=1)
def _generator(text: str) -> StructureGenerator:
    """Built once in a worker, with its weights or with random ones, which are written on the way."""
    spec = ProposingSpec.model_validate_json(text)
    component = ComponentSpec(plugin=spec.plugin, options=spec.options)
    if spec.weights:
        return _trained(component, spec.weights, spec.steps)
    with TemporaryDirectory() as folder:
        return _trained(component, str(_random_weights(component, Path(folder))), spec.steps)


def _trained(component: ComponentSpec, weights: str, steps: int) -> StructureGenerator:
    asked = ComponentSpec(plugin=component.plugin, weights=weights, options={"steps": steps})
    built: StructureGenerator = default_registry().build(ComponentKind.GENERATOR, asked)
    return built


def _random_weights(component: ComponentSpec, folder: Path) -> Path:
    from pxrdgen.plugins.resolution import resolve_spec
    from pxrdgen_learning.training.runs import build
    from pxrdgen_learning.training.spec import CorpusOptions, TrainingSpec
    from pxrdgen_learning.weights.restore import lasting_tensors
    from pxrdgen_learning.weights.weights import WeightsCard, save_weights

    registry, kind = default_registry(), ComponentKind.GENERATOR
    model = build(TrainingSpec(kind=kind, component=component, corpus=CorpusOptions(path=folder)))
    options = resolve_spec(registry.settle(kind, component, untrained=True).options, registry)
    card = WeightsCard(
        kind=kind,
        component=component.plugin,
        options=options.model_dump(mode="json"),
        max_atoms=20,
        data="none: drawn at random",
    )
    weights = folder / f"{component.plugin}.safetensors"
    save_weights(weights, lasting_tensors(model.network), card)
    return weights
