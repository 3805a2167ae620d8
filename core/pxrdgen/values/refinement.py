"""What a refiner is given and what it gives back: measurement, start, curves, result."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.crystal import Crystal

if TYPE_CHECKING:
    from pxrdgen.values.instrument import Instrument
    from pxrdgen.values.symmetrised_crystal import SymmetrisedCrystal

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """The profile a refiner fits, with what preparation and decomposition found out about it.

    Args:
        two_theta, intensity, sigma: [G] the points to fit (ranges and exclusions already applied; gaps are allowed).
        background: [G] first estimate.
        instrument: radiation, and start values of zero, displacement and widths.
        impurities: crystals known to be in the sample besides; a refiner fits their scale, cell and width along with
            the structure. Empty when there are none, or when ``background`` holds their profiles already.
    """

    two_theta: FloatArray
    intensity: FloatArray
    sigma: FloatArray
    background: FloatArray
    instrument: Instrument
    impurities: tuple[Crystal, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RefinementStart:
    """A structure to refine.

    Args:
        crystal: start structure, cell included; ``u_iso`` may be ``None``.
        symmetry: operations the refinement keeps (its ``crystal`` has the same atoms in the same order); ``None``
            for P1.
        cell_fitted: whether the cell has been fitted to this pattern already, so that nobody need search for it.
    """

    crystal: Crystal
    symmetry: SymmetrisedCrystal | None = None
    cell_fitted: bool = False


@dataclass(frozen=True, kw_only=True)
class ProfileCurves:
    """Observed and calculated profile, all [G], in the pattern's own intensity units.

    ``ticks`` [T] are the 2theta positions (degrees) of the first wavelength's reflections, ``impurity_ticks`` those
    of each known impurity.
    """

    two_theta: FloatArray
    observed: FloatArray
    calculated: FloatArray
    background: FloatArray
    sigma: FloatArray
    ticks: FloatArray
    impurity_ticks: tuple[FloatArray, ...] = ()

    @property
    def difference(self) -> FloatArray:
        """[G] observed minus calculated."""
        return self.observed - self.calculated


@dataclass(frozen=True, kw_only=True)
class RefinedImpurity:
    """A known crystal in the sample besides, as the refinement left it.

    Args:
        crystal: as it was given, in its refined cell.
        scale: of the calculated intensities of its primitive cell, in the same units as the structure's.
        scale_su: its standard uncertainty; ``None`` if unknown.
        weight_fraction: scale times the cell's mass, over the sum of all phases: 0-1, of the crystalline part that the
            model holds (Hill & Howard 1987, doi:10.1107/S0021889887086199).
        cell_su: standard uncertainties of a b c (A) alpha beta gamma (degrees), 0 where fixed; ``None`` if unknown.
    """

    crystal: Crystal
    scale: float
    scale_su: float | None = None
    weight_fraction: float = 0.0
    cell_su: tuple[float, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class RefinedQuantity:
    """A number of the fit besides cell, coordinates and impurities, with all that a report says of it.

    Args:
        name: for files and programs, such as ``"zero"``; no two of a result share one.
        label: the same in words.
        value: in ``unit``, which is empty for a pure number.
        su: standard uncertainty; ``None`` where it was held, or if unknown.
        direction: Miller indices in the result's own cell of the direction it belongs to, such as a texture axis.
        told: whether a report of a few lines tells it.
    """

    name: str
    label: str
    value: float
    unit: str = ""
    su: float | None = None
    direction: tuple[int, int, int] | None = None
    told: bool = False


@dataclass(frozen=True, kw_only=True)
class RefinementResult:
    """One structure fitted to the whole profile. R factors are fractions (0.05 is 5 %), background included.

    r_wp = sqrt(sum w (o - c)^2 / sum w o^2), r_exp = sqrt((points - parameters) / sum w o^2), gof = r_wp / r_exp
    (Toby 2006, doi:10.1154/1.2179804).

    Args:
        crystal: the refined structure with ``u_iso``.
        r_wp, r_p, r_exp, gof: agreement factors; infinite when refinement failed.
        r_wp_without_background: the same with the background subtracted from the observed in the denominator.
        quantities: the numbers of the fit besides, refined or held, in the order of the report.
        cell_su: standard uncertainties of a b c (A) alpha beta gamma (degrees), 0 where fixed; ``None`` if unknown.
        coordinate_su: [N, 3] standard uncertainties of the fractional coordinates; ``None`` if unknown.
        curves: profiles for plots; ``None`` when refinement failed.
        converged: whether the shifts became small against their uncertainties.
        message: what happened, one sentence.
        u_iso_su: [N] standard uncertainties of ``crystal.u_iso`` (A^2), 0 where held; ``None`` if unknown.
        num_parameters: numbers refined; 0 if unknown.
        impurities: the known crystals of the measurement, refined, in its order.
    """

    crystal: Crystal
    r_wp: float = math.inf
    r_p: float = math.inf
    r_exp: float = math.inf
    gof: float = math.inf
    r_wp_without_background: float = math.inf
    quantities: tuple[RefinedQuantity, ...] = ()
    cell_su: tuple[float, ...] | None = None
    coordinate_su: FloatArray | None = None
    curves: ProfileCurves | None = None
    converged: bool = True
    message: str = ""
    u_iso_su: FloatArray | None = None
    num_parameters: int = 0
    impurities: tuple[RefinedImpurity, ...] = ()

    @property
    def parameters(self) -> Mapping[str, float]:
        """Values of the quantities by name."""
        return MappingProxyType({entry.name: entry.value for entry in self.quantities})

    @property
    def parameter_su(self) -> Mapping[str, float]:
        """Standard uncertainties of the refined quantities by name."""
        return MappingProxyType({entry.name: entry.su for entry in self.quantities if entry.su is not None})
