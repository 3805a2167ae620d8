"""A few crystals to learn by heart, and what a perfect decomposition of their patterns would say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from pxrdgen.values.cell import UnitCell
from pxrdgen.values.composition import Composition
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.intensity_target import IntensityTarget
from pxrdgen.values.pattern import PowderPattern
from pxrdgen.values.problem import StructureProblem
from pxrdgen_generators.conditions import Condition, condition_from
from pxrdgen_generators.coupling import SymmetryAwareCoupling, Uncoupled
from pxrdgen_learning.data.dataset import CrystalDataset
from pxrdgen_learning.training.corpus import Corpus
from pxrdgen_learning.training.simulation import observe
from pxrdgen_learning.training.simulation_options import SimulationOptions

CLEAN = SimulationOptions(clean_fraction=1.0)
Task = tuple[StructureProblem, IntensityTarget]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="session")
def corpus() -> Corpus:
    """Four made-up crystals of five atoms without symmetry."""
    rng = np.random.default_rng(11)
    crystals = [
        Crystal(
            species=np.array([8, 8, 22, 56, 8]),
            frac_coords=rng.random((5, 3)),
            basis=np.diag([4.0, 4.0, 4.3]) + np.tril(0.3 * rng.random((3, 3)), -1),
            name=str(index),
        )
        for index in range(4)
    ]
    return Corpus.from_dataset(CrystalDataset.from_crystals(crystals))


@pytest.fixture(scope="session")
def polymorphs() -> Corpus:
    """ZnS as zinc blende, as rock salt in the same cell, and as CsCl type."""
    face_centred = 2.7 * np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
    arrangements = ((face_centred, 0.25), (face_centred, 0.5), (3.3 * np.eye(3), 0.5))
    crystals = [
        Crystal(species=np.array([30, 16]), frac_coords=np.array([[0.0] * 3, [x] * 3]), basis=basis, name=str(index))
        for index, (basis, x) in enumerate(arrangements)
    ]
    return Corpus.from_dataset(CrystalDataset.from_crystals(crystals))


@pytest.fixture(scope="session")
def many() -> Callable[[Corpus, int], Corpus]:
    """A corpus of one size with every crystal repeated, so that a small one fills a batch."""

    def repeated(corpus: Corpus, times: int) -> Corpus:
        ((size, group),) = corpus.groups.items()
        rows = torch.arange(len(group)).repeat(times)
        return Corpus(groups={size: replace(group, **{name: getattr(group, name)[rows] for name in vars(group)})})

    return repeated


@pytest.fixture(scope="session")
def told() -> Callable[[Corpus, Tensor], Condition]:
    """What a network is told about rows of a corpus of one size, from clean patterns."""

    def condition_for(corpus: Corpus, rows: Tensor) -> Condition:
        (group,) = corpus.groups.values()
        crystals = group.crystals(rows)
        observed, basis = observe(crystals, CLEAN, seeded())
        return condition_from(crystals.species, basis, observed, max_peaks=32)

    return condition_for


@pytest.fixture(scope="session")
def condition(corpus: Corpus, told: Callable[[Corpus, Tensor], Condition]) -> Condition:
    """Of the four crystals."""
    return told(corpus, torch.arange(4))


@pytest.fixture(scope="session")
def task() -> Callable[[Corpus, int], Task]:
    """A structure problem and what a perfect decomposition of its pattern would give."""

    def posed(corpus: Corpus, row: int) -> Task:
        (group,) = corpus.groups.values()
        crystals = group.crystals(torch.tensor([row]))
        observed, basis = observe(crystals, CLEAN, seeded())
        count, species = observed.strength.shape[1], group.species[row]
        inverse_d = (observed.hkl[0] @ torch.linalg.inv(basis[0]).T).norm(dim=-1)
        group_d = torch.zeros(count).scatter_reduce_(0, observed.group[0], 1.0 / inverse_d, "amax")
        nothing = torch.zeros(0)
        target = IntensityTarget(
            basis=basis[0],
            species=species,
            elements=torch.unique(species),
            element_of=nothing,
            valence=nothing,
            hkl=observed.hkl[0],
            s_squared=0.25 * inverse_d**2,
            factor=nothing,
            group=observed.group[0],
            normal=nothing,
            anomalous=nothing,
            observed=nothing,
            floor=nothing,
            weight=nothing,
            group_d=group_d,
            group_strength=observed.strength[0] / observed.strength.max(),
            fit_floor=0.0,
        )
        problem = StructureProblem(
            pattern=PowderPattern(two_theta=np.linspace(10, 80, 100), intensity=np.ones(100)),
            composition=Composition.from_species(species.numpy()),
            species=species.numpy(),
            basis=basis[0].double().numpy(),
            z=1,
            user_cell=UnitCell.from_basis(basis[0].double().numpy()),
            to_user=np.eye(3, dtype=np.int64),
        )
        return problem, target

    return posed


@pytest.fixture(scope="session")
def distance() -> Callable[[Corpus, int, Tensor], Tensor]:
    """[M] root-mean-square distance (A) of structures [M, N, 3] to a crystal, over all its images."""

    def rms(corpus: Corpus, row: int, found: Tensor) -> Tensor:
        (group,) = corpus.groups.values()
        rows = torch.full((len(found),), row)
        uncoupled = Uncoupled(
            clean=group.frac_coords[rows],
            noise=found,
            species=group.species[rows],
            basis=group.basis[rows],
            rotations=group.rotations[rows],
            rotation_count=group.rotation_count[rows],
        )
        pair = SymmetryAwareCoupling(choices=512, assigned=16).pair(uncoupled, seeded())
        return (pair.displacement**2).sum(-1).mean(-1).sqrt()

    return rms
