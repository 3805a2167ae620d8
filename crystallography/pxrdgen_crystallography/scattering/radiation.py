"""What models ask of a radiation before any amplitude: whether it is modelled, its polarisation, what it sees."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import InstrumentError
from pxrdgen.values.instrument import Instrument, Radiation

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: an element with a smaller share of the cell's scattering is hardly seen; so is hydrogen.
FAINT = 0.004


def check_radiation(radiation: Radiation) -> None:
    """Refuse a radiation whose scattering is not modelled.

    Raises:
        InstrumentError: it is not X-rays; the message says what to do.
    """
    if radiation.kind != "x-ray":
        raise InstrumentError(
            f"got {radiation.kind} radiation, expected x-ray: scattering lengths are not built in yet, and X-ray form "
            "factors would be wrong; use an X-ray pattern of the sample"
        )


def polarization_of(instrument: Instrument) -> float:
    """p of the Lorentz-polarisation factor.

    Raises:
        InstrumentError: the radiation is not modelled.
    """
    check_radiation(instrument.radiation)
    return instrument.polarization


def shares_of_scattering(species: IntArray, radiation: Radiation) -> tuple[IntArray, FloatArray]:
    """The distinct elements [E] of ``species`` [N] and the share of each in the cell's scattering, sum of Z^2.

    Raises:
        InstrumentError: the radiation is not modelled.
    """
    check_radiation(radiation)
    elements, counts = np.unique(species, return_counts=True)
    power = counts * elements.astype(np.float64) ** 2
    return elements, power / power.sum()


def faint_elements(species: IntArray, radiation: Radiation) -> IntArray:
    """Those elements of ``species`` [N] that the radiation hardly sees beside the others; none of a pure element."""
    elements, shares = shares_of_scattering(species, radiation)
    faint: IntArray = elements[((shares < FAINT) | (elements == 1)) & (elements.size > 1)]
    return faint
