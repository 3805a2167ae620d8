"""One ordered crystal as plain numbers; symmetry, CIF and batches live in modules of their own."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import StructureError
from pxrdgen.values.cell import UnitCell
from pxrdgen.values.elements import SYMBOLS

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Crystal:
    """Every atom of one cell, ordered, without symmetry.

    Args:
        species: [N] atomic numbers.
        frac_coords: [N, 3] fractional coordinates; wrapped to [0, 1).
        basis: [3, 3] rows a, b, c in A.
        u_iso: [N] isotropic displacement in A^2, or ``None`` when unknown.
        name: for reports and file names.

    Raises:
        StructureError: shapes differ, no atom, an atomic number outside 1-118, values not finite, no volume.
    """

    species: NDArray[np.int64]
    frac_coords: FloatArray
    basis: FloatArray
    u_iso: FloatArray | None = None
    name: str = ""

    def __post_init__(self) -> None:
        species = np.ascontiguousarray(self.species, dtype=np.int64)
        coords = np.ascontiguousarray(self.frac_coords, dtype=np.float64)
        basis = np.ascontiguousarray(self.basis, dtype=np.float64)
        if species.ndim != 1 or coords.shape != (*species.shape, 3) or basis.shape != (3, 3):
            raise StructureError(
                f"got shapes species {species.shape}, frac_coords {coords.shape}, basis {basis.shape}; "
                "expected [N], [N, 3] and [3, 3]"
            )
        if species.size == 0:
            raise StructureError("got a crystal without atoms; expected at least one")
        if species.min() < 1 or species.max() > len(SYMBOLS) - 1:
            raise StructureError(
                f"got atomic numbers {species.min()} to {species.max()}, expected 1 to {len(SYMBOLS) - 1}"
            )
        if not (np.isfinite(coords).all() and np.isfinite(basis).all()):
            raise StructureError("got coordinates or a cell that are not finite")
        if abs(np.linalg.det(basis)) < 0.5:
            raise StructureError(
                f"got a cell of {abs(np.linalg.det(basis)):.3g} A^3, expected a volume that holds atoms"
            )
        wrapped = coords - np.floor(coords)
        wrapped[wrapped >= 1.0] = 0.0
        object.__setattr__(self, "species", species)
        object.__setattr__(self, "frac_coords", wrapped)
        object.__setattr__(self, "basis", basis)
        if self.u_iso is not None:
            u_iso = np.ascontiguousarray(self.u_iso, dtype=np.float64)
            if u_iso.shape != species.shape:
                raise StructureError(f"got u_iso of shape {u_iso.shape}, expected {species.shape}")
            object.__setattr__(self, "u_iso", u_iso)

    def __len__(self) -> int:
        return int(self.species.size)

    @property
    def cell(self) -> UnitCell:
        """Lengths and angles."""
        return UnitCell.from_basis(self.basis)

    @property
    def volume(self) -> float:
        """Of the cell, in A^3."""
        return float(abs(np.linalg.det(self.basis)))

    @property
    def formula(self) -> str:
        """All atoms of the cell, by atomic number: ``"O8 S4 Pb4"``."""
        counts = Counter(self.species.tolist())
        return " ".join(f"{SYMBOLS[z]}{n if n > 1 else ''}" for z, n in sorted(counts.items()))

    def sorted_by_species(self) -> Crystal:
        """The same crystal with atoms in order of atomic number (stable)."""
        order = np.argsort(self.species, kind="stable")
        return Crystal(
            species=self.species[order],
            frac_coords=self.frac_coords[order],
            basis=self.basis,
            u_iso=None if self.u_iso is None else self.u_iso[order],
            name=self.name,
        )

    def niggli(self) -> Crystal:
        """The same crystal in the Niggli-reduced description of its cell (same volume, no primitive search)."""
        _, transform = self.cell.niggli()
        basis = transform @ self.basis
        coords = self.frac_coords @ np.linalg.inv(transform.astype(np.float64))
        return Crystal(species=self.species, frac_coords=coords, basis=basis, u_iso=self.u_iso, name=self.name)
