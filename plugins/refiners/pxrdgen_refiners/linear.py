"""Scale, scales of impurities and background: the profile is linear in them, so one step solves for all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pxrdgen_refiners.held_shapes import HeldShapes
from pxrdgen_refiners.quantities import LINEAR
from pxrdgen_refiners.state import State


def scale_and_background(form: HeldShapes, state: State) -> tuple[State, float]:
    """The state with the best of them, none of the scales negative, and its chi^2.

    Scales that would be negative are left out one after another: an impurity's becomes 0, the structure's stays.
    """
    matrix, gradient = form.normal(state, LINEAR)
    terms = state.background.size
    values = np.concatenate([state.background, [state.scale], [phase.scale for phase in state.phases]])
    kept = np.ones(values.size, dtype=bool)
    found = values
    while True:
        # scales left out: the structure's keeps its value, an impurity's goes to 0 and the others feel it
        target = np.where(kept | (np.arange(values.size) == terms), values, 0.0)
        rest = gradient[kept] - matrix[np.ix_(kept, ~kept)] @ (target - values)[~kept]
        found = target.copy()
        found[kept] += np.linalg.lstsq(matrix[np.ix_(kept, kept)], rest, rcond=1e-13)[0]
        negative = kept & (np.arange(values.size) >= terms) & (found <= 0.0)
        if not negative.any():
            break
        kept[np.flatnonzero(negative)[np.argmin(found[negative])]] = False
    phases = tuple(
        replace(phase, scale=float(scale)) for phase, scale in zip(state.phases, found[terms + 1 :], strict=True)
    )
    solved = replace(state, scale=float(found[terms]), background=found[:terms], phases=phases)
    chi_squared, before = form.chi_squared(solved), form.chi_squared(state)
    return (solved, chi_squared) if chi_squared <= before else (state, before)
