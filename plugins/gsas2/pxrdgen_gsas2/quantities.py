"""What GSAS-II refined besides cell and atoms, as a report tells it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.crystal import Crystal
from pxrdgen.values.elements import SYMBOLS
from pxrdgen.values.refinement import RefinedQuantity
from pxrdgen_gsas2.conventional_phase import ConventionalPhase

#: words and units of the worker's numbers.
_WORDS = MappingProxyType(
    {
        "scale": ("Histogram scale factor", ""),
        "background_terms": ("Background terms", ""),
        "zero": ("Zero shift", "° 2θ"),
        "displacement": ("Sample displacement", "° 2θ × cos θ"),
        "u": ("Gaussian width U", "centidegree²"),
        "v": ("Gaussian width V", "centidegree²"),
        "w": ("Gaussian width W", "centidegree²"),
        "x": ("Lorentzian width X", "centidegree"),
        "y": ("Lorentzian width Y", "centidegree"),
        "sh_l": ("Axial divergence (S + H) / L", ""),
        "march_dollase": ("March\N{EN DASH}Dollase ratio", ""),
    }
)
#: told by a report of a few lines where they were refined.
_TOLD = ("displacement", "sh_l", "march_dollase")


def quantities(
    found: Mapping[str, tuple[float, float]], phase: ConventionalPhase, crystal: Crystal
) -> tuple[RefinedQuantity, ...]:
    """Of the worker's [value, standard uncertainty] by name, and the mean Uiso of each element of ``crystal``."""
    axis = None
    if "texture_h" in found:
        axis = _whole(phase.start_axis([float(found[f"texture_{name}"][0]) for name in "hkl"]))
    told = []
    for name, (label, unit) in _WORDS.items():
        if name in found:
            value, su = float(found[name][0]), float(found[name][1]) or None
            shown = name == "zero" or (name in _TOLD and su is not None)
            direction = axis if name == "march_dollase" else None
            told.append(
                RefinedQuantity(name=name, label=label, unit=unit, value=value, su=su, direction=direction, told=shown)
            )
    assert crystal.u_iso is not None  # noqa: S101 - the worker always says it
    for z in np.unique(crystal.species):
        mean, symbol = float(crystal.u_iso[crystal.species == z].mean()), SYMBOLS[int(z)]
        told.append(RefinedQuantity(name=f"u_iso_{symbol}", label=f"Mean Uiso of {symbol}", unit="Å²", value=mean))
    return tuple(told)


def _whole(axis: NDArray[np.float64]) -> tuple[int, int, int]:
    """The least multiple in whole numbers: a centred cell's axis can be a fraction of the primitive one's."""
    multiples = (factor * axis for factor in (1, 2, 3, 4, 6))
    whole = next((found for found in multiples if np.abs(found - np.rint(found)).max() < 1e-3), axis)
    first, second, third = np.rint(whole).astype(int).tolist()
    return first, second, third
