"""How much room atoms take: additive volumes per element, for the number of formula units in a cell."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

from pxrdgen.errors import FormulaError
from pxrdgen.values.elements import SYMBOLS

if TYPE_CHECKING:
    from pxrdgen.values.composition import Composition

#: How often a cell holds Z formula units: the primitive and the conventional cells of the training crystals, pooled.
#: (4 and 8 are common, 5 and 7 rare.) A Z not listed counts as one seen ``_UNSEEN`` times.
_Z_COUNTS = {1: 24537, 2: 28815, 3: 3666, 4: 22945, 5: 37, 6: 1280, 7: 15, 8: 2448, 9: 103, 10: 53, 12: 269}
_Z_COUNTS |= {14: 10, 15: 10, 16: 440, 18: 53, 20: 24, 24: 51, 28: 16, 32: 48, 36: 13, 48: 10}
_UNSEEN = 4.0

#: ln(volume / expected) outside which no crystal is expected; 99.5 % of the training crystals lie inside.
_DENSEST, _LOOSEST = -0.5, 0.9

#: Log density of volumes too small for one formula unit: parts of cells, which the metric alone may well prefer.
_TOO_SMALL = -30.0

#: Half the central 68 % of Student's t with 2.6 degrees of freedom, in units of its scale.
_HALF_68 = 1.23

_MAX_CELL_ATOMS = 2000


@dataclass(frozen=True, kw_only=True)
class VolumeModel:
    """V = sum_i n_i v_i, with ln(V_true / V) spread like Student's t (location, scale, degrees of freedom).

    Args:
        volumes: A^3 by atomic number, index 0 unused.
        location, scale, freedom: of the residuals over the training crystals.
    """

    volumes: tuple[float, ...]
    location: float
    scale: float
    freedom: float

    def mean(self, composition: Composition) -> float:
        """Expected volume of one formula unit, in A^3."""
        return math.exp(self.location) * sum(count * self.volumes[z] for z, count in composition.counts)

    def log_density(self, log_ratio: float) -> float:
        """Of ln(volume / expected), up to a constant."""
        return -0.5 * (self.freedom + 1.0) * math.log1p((log_ratio / self.scale) ** 2 / self.freedom)


@lru_cache(maxsize=1)
def volume_model() -> VolumeModel:
    """The fitted model shipped with the package (``data/atomic_volumes.csv``)."""
    text = (files("pxrdgen_crystallography") / "data" / "atomic_volumes.csv").read_text(encoding="utf-8")
    volumes = [0.0] * len(SYMBOLS)
    spread: dict[str, float] = {}
    for line in text.splitlines():
        if line.startswith("# spread "):
            key, _, value = line.removeprefix("# spread ").partition(" = ")
            spread[key] = float(value)
        elif line and line[0].isdigit():
            number, _, volume, _ = line.split(",")
            volumes[int(number)] = float(volume)
    return VolumeModel(
        volumes=tuple(volumes), location=spread["location"], scale=spread["scale"], freedom=spread["freedom"]
    )


def estimate_volume(composition: Composition) -> tuple[float, float]:
    """Expected volume of one formula unit and its standard uncertainty (half the central 68 %), in A^3."""
    model = volume_model()
    mean = model.mean(composition)
    return mean, mean * _HALF_68 * model.scale


def plausible_z(composition: Composition, volume: float) -> list[tuple[int, float]]:
    """Numbers of formula units a cell of ``volume`` (A^3) may hold, likeliest first, probabilities summing to 1.

    p(Z) is proportional to n_Z t(ln(volume / (Z V1))): V1 the expected volume of a formula unit, n_Z how often cells
    of Z formula units occur. Probabilities below 0.001 are left out. The likeliest Z is right for 97 % of the held-out
    crystals in their primitive cell and 93 % in the conventional one; one of the first two for 99 %.

    Raises:
        FormulaError: the volume is not positive, or no Z fits it.
    """
    if not (math.isfinite(volume) and volume > 0):
        raise FormulaError(f"got a cell volume of {volume} A^3, expected a positive number")
    model = volume_model()
    one = model.mean(composition)
    smallest = max(1, math.ceil(volume / one * math.exp(-_LOOSEST)))
    largest = min(math.floor(volume / one * math.exp(-_DENSEST)), _MAX_CELL_ATOMS // composition.num_atoms)
    if smallest > largest:
        limit = f"at least {one * math.exp(_DENSEST):.0f} A^3" if smallest == 1 else f"at most {_MAX_CELL_ATOMS} atoms"
        raise FormulaError(
            f"the formula {composition} cannot fit the volume: got a cell of {volume:.1f} A^3, expected about "
            f"{one:.0f} A^3 for each formula unit and {limit} in the cell; check the formula, and that lengths are in A"
        )
    weights = {
        z: (_Z_COUNTS.get(z, 0) + _UNSEEN) * math.exp(model.log_density(math.log(volume / (z * one))))
        for z in range(smallest, largest + 1)
    }
    kept = {z: weight for z, weight in weights.items() if weight >= 1e-3 * sum(weights.values())}
    total = sum(kept.values())
    return sorted(((z, weight / total) for z, weight in kept.items()), key=lambda entry: -entry[1])


def can_hold(composition: Composition | None, volume: float) -> bool:
    """Whether a cell of ``volume`` (A^3) is large enough for one formula unit; without a formula every cell is."""
    return composition is None or math.log(volume / volume_model().mean(composition)) >= _DENSEST


def log_volume_density(composition: Composition, volume: float, z: int | None = None) -> float:
    """Log density of ln(volume) of a cell of ``volume`` (A^3), up to a constant; over all Z when ``z`` is left out.

    log sum_Z p(Z) t(ln(volume / (Z V1))), p(Z) as in :func:`plausible_z`, never below what a Z nobody expects gives
    but for volumes that are too small for one formula unit.
    """
    model = volume_model()
    one = model.mean(composition)
    if z is not None:
        return model.log_density(math.log(volume / (z * one)))
    if not can_hold(composition, volume):
        return _TOO_SMALL
    largest = max(2, math.ceil(volume / one * math.exp(-_DENSEST)))
    total = sum(_Z_COUNTS.values())
    density = sum(
        (_Z_COUNTS.get(number, 0) + _UNSEEN) / total * math.exp(model.log_density(math.log(volume / (number * one))))
        for number in range(1, min(largest, 200) + 1)
    )
    return math.log(max(density, 1e-7))
