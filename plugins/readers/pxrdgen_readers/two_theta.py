"""Other axes than 2theta, turned into it: Q = 4 pi sin(theta) / lambda, s = 1/d = 2 sin(theta) / lambda."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import PatternError
from pxrdgen_readers.headings import Role

FloatArray = NDArray[np.float64]

#: what to do with neutron data of a pulsed source
TIME_OF_FLIGHT = (
    "neutrons of a pulsed source are not X-rays of one wavelength, so these data cannot be used here: measure or "
    "export an X-ray pattern of the sample, and keep them to refine the structure found elsewhere"
)
#: 1/d in 1/A of one unit of the axis
_PER_D = {
    Role.Q_PER_ANGSTROM: 0.5 / np.pi,
    Role.Q_PER_NM: 0.05 / np.pi,
    Role.S_PER_ANGSTROM: 1.0,
    Role.S_PER_NM: 0.1,
    Role.SINE_PER_ANGSTROM: 2.0,
}


def two_theta_of(values: FloatArray, axis: Role, wavelength: float | None) -> tuple[FloatArray, str]:
    """[G] 2theta in degrees of an axis in its own unit, nan beyond what the wavelength (A) reaches; and a note.

    Raises:
        PatternError: the axis needs a wavelength and there is none, or cannot be turned into 2theta.
    """
    if axis is Role.TWO_THETA:
        return values, ""
    if axis is Role.TWO_THETA_RADIANS:
        return np.degrees(values), f"the axis is {axis.value}: converted to degrees"
    if axis not in (*_PER_D, Role.D_ANGSTROM, Role.D_NM):
        raise PatternError(f"got {axis.value}, expected 2theta, Q, s or d; export 2theta in degrees")
    if wavelength is None:
        raise PatternError(
            f"got an axis that is {axis.value} and no wavelength to turn it into 2theta, expected one; give it with "
            "--wavelength"
        )
    with np.errstate(all="ignore"):
        if axis in _PER_D:
            inverse = values * _PER_D[axis]
        else:
            inverse = np.where(values > 0, 1.0 / (values * (10.0 if axis is Role.D_NM else 1.0)), np.nan)
        two_theta: FloatArray = np.degrees(2.0 * np.arcsin(0.5 * wavelength * inverse))
    return two_theta, f"the axis is {axis.value}: converted to 2theta with {wavelength:.6g} A"
