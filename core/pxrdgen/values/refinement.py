"""What a refiner is given and what it gives back: measurement, start, curves, result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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
class RefinementResult:
    """One structure fitted to the whole profile. R factors are fractions (0.05 is 5 %), background included.

    r_wp = sqrt(sum w (o - c)^2 / sum w o^2), r_exp = sqrt((points - parameters) / sum w o^2), gof = r_wp / r_exp
    (Toby 2006, doi:10.1154/1.2179804).

    Args:
        crystal: the refined structure with ``u_iso``.
        r_wp, r_p, r_exp, gof: agreement factors; infinite when refinement failed.
        r_wp_without_background: the same with the background subtracted from the observed in the denominator.
        parameters: refined numbers by name (scale, zero, march_dollase, ...); units in the name's entry of the report.
        cell_su: standard uncertainties of a b c (A) alpha beta gamma (degrees), 0 where fixed; ``None`` if unknown.
        coordinate_su: [N, 3] standard uncertainties of the fractional coordinates; ``None`` if unknown.
        curves: profiles for plots; ``None`` when refinement failed.
        converged: whether the shifts became small against their uncertainties.
        message: what happened, one sentence.
        parameter_su: standard uncertainties of refined entries of ``parameters``, by the same names.
        u_iso_su: [N] standard uncertainties of ``crystal.u_iso`` (A^2), 0 where held; ``None`` if unknown.
        num_parameters: numbers refined; 0 if unknown.
        impurities: the known crystals of the measurement, refined, in its order.
    """

    crystal: Crystal
    r_wp: float
    r_p: float
    r_exp: float
    gof: float
    r_wp_without_background: float = float("inf")
    parameters: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    cell_su: tuple[float, ...] | None = None
    coordinate_su: FloatArray | None = None
    curves: ProfileCurves | None = None
    converged: bool = True
    message: str = ""
    parameter_su: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    u_iso_su: FloatArray | None = None
    num_parameters: int = 0
    impurities: tuple[RefinedImpurity, ...] = ()
