"""The crystals a model is trained on, as arrays grouped by atom count so that no batch is padded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pxrdgen.errors import DatasetError
from pxrdgen.values.crystal_batch import CrystalBatch
from pxrdgen_crystallography.lattice.lattice_symmetry import MAX_ROTATIONS, proper_rotations
from pxrdgen_learning.data.dataset import CrystalDataset


@dataclass(frozen=True, kw_only=True)
class SizeGroup:
    """M crystals of n atoms each, atoms sorted by atomic number, basis lower triangular.

    Args:
        species: [M, n] atomic numbers.
        frac_coords: [M, n, 3].
        basis: [M, 3, 3] rows a, b, c in A; a along x, b in the xy plane.
        rotations: [M, 24, 3, 3] rotations of the lattice onto itself, see ``lattice_symmetry``; identity where unused.
        rotation_count: [M] how many of them are in use.
        weight: [M] probability with which a crystal takes part in an epoch.
        row: [M] row of each crystal in the dataset.
    """

    species: Tensor
    frac_coords: Tensor
    basis: Tensor
    rotations: Tensor
    rotation_count: Tensor
    weight: Tensor
    row: Tensor

    def __len__(self) -> int:
        return int(self.species.shape[0])

    def crystals(self, rows: Tensor) -> CrystalBatch:
        """The crystals at ``rows`` [B]."""
        species = self.species[rows]
        return CrystalBatch(
            species=species,
            frac_coords=self.frac_coords[rows],
            basis=self.basis[rows],
            mask=torch.ones_like(species, dtype=torch.bool),
        )


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """Size groups by atom count."""

    groups: Mapping[int, SizeGroup]

    def __len__(self) -> int:
        return sum(len(group) for group in self.groups.values())

    @property
    def elements(self) -> list[int]:
        """Atomic numbers that occur, rising."""
        return sorted({int(z) for group in self.groups.values() for z in torch.unique(group.species)})

    @classmethod
    def from_dataset(
        cls, dataset: CrystalDataset, *, max_volume: float = 700.0, weights: Mapping[str, float] | None = None
    ) -> Corpus:
        """Group a dataset of reduced primitive cells.

        Args:
            dataset: the crystals.
            max_volume: larger cells (A^3) are left out: they have too many reflections for their atoms.
            weights: probability of taking part in an epoch by source, 1 where not named.

        Raises:
            DatasetError: no crystal is left.
        """
        metric = np.einsum("mij,mkj->mik", dataset.basis.astype(np.float64), dataset.basis.astype(np.float64))
        small = np.sqrt(np.linalg.det(metric)) <= max_volume
        groups = {}
        for size in np.unique(dataset.num_atoms[small]).tolist():
            rows = np.flatnonzero((dataset.num_atoms == size) & small)
            groups[int(size)] = _group(dataset, rows, np.linalg.cholesky(metric[rows]), dict(weights or {}))
        if not groups:
            raise DatasetError(f"got a dataset without a crystal of at most {max_volume:g} A^3 to train on")
        return cls(groups=groups)


def _group(
    dataset: CrystalDataset, rows: NDArray[np.int64], basis: NDArray[np.float64], weights: Mapping[str, float]
) -> SizeGroup:
    size = int(dataset.num_atoms[rows[0]])
    atoms = dataset.offsets[rows][:, None] + np.arange(size)
    order = np.argsort(dataset.species[atoms], axis=1, kind="stable")
    atoms = np.take_along_axis(atoms, order, axis=1)
    rotations = np.tile(np.eye(3, dtype=np.int8), (len(rows), MAX_ROTATIONS, 1, 1))
    counts = np.empty(len(rows), dtype=np.int64)
    for index, cell in enumerate(basis):
        found = proper_rotations(cell)
        rotations[index, : len(found)], counts[index] = found, len(found)
    coords = dataset.frac_coords[atoms]
    return SizeGroup(
        species=torch.as_tensor(dataset.species[atoms].astype(np.int64)),
        frac_coords=torch.as_tensor(coords - np.floor(coords), dtype=torch.float32),
        basis=torch.as_tensor(basis, dtype=torch.float32),
        rotations=torch.as_tensor(rotations),
        rotation_count=torch.as_tensor(counts),
        weight=torch.tensor([weights.get(source, 1.0) for source in dataset.source[rows].tolist()]),
        row=torch.as_tensor(rows),
    )
