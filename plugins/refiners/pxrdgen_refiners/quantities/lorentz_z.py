"""A Lorentzian width that is the same at every angle: Z of GSAS-II's profiles."""

from __future__ import annotations

import numpy as np

from pxrdgen_refiners.quantity import FloatArray, LorentzCorrection


class LorentzZ(LorentzCorrection):
    """gamma = X / cos theta + Y tan theta + Z (Toby & Von Dreele 2013, doi:10.1107/S0021889813003531)."""

    name, label, unit = "z", "Lorentzian width Z", "centidegree"
    # the bound and the spread of X
    reach, spread = 60.0, 6.0

    def form(self, theta: FloatArray) -> FloatArray:
        return np.ones_like(theta)

    def form_slope(self, theta: FloatArray) -> FloatArray:
        return np.zeros_like(theta)
