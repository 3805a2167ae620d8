"""How likely a cell volume is for a formula, and the number of formula units it holds."""

from __future__ import annotations

from pxrdgen.errors import FormulaError
from pxrdgen.values.composition import Composition
from pxrdgen_crystallography.lattice.atomic_volumes import log_volume_density, plausible_z


def log_volume_prior(volume: float, composition: Composition | None, z: int | None) -> float:
    """Log density of ln(volume) of a primitive cell (A^3), up to a constant; 0 without a formula."""
    if composition is None:
        return 0.0
    if z is None:
        composition, _ = composition.reduced()
    return log_volume_density(composition, volume, z)


def likeliest_z(volume: float, composition: Composition | None, z: int | None) -> int | None:
    """Formula units in a primitive cell of ``volume`` (A^3); ``None`` without a formula or a number that fits."""
    if composition is None or z is not None:
        return z
    try:
        return plausible_z(composition, volume)[0][0]
    except FormulaError:
        return None
