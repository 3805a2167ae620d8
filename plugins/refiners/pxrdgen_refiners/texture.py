"""Which low-index plane the crystallites lie on, if any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from pxrdgen_refiners.held_shapes import HeldShapes
from pxrdgen_refiners.marquardt import Minimum, minimise
from pxrdgen_refiners.quantities import LINEAR, TEXTURE
from pxrdgen_refiners.quantity import Quantity
from pxrdgen_refiners.state import State

#: axes worth a fit of their own, after a first look at all.
FINALISTS = 4
#: logarithms of the ratios first looked at.
START_RATIOS = (-0.22, 0.22)
#: texture is kept when chi^2 falls by this share and by this many times chi^2 per point.
LEAST_SHARE, LEAST_FALL = 0.03, 25.0
#: an axis is fitted when a linear step promises this share of that.
PROMISE = 0.5


def low_index_axes() -> list[tuple[int, int, int]]:
    """The 13 directions with indices -1, 0, 1, one of each opposite pair."""
    steps = (-1, 0, 1)
    axes = [axis for axis in product(steps, steps, steps) if axis > (0, 0, 0)]
    return sorted(axes, key=lambda axis: sum(map(abs, axis)))


def with_texture(
    objective: HeldShapes, plain: Minimum, active: Sequence[Quantity], origin: State, *, cycles: int, points: int
) -> Minimum:
    """The fit with March-Dollase texture (Dollase 1986, doi:10.1107/S0021889886089458), or ``plain`` when none helps.

    Textured fits start from the plain one and from ``origin``, the state before it: fitted without texture, atoms may
    have moved to make up for it. An ``origin`` with texture keeps its axis.
    """
    needed = max(LEAST_SHARE * plain.chi_squared, LEAST_FALL * plain.chi_squared / points)
    best, free = plain, (*LINEAR, *active, TEXTURE)
    least = PROMISE * needed
    starts = _promising(objective, plain.state, active, least)
    starts += [origin] if origin.axis is not None else _promising(objective, origin, active, least)
    for start in starts:
        trial = minimise(objective, objective.model.freedom, start, free, cycles=cycles, points=points, least_gain=1e-4)
        if plain.chi_squared - trial.chi_squared > needed and trial.chi_squared < best.chi_squared:
            best = trial
    return best


def along_axis(
    objective: HeldShapes, origin: State, active: Sequence[Quantity], *, cycles: int, points: int
) -> Minimum:
    """The fit with texture along the axis of ``origin``, from its ratio and from both sides of 1."""
    free = (*LINEAR, *active, TEXTURE)
    trials = [
        minimise(
            objective,
            objective.model.freedom,
            replace(origin, log_ratio=ratio),
            free,
            cycles=cycles,
            points=points,
            least_gain=1e-5,
        )
        for ratio in dict.fromkeys((origin.log_ratio, *START_RATIOS))
    ]
    return min(trials, key=lambda trial: trial.chi_squared)


def _promising(objective: HeldShapes, state: State, active: Sequence[Quantity], least: float) -> list[State]:
    """The axes and start ratios for which a linear step of all parameters promises most, and more than ``least``.

    A ratio of 1 would promise nothing in cubic crystals, where texture is of second order.
    """
    model = objective.model
    starts = [replace(state, axis=axis, log_ratio=ratio) for axis in low_index_axes() for ratio in START_RATIOS]
    without = model.intensities(state)
    changes = np.stack([model.intensities(start) - without for start in starts], axis=1)
    promises = objective.promise(state, (*LINEAR, *active), changes)
    chosen: list[int] = []
    for index in np.argsort(-promises).tolist():
        # axes that symmetry makes equivalent promise the same
        if promises[index] > least and not any(
            np.isclose(promises[index], promises[other], rtol=1e-6) for other in chosen
        ):
            chosen.append(index)
    return [starts[index] for index in chosen[:FINALISTS]]
