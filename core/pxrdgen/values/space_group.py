"""Space groups with their setting, read from whatever a user types. Tables and names are gemmi's."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import SymmetryError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class SpaceGroup:
    """A space group in one setting: symbols and every operation of the cell, x' = R x + t on column vectors.

    Args:
        number: 1 to 230.
        hm_symbol: extended Hermann-Mauguin symbol of the setting (``P 1 21/n 1``, ``F d -3 m:2``, ``R -3 c:H``).
        hall_symbol: Hall symbol of the setting; fixes axes and origin without doubt.
        centring: P A B C I F R, the lattice letter of the setting; P for rhombohedral axes.
        crystal_system: triclinic, monoclinic, orthorhombic, tetragonal, trigonal, hexagonal, cubic.
        rotations: [G, 3, 3] whole numbers, acting on fractional coordinates; centring translations are included.
        translations: [G, 3] in [0, 1).
    """

    number: int
    hm_symbol: str
    hall_symbol: str
    centring: str
    crystal_system: str
    rotations: IntArray = field(repr=False, compare=False)
    translations: FloatArray = field(repr=False, compare=False)

    @property
    def short_symbol(self) -> str:
        """The symbol as one writes it: ``P21/n``, ``Pnma``, ``R-3c``, ``Fd-3m``."""
        words = self.hm_symbol.split(":")[0].split(" ")
        if self.crystal_system == "monoclinic" and len(words) == 4 and words[1] == words[3] == "1":
            words = [words[0], words[2]]
        return "".join(words)

    @property
    def has_rhombohedral_axes(self) -> bool:
        """Whether the setting has a = b = c and three equal angles (``R -3 c:R``)."""
        return self.hm_symbol.endswith(":R")

    def operations_in(self, to_setting: IntArray) -> tuple[IntArray, FloatArray]:
        """The distinct operations in a smaller cell of the same lattice, modulo that cell's translations.

        With ``setting basis = T @ basis`` coordinates obey x = T^T x_setting, so R' = T^T R T^-T and t' = T^T t.

        Returns:
            Rotations [K, 3, 3] and translations [K, 3] in [0, 1); K is the order of the point group when the
            smaller cell is primitive.

        Raises:
            SymmetryError: a rotation does not map the lattice of that cell onto itself.
        """
        forward = np.asarray(to_setting, dtype=np.float64).T
        rotations = forward @ self.rotations @ np.linalg.inv(forward)
        whole = np.rint(rotations).astype(np.int64)
        if np.abs(rotations - whole).max() > 1e-6:
            raise SymmetryError(
                f"got {self.hm_symbol}, whose rotations do not map the given lattice onto itself; "
                "check the centring and the setting"
            )
        return distinct_operations(whole, self.translations @ forward.T)

    def __str__(self) -> str:
        return f"{self.hm_symbol} (No. {self.number})"


def distinct_operations(rotations: IntArray, translations: FloatArray) -> tuple[IntArray, FloatArray]:
    """Operations without repeats, translations wrapped to [0, 1), in the order of first appearance."""
    wrapped = translations - np.floor(translations)
    wrapped[wrapped >= 1.0 - 1e-12] = 0.0
    keys = np.hstack([rotations.reshape(-1, 9), np.rint(wrapped * 1e5).astype(np.int64) % 100_000])
    _, first = np.unique(keys, axis=0, return_index=True)
    order = np.sort(first)
    return rotations[order], wrapped[order]
