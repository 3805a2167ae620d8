"""Crystals as padded tensors: what the diffraction engine and the learned models work on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from pxrdgen.errors import StructureError
from pxrdgen.values.crystal import Crystal


@dataclass(frozen=True, kw_only=True)
class CrystalBatch:
    """B crystals of at most N atoms.

    Args:
        species: [B, N] atomic numbers, 0 where padded.
        frac_coords: [B, N, 3] fractional coordinates.
        basis: [B, 3, 3] rows a, b, c in A.
        mask: [B, N] bool, true where there is an atom.
        u_iso: [B, N] isotropic displacement in A^2, or ``None`` for the simulation's default.
        occupancy: [B, N] site occupancies, or ``None`` for full ones; the solver knows ordered crystals only.
    """

    species: Tensor
    frac_coords: Tensor
    basis: Tensor
    mask: Tensor
    u_iso: Tensor | None = None
    occupancy: Tensor | None = None

    def __len__(self) -> int:
        return int(self.species.shape[0])

    @property
    def volume(self) -> Tensor:
        """[B] cell volumes in A^3."""
        volume: Tensor = torch.linalg.det(self.basis).abs()
        return volume

    @property
    def num_atoms(self) -> Tensor:
        """[B] atoms in each cell."""
        return self.mask.sum(dim=1)

    @classmethod
    def from_crystals(
        cls,
        crystals: Sequence[Crystal],
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> CrystalBatch:
        """Pad and stack; ``u_iso`` is kept when every crystal has it.

        Raises:
            StructureError: no crystal was given.
        """
        if not crystals:
            raise StructureError("got no crystals to batch; expected at least one")
        size = max(len(crystal) for crystal in crystals)
        species = np.zeros((len(crystals), size), dtype=np.int64)
        coords = np.zeros((len(crystals), size, 3))
        u_iso = np.zeros((len(crystals), size))
        for row, crystal in enumerate(crystals):
            species[row, : len(crystal)] = crystal.species
            coords[row, : len(crystal)] = crystal.frac_coords
            if crystal.u_iso is not None:
                u_iso[row, : len(crystal)] = crystal.u_iso
        has_u = all(crystal.u_iso is not None for crystal in crystals)
        species_tensor = torch.as_tensor(species, device=device)
        return cls(
            species=species_tensor,
            frac_coords=torch.as_tensor(coords, dtype=dtype, device=device),
            basis=torch.as_tensor(np.stack([c.basis for c in crystals]), dtype=dtype, device=device),
            mask=species_tensor > 0,
            u_iso=torch.as_tensor(u_iso, dtype=dtype, device=device) if has_u else None,
        )

    def __getitem__(self, rows: slice | Tensor) -> CrystalBatch:
        """The batch restricted to some rows."""
        return replace(
            self,
            species=self.species[rows],
            frac_coords=self.frac_coords[rows],
            basis=self.basis[rows],
            mask=self.mask[rows],
            u_iso=None if self.u_iso is None else self.u_iso[rows],
            occupancy=None if self.occupancy is None else self.occupancy[rows],
        )

    def to(self, *, dtype: torch.dtype | None = None, device: torch.device | str | None = None) -> CrystalBatch:
        """The batch on another device or in another floating-point precision."""
        return replace(
            self,
            species=self.species.to(device=device),
            frac_coords=self.frac_coords.to(device=device, dtype=dtype),
            basis=self.basis.to(device=device, dtype=dtype),
            mask=self.mask.to(device=device),
            u_iso=None if self.u_iso is None else self.u_iso.to(device=device, dtype=dtype),
            occupancy=None if self.occupancy is None else self.occupancy.to(device=device, dtype=dtype),
        )
