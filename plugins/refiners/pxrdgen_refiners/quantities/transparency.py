"""Transparency of a flat sample: rays scattered below the surface come from off the axis, towards lower angles."""

from __future__ import annotations

import numpy as np

from pxrdgen_refiners.quantity import FloatArray, ShiftCorrection


class Transparency(ShiftCorrection):
    """Times sin 2theta: -1 / (2 mu R) radians for a thick sample (Langford & Louer 1996).

    doi:10.1088/0034-4885/59/2/002. With the circle's radius R = 20 cm it is -0.14 degrees for an organic solid,
    mu = 10 / cm. What it does to the shape of the peaks is left out.
    """

    name, label, unit = "transparency", "Sample transparency", "° 2θ × sin 2θ"
    # a sample of mu = 5 / cm reaches 0.29
    reach, spread = 0.3, 0.1

    def form(self, theta: FloatArray) -> FloatArray:
        return np.sin(2.0 * theta)

    def form_slope(self, theta: FloatArray) -> FloatArray:
        return 2.0 * np.cos(2.0 * theta)
