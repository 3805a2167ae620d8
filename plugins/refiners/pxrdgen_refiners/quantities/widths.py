"""Peak widths U V W X Y of the instrument and the sample."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from pxrdgen.values.instrument import Instrument
from pxrdgen.values.refinement import RefinedQuantity
from pxrdgen_crystallography.decomposition.bounds import WIDTH_RANGE
from pxrdgen_refiners.intensity_model import IntensityModel
from pxrdgen_refiners.line_shapes import LineShapes
from pxrdgen_refiners.options import LeastSquaresOptions
from pxrdgen_refiners.quantity import EDGE, BoolArray, FloatArray, Quantity, ShapeSlopes, known_su
from pxrdgen_refiners.state import Freedom, State

NAMES = ("u", "v", "w", "x", "y")
#: the column of a crystal's own width, X, which impurities have for themselves.
OWN = slice(3, 4)
#: restraints to the start, in the numbers' own units; weak, they only decide what the data do not.
SPREAD = np.array([30.0, 10.0, 20.0, 6.0, 15.0])
_LOW, _HIGH = np.array([WIDTH_RANGE[name] for name in NAMES]).T
_LABELS = (*(f"Gaussian width {name}" for name in "UVW"), *(f"Lorentzian width {name}" for name in "XY"))
_UNITS = ("centidegree²",) * 3 + ("centidegree",) * 2


class Widths(Quantity):
    """The five of them."""

    shared = True

    def asked(self, options: LeastSquaresOptions, state: State, freedom: Freedom) -> bool:
        return options.refine_widths

    def size(self, state: State, freedom: Freedom) -> int:
        return len(NAMES)

    def moved(self, state: State, freedom: Freedom, step: FloatArray) -> State:
        """Each within its bounds, and V so that the Gaussian width vanishes nowhere."""
        u, v, w, x, y = np.clip(_values(state.instrument) + step, _LOW, _HIGH).tolist()
        return replace(state, instrument=replace(state.instrument, u=u, v=max(v, _least_v(u, w)), w=w, x=x, y=y))

    def pinned(self, state: State, freedom: Freedom, downhill: FloatArray) -> BoolArray:
        values, low = _values(state.instrument), _LOW.copy()
        low[1] = max(low[1], _least_v(state.instrument.u, state.instrument.w))
        return ((values <= low + EDGE) & (downhill < 0.0)) | ((values >= _HIGH - EDGE) & (downhill > 0.0))

    def restraint(self, state: State, freedom: Freedom) -> tuple[FloatArray, FloatArray]:
        change = _values(state.instrument) - _values(freedom.start.instrument)
        return change / SPREAD, np.diag(1.0 / SPREAD)

    def shape_slopes(self, model: IntensityModel, state: State, theta: FloatArray, lines: LineShapes) -> ShapeSlopes:
        copies, of = len(lines.position), slice(0, len(NAMES))
        return ShapeSlopes(
            width=np.tile(lines.widths.width_slope[:, of], (copies, 1)),
            mixing=np.tile(lines.widths.mixing_slope[:, of], (copies, 1)),
        )

    def through_impurity(self, columns: FloatArray) -> FloatArray:
        """An impurity's X is its own."""
        shared = columns.copy()
        shared[:, OWN] = 0.0
        return shared

    def reported(self, state: State, freedom: Freedom, covariance: FloatArray | None) -> tuple[RefinedQuantity, ...]:
        errors = known_su(np.eye(len(NAMES)), covariance)
        return tuple(
            RefinedQuantity(name=name, label=label, unit=unit, value=value, su=su)
            for name, label, unit, value, su in zip(
                NAMES, _LABELS, _UNITS, _values(state.instrument).tolist(), errors, strict=True
            )
        )


def _values(instrument: Instrument) -> FloatArray:
    return np.array([instrument.u, instrument.v, instrument.w, instrument.x, instrument.y])


def _least_v(u: float, w: float) -> float:
    """Below -2 sqrt(U W) the Gaussian width vanishes at some angle."""
    return -1.9 * math.sqrt(u * w)
