"""Space groups by number or symbol, in any setting (gemmi's table; Wojdyr 2022, doi:10.21105/joss.04200)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from pxrdgen.errors import SymmetryError, nearest
from pxrdgen.values.space_group import SpaceGroup

if TYPE_CHECKING:
    import gemmi

_OVERLINE = re.compile("([0-9])[\u0304\u0305]|[\u0304\u0305]([0-9])")
#: how databases write an origin choice and the axes of an R lattice
_SUFFIXES = (
    (r"(?i)[,;]?\s*\(?origin(?:\s*choice)?\s*([12])\)?$", r":\1"), (r"(?<=[\dmabcden])\s?:?S$", ":1"),
    (r"(?<=[\dmabcden])\s?:?Z$", ":2"), (r"^(R.*?)\s*:?H[RS]?$", r"\1:H"), (r"^(R.+?)\s*:?R[SHR]?$", r"\1:R"),
)  # fmt: skip
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉⁄∕−–—‐‑", "0123456789//-----")


def parse_space_group(text: str | int) -> SpaceGroup:
    """Read a number or a Hermann-Mauguin symbol: ``14``, ``P21/n``, ``P 1 21/n 1``, ``Pbnm``, ``R-3c:R``, ``Fd-3m:1``.

    Spaces, underscores, case, brackets around screw axes (``P2(1)/c``), subscripts and overlined digits are tolerated.
    So are the number beside the symbol (``Pnma (62)``, ``No. 62``), Hall symbols, and the suffixes S and Z of the
    Inorganic Crystal Structure Database for origin choices 1 and 2, H (HR) and R (RS) for the axes of an R lattice.
    Without a suffix the origin is choice 2 and R lattices have hexagonal axes; a number means the setting of the
    International Tables' reference (b unique, cell choice 1).

    Raises:
        SymmetryError: no such number or symbol; the message offers the nearest.
    """
    import gemmi

    cleaned = cleaned_symbol(str(text))
    if re.fullmatch(r"-?\d+", cleaned):
        number = int(cleaned)
        if not 1 <= number <= 230:
            raise SymmetryError(f"got space group number {number}, expected 1 to 230")
        return _from_gemmi(gemmi.get_spacegroup_reference_setting(number))
    # "P21/c1" or "P121/n1" would need guessing where words end; gemmi knows the short and the full forms.
    found = gemmi.find_spacegroup_by_name(cleaned, prefer="2H") if cleaned else None
    found = found or next((group for group in gemmi.spacegroup_table() if _same(group.hall, cleaned)), None)
    if found is None:
        names = {name for group in gemmi.spacegroup_table() for name in (group.short_name(), group.hm)}
        close = nearest(cleaned[:1].upper() + cleaned[1:], sorted(names))
        raise SymmetryError(
            f"got the space group {str(text)!r}, which is not known{close}; expected a number (1 to 230) or a "
            "Hermann-Mauguin symbol such as P21/n, Pnma, R-3c:R or Fd-3m:1"
        )
    return _from_gemmi(found)


def _same(hall: str, text: str) -> bool:
    return hall.replace(" ", "").casefold() == text.replace(" ", "").casefold()


def settings_of(number: int) -> Iterator[SpaceGroup]:
    """Every tabulated setting of a space group, the reference setting (origin 2, hexagonal axes) first."""
    import gemmi

    reference = gemmi.get_spacegroup_reference_setting(number)
    yield _from_gemmi(reference)
    for group in gemmi.spacegroup_table():
        if group.number == number and group.hall != reference.hall:
            yield _from_gemmi(group)


def cleaned_symbol(text: str) -> str:
    """A symbol as gemmi knows it: typography undone, a database's suffix as ``:1``, ``:2``, ``:H`` or ``:R``."""
    text = unicodedata.normalize("NFD", text.strip().strip("'\"$"))
    text = _OVERLINE.sub(lambda match: f"-{match.group(1) or match.group(2)}", text)
    text = re.sub(r"\\(?:bar|overline)\s*\{?(\d)\}?", r"-\1", text).translate(_SUBSCRIPTS)
    text = re.sub(r"[_{}]", "", re.sub(r"\((\d)\)", r"\1", text))
    text = re.sub(r"\s+", " ", re.sub(r"\s*:\s*", ":", text)).strip()
    text = re.sub(r"(?i)(?<=[a-z0-9])[,;]?\s*\((?:no\.?\s*)?\d{2,3}\)$|[,;]\s*(?:no\.?|#)\s*\d{1,3}$", "", text)
    text = re.sub(r"(?i)^(?:(?:no\.?|number|#)\s*)(?=\d{1,3}$)", "", text)
    for ending, suffix in _SUFFIXES:
        text = re.sub(ending, suffix, text)
    return text


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
