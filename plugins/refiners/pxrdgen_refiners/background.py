"""How many background polynomials the data ask for."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from pxrdgen_refiners.held_shapes import HeldShapes
from pxrdgen_refiners.linear import scale_and_background
from pxrdgen_refiners.state import State

#: lengths of the series that are tried; the first stages use ``FIRST_TERMS``.
BACKGROUND_TRIED, FIRST_TERMS = (3, 4, 6, 9, 12, 15, 18, 24), 6
LONGEST = max(BACKGROUND_TRIED)


def best_length(form: HeldShapes, state: State, points: int) -> State:
    """The length with the lowest chi^2 / u + terms ln(points) (Schwarz 1978, doi:10.1214/aos/1176344136).

    u, the least chi^2 of all lengths per point, stands for the variance: with a structure that is not right yet, what
    it leaves over is noise to the background. Scales are fitted anew with each length.
    """
    fits = []
    for terms in BACKGROUND_TRIED:
        background = np.pad(state.background, (0, max(terms - state.background.size, 0)))[:terms]
        fits.append((*scale_and_background(form, replace(state, background=background)), terms))
    unit = max(min(chi_squared for _, chi_squared, _ in fits) / points, 1e-300)
    return min(fits, key=lambda fit: fit[1] / unit + fit[2] * math.log(points))[0]
