"""Radiation and instrument: what has to be known of a diffractometer to compute a powder profile."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from pxrdgen.errors import InstrumentError, nearest

RADIATION_KINDS = ("x-ray", "neutron")


@dataclass(frozen=True, kw_only=True)
class Radiation:
    """Wavelengths of the incident radiation.

    Args:
        wavelengths: in A, the strongest line first.
        weights: intensity of each line relative to the first, same length.
        name: the tube's usual name, ``"CuKa"``, or empty.
        kind: one of ``RADIATION_KINDS``; of ``"neutron"`` positions are known, scattering is not modelled.

    Raises:
        InstrumentError: no line, lengths differ, a wavelength outside 0.1-5 A, a weight below 0, an unknown kind.
    """

    wavelengths: tuple[float, ...]
    weights: tuple[float, ...] = (1.0,)
    name: str = ""
    kind: str = "x-ray"

    def __post_init__(self) -> None:
        if not self.wavelengths or len(self.wavelengths) != len(self.weights):
            raise InstrumentError(
                f"got {len(self.wavelengths)} wavelengths and {len(self.weights)} weights; give one weight a wavelength"
            )
        if self.kind not in RADIATION_KINDS:
            raise InstrumentError(
                f"got radiation kind {self.kind!r}, expected one of {', '.join(RADIATION_KINDS)}"
                f"{nearest(self.kind, RADIATION_KINDS)}"
            )
        for wavelength in self.wavelengths:
            if not 0.1 <= wavelength <= 5.0:
                raise InstrumentError(f"got wavelength {wavelength:g} A, expected 0.1 to 5 A; is it in A?")
        if min(self.weights) < 0 or self.weights[0] <= 0:
            raise InstrumentError(f"got weights {self.weights}, expected none below 0 and the first above 0")

    @property
    def wavelength(self) -> float:
        """The strongest line, in A."""
        return self.wavelengths[0]

    @property
    def mean_wavelength(self) -> float:
        """Mean of the lines weighted by intensity, in A."""
        total = sum(self.weights)
        return sum(weight * line for weight, line in zip(self.weights, self.wavelengths, strict=True)) / total

    @property
    def is_doublet(self) -> bool:
        """Whether a K-alpha2 line accompanies the first."""
        return len(self.wavelengths) > 1


def _tube(name: str, ka1: float, ka2: float) -> Radiation:
    return Radiation(wavelengths=(ka1, ka2), weights=(1.0, 0.5), name=name)


#: K-alpha doublets of laboratory tubes, in A: Hoelzer et al. 1997, doi:10.1103/PhysRevA.56.4554; Deslattes et al. 2003.
TUBES: dict[str, Radiation] = {
    "CuKa": _tube("CuKa", 1.540593, 1.544427),
    "CuKa1": Radiation(wavelengths=(1.540593,), name="CuKa1"),
    "CoKa": _tube("CoKa", 1.788996, 1.792835),
    "FeKa": _tube("FeKa", 1.936041, 1.939973),
    "CrKa": _tube("CrKa", 2.289726, 2.293652),
    "MoKa": _tube("MoKa", 0.709317, 0.713607),
    "AgKa": _tube("AgKa", 0.559422, 0.563813),
}

CUKA = TUBES["CuKa"]


@dataclass(frozen=True, kw_only=True)
class Instrument:
    """A constant-wavelength powder diffractometer.

    Peak widths, Thompson-Cox-Hastings pseudo-Voigt (doi:10.1107/S0021889887087090), in GSAS-II's units:
    sigma^2 = U tan^2 theta + V tan theta + W [centidegree^2], gamma = X / cos theta + Y tan theta [centidegree].

    Args:
        radiation: the lines.
        geometry: ``"bragg-brentano"`` or ``"debye-scherrer"``.
        polarization: fraction p of LP = ((1 - p) cos^2 2theta + p) / (2 sin^2 theta cos theta).
        zero: detector zero, added to 2theta, in degrees.
        displacement: sample displacement term, adds ``displacement * cos theta`` degrees to 2theta.
        u, v, w: Gaussian widths, centidegree^2.
        x, y: Lorentzian widths (size, strain), centidegree.
        sh_l: axial divergence (S + H) / L, dimensionless.
        name: a name for reports.

    Profile parameters may also be 0-d tensors, so that gradients flow to them.
    """

    radiation: Radiation = field(default_factory=lambda: CUKA)
    geometry: str = "bragg-brentano"
    polarization: float = 0.5
    zero: float = 0.0
    displacement: float = 0.0
    u: float = 2.0
    v: float = -2.0
    w: float = 5.0
    x: float = 1.0
    y: float = 5.0
    sh_l: float = 0.002
    name: str = ""

    def __post_init__(self) -> None:
        if self.geometry not in GEOMETRIES:
            raise InstrumentError(
                f"got geometry {self.geometry!r}, expected one of {', '.join(GEOMETRIES)}"
                f"{nearest(self.geometry, GEOMETRIES)}"
            )
        if not 0.0 <= self.polarization <= 1.0:
            raise InstrumentError(f"got polarization {self.polarization:g}, expected a fraction between 0 and 1")
        numbers = (self.zero, self.displacement, self.u, self.v, self.w, self.x, self.y, self.sh_l)
        if not all(number - number == 0.0 for number in numbers):  # isfinite, for floats and tensors alike
            raise InstrumentError(f"got {self}, expected finite numbers for every profile parameter")


GEOMETRIES = ("bragg-brentano", "debye-scherrer")

#: The instrument of the MP-20 protocol: GSAS-II's simulation defaults, 1 um crystallites and microstrain 1000
#: folded into X = 1.8 lambda / pi and Y = 18 / pi (closed form checked against GSAS-II itself).
GSAS2_DEFAULT = Instrument(
    radiation=Radiation(wavelengths=(1.54056, 1.54433), weights=(1.0, 0.5), name="CuKa"),
    polarization=0.7,
    u=2.0,
    v=-2.0,
    w=5.0,
    x=1.8 * 1.54056 / math.pi,
    y=18.0 / math.pi,
    sh_l=0.002,
    name="gsas2_default",
)

#: A Bragg-Brentano laboratory diffractometer with a Cu tube and no monochromator, widths of a common sample.
LABORATORY = Instrument(radiation=CUKA, polarization=0.5, u=8.0, v=-6.0, w=8.0, x=2.0, y=6.0, name="laboratory")

INSTRUMENTS: dict[str, Instrument] = {"gsas2_default": GSAS2_DEFAULT, "laboratory": LABORATORY}
