"""Powder patterns computed by GSAS-II itself: the outside check of pxrdgen's own diffraction."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.crystal import Crystal
from pxrdgen.values.instrument import Instrument
from pxrdgen.values.symmetrised_crystal import SymmetrisedCrystal
from pxrdgen_gsas2.client import Call, Gsas2Version, call
from pxrdgen_gsas2.conventional_phase import conventional_phase
from pxrdgen_gsas2.instruments import instrument_request
from pxrdgen_gsas2.options import Gsas2WorkerOptions

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Gsas2Simulation:
    """A simulated pattern and its lines.

    Args:
        two_theta, intensity: [G] degrees and GSAS-II's absolute units, no background.
        hkl: [L, 3] one of each set of equivalent reflections, conventional cell, origin choice 2.
        multiplicity, d, line_two_theta, f_squared: [L]; d in A, angles of the first wavelength in degrees.
        gsas2: the version that computed it.
    """

    two_theta: FloatArray
    intensity: FloatArray
    hkl: NDArray[np.int64]
    multiplicity: FloatArray
    d: FloatArray
    line_two_theta: FloatArray
    f_squared: FloatArray
    gsas2: Gsas2Version


def simulate_with_gsas2(
    crystal: Crystal,
    instrument: Instrument,
    *,
    low: float,
    high: float,
    points: int,
    symmetry: SymmetrisedCrystal | None = None,
    instrument_file: Path | None = None,
    options: Gsas2WorkerOptions | None = None,
    call: Call = call,
) -> Gsas2Simulation:
    """The pattern of a crystal on ``points`` angles from ``low`` to ``high`` degrees; Uiso 0.01 A^2 where unknown.

    Raises:
        Gsas2Error: GSAS-II gave no answer; the message says why.
    """
    phase = conventional_phase(crystal, symmetry)
    request: dict[str, object] = {
        "instrument": instrument_request(instrument, instrument_file),
        "phase": phase.request("structure", [None] * len(phase.representatives)),
        "grid": {"low": low, "high": high, "points": points},
    }
    answer = call("simulate", request, options or Gsas2WorkerOptions())
    value = answer.value
    lines = value["reflections"]
    column = {name: np.array([line[name] for line in lines], dtype=float) for name in _COLUMNS}
    return Gsas2Simulation(
        two_theta=np.array(value["two_theta"], dtype=float),
        intensity=np.array(value["intensity"], dtype=float),
        hkl=np.array([line["hkl"] for line in lines], dtype=np.int64).reshape(-1, 3),
        multiplicity=column["multiplicity"],
        d=column["d"],
        line_two_theta=column["two_theta"],
        f_squared=column["f_squared"],
        gsas2=answer.gsas2,
    )


_COLUMNS = ("multiplicity", "d", "two_theta", "f_squared")
