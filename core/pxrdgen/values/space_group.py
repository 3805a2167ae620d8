"""Space groups with their setting, read from whatever a user types. Tables and names are gemmi's."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import SymmetryError, nearest

if TYPE_CHECKING:
    import gemmi

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_OVERLINE = re.compile("([0-9])[\u0304\u0305]|[\u0304\u0305]([0-9])")
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉⁄∕−–—‐‑", "0123456789//-----")


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


def parse_space_group(text: str | int) -> SpaceGroup:
    """Read a number or a Hermann-Mauguin symbol: ``14``, ``P21/n``, ``P 1 21/n 1``, ``Pbnm``, ``R-3c:R``, ``Fd-3m:1``.

    Spaces, underscores, case, brackets around screw axes (``P2(1)/c``), subscripts and overlined digits are tolerated.
    Without a suffix the origin is choice 2 and R lattices have hexagonal axes; a number means the setting of the
    International Tables' reference (b unique, cell choice 1).

    Raises:
        SymmetryError: no such number or symbol; the message offers the nearest.
    """
    import gemmi

    cleaned = _clean(str(text))
    if re.fullmatch(r"-?\d+", cleaned):
        number = int(cleaned)
        if not 1 <= number <= 230:
            raise SymmetryError(f"got space group number {number}, expected 1 to 230")
        return _from_gemmi(gemmi.get_spacegroup_reference_setting(number))
    # "P21/c1" or "P121/n1" would need guessing where words end; gemmi knows the short and the full forms.
    found = gemmi.find_spacegroup_by_name(cleaned, prefer="2H") if cleaned else None
    if found is None:
        names = {name for group in gemmi.spacegroup_table() for name in (group.short_name(), group.hm)}
        close = nearest(cleaned[:1].upper() + cleaned[1:], sorted(names))
        raise SymmetryError(
            f"got the space group {str(text)!r}, which is not known{close}; expected a number (1 to 230) or a "
            "Hermann-Mauguin symbol such as P21/n, Pnma, R-3c:R or Fd-3m:1"
        )
    return _from_gemmi(found)


def settings_of(number: int) -> Iterator[SpaceGroup]:
    """Every tabulated setting of a space group, the reference setting (origin 2, hexagonal axes) first."""
    import gemmi

    reference = gemmi.get_spacegroup_reference_setting(number)
    yield _from_gemmi(reference)
    for group in gemmi.spacegroup_table():
        if group.number == number and group.hall != reference.hall:
            yield _from_gemmi(group)


def _clean(text: str) -> str:
    text = unicodedata.normalize("NFD", text.strip().strip("'\"$"))
    text = _OVERLINE.sub(lambda match: f"-{match.group(1) or match.group(2)}", text)
    text = re.sub(r"\\(?:bar|overline)\s*\{?(\d)\}?", r"-\1", text).translate(_SUBSCRIPTS)
    text = re.sub(r"[_{}]", "", re.sub(r"\((\d)\)", r"\1", text))
    return re.sub(r"\s+", " ", re.sub(r"\s*:\s*", ":", text)).strip()


def _from_gemmi(group: gemmi.SpaceGroup) -> SpaceGroup:
    operations = list(group.operations())
    scale = float(operations[0].DEN)
    return SpaceGroup(
        number=group.number,
        hm_symbol=group.xhm(),
        hall_symbol=group.hall,
        centring=group.centring_type(),
        crystal_system=group.crystal_system_str(),
        rotations=np.array([operation.rot for operation in operations], dtype=np.int64) // int(scale),
        translations=np.array([operation.tran for operation in operations], dtype=np.float64) / scale % 1.0,
    )
