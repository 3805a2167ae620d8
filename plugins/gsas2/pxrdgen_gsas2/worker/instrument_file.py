"""Instrument parameters as GSAS-II reads them.

Crystallites of 10 um and a microstrain that gives all of Y stand for the Lorentzian widths, so that microstrain alone
can widen the peaks while a fit is far off: gamma = (X + 1.8 lambda / (pi size)) / cos theta + (0.018 strain / pi) tan
theta, in centidegrees.
"""

from __future__ import annotations

import math

#: crystallite size (um) and goniometer radius (mm) of every project.
SIZE, RADIUS = 10.0, 200.0
#: microns of displacement per degree of the cosine term: pos -= 4 shift (0.09 / (pi R)) cos theta.
SHIFT_PER_DEGREE = -math.pi * RADIUS / 0.36
#: microstrain per centidegree of Y.
STRAIN_PER_Y = math.pi / 0.018


def size_part(wavelength: float) -> float:
    """The share of X (centidegrees) that the crystallite size makes."""
    return 1.8 * wavelength / (math.pi * SIZE)


def instprm(instrument: dict) -> str:
    """The text of a ``.instprm`` file."""
    lines, weights = instrument["wavelengths"], instrument["weights"]
    rows = ["#GSAS-II instrument parameter file; do not add/delete items!", "Type:PXC", "Bank:1.0"]
    if len(lines) > 1:
        rows += [f"Lam1:{lines[0]:.10g}", f"Lam2:{lines[1]:.10g}", f"I(L2)/I(L1):{weights[1] / weights[0]:.10g}"]
    else:
        rows += [f"Lam:{lines[0]:.10g}"]
    values = {
        "Zero": instrument["zero"],
        "Polariz.": instrument["polarization"],
        "U": instrument["u"],
        "V": instrument["v"],
        "W": instrument["w"],
        "X": instrument["x"] - size_part(lines[0]),
        "Y": 0.0,
        "Z": 0.0,
        "SH/L": instrument["sh_l"],
        "Azimuth": 0.0,
        "Gonio. radius": RADIUS,
    }
    rows += [f"{name}:{value:.10g}" for name, value in values.items()]
    geometry = "Bragg-Brentano" if _bragg_brentano(instrument) else "Debye-Scherrer"
    return "\n".join([*rows, f"Diff-type:{geometry}", ""])


def _bragg_brentano(instrument: dict) -> bool:
    return instrument["geometry"] == "bragg-brentano" or instrument["displacement"] != 0.0
