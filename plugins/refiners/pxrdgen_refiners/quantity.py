"""What a refined quantity is: one object that knows its numbers' bounds, restraint, derivatives and report.

A new quantity is a new class in :mod:`pxrdgen_refiners.quantities` and its name in the tuple there; nothing else in the
refinement knows quantities by name. The object holds no value: values are in the :class:`State`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.refinement import RefinedQuantity
from pxrdgen_refiners.intensity_model import IntensityModel, Waves
from pxrdgen_refiners.line_shapes import LineShapes
from pxrdgen_refiners.options import LeastSquaresOptions
from pxrdgen_refiners.state import Corrected, Freedom, State

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

#: a value this near a bound is at it.
EDGE = 1e-9


@dataclass(frozen=True, kw_only=True)
class ShapeSlopes:
    """What P numbers do to the peaks of K lines with M wavelengths, each [M K, P] or ``None`` for nothing.

    Args:
        position, width: degrees; ``mixing`` of the Lorentz fraction; ``divergence`` of the square of (S + H) / L.
    """

    position: FloatArray | None = None
    width: FloatArray | None = None
    mixing: FloatArray | None = None
    divergence: FloatArray | None = None


@dataclass(frozen=True, kw_only=True)
class ProfileParts:
    """Derivatives of the crystals' profiles, from which those of the whole are put together.

    Args:
        structure, phases: [G, P] by the quantities that act through a crystal: the structure, and each impurity.
        chebyshev: [G, T] polynomials of the background in use.
    """

    structure: Mapping[Quantity, FloatArray]
    phases: tuple[Mapping[Quantity, FloatArray], ...]
    chebyshev: FloatArray


class Quantity(ABC):
    """P numbers that are freed together. ``freedom.start`` holds where they began."""

    #: whether every crystal of the sample feels it, as a number of the instrument.
    shared: ClassVar[bool] = False

    def asked(self, options: LeastSquaresOptions, state: State, freedom: Freedom) -> bool:
        """Whether the user's options and the structure have it refined; else it is held."""
        return self.size(state, freedom) > 0

    def size(self, state: State, freedom: Freedom) -> int:
        """P."""
        return 1

    @abstractmethod
    def moved(self, state: State, freedom: Freedom, step: FloatArray) -> State:
        """The state after ``step`` [P], kept within bounds."""

    def pinned(self, state: State, freedom: Freedom, downhill: FloatArray) -> BoolArray:
        """[P] which numbers at a bound ``downhill`` [P] would lead over it."""
        return np.zeros(downhill.size, dtype=bool)

    def restraint(self, state: State, freedom: Freedom) -> tuple[FloatArray, FloatArray]:
        """Residuals [R], wanting to be 0 within 1, and their derivatives [R, P]."""
        return np.zeros(0), np.zeros((0, self.size(state, freedom)))

    def area_slopes(self, model: IntensityModel, state: State, waves: Waves) -> FloatArray | None:
        """[K, P] derivatives of scale times line intensity; ``None`` where it does not change them."""
        return None

    def linear_slopes(self, state: State) -> FloatArray | None:
        """[S + T, P] derivatives of the impurities' scales and the background's terms; ``None`` where none changes."""
        return None

    def shape_slopes(
        self, model: IntensityModel, state: State, theta: FloatArray, lines: LineShapes
    ) -> ShapeSlopes | None:
        """What it does to the peaks of lines at Bragg angles ``theta`` [K] (radians); ``None`` for nothing."""
        return None

    def of_phases(self) -> tuple[Quantity, ...]:
        """The quantities by which each impurity's profile is derived for :meth:`columns`."""
        return (self,) if self.shared else ()

    def columns(self, parts: ProfileParts) -> FloatArray:
        """[G, P] derivatives of the whole profile."""
        total = parts.structure[self]
        for phase in parts.phases if self.shared else ():
            total = total + self.through_impurity(phase[self])
        return total

    def through_impurity(self, columns: FloatArray) -> FloatArray:
        """[G, P] of derivatives through an impurity's profile, those that count."""
        return columns

    def reported(self, state: State, freedom: Freedom, covariance: FloatArray | None) -> tuple[RefinedQuantity, ...]:
        """Its lines in the report; ``covariance`` [P, P] where it was refined."""
        return ()

    def at_limits(self, state: State, freedom: Freedom) -> tuple[str, ...]:
        """What of it ended at the edge of what is allowed and should be told, in words."""
        return ()


class NamedNumber(Quantity):
    """One number of the instrument or the sample, near its start, that multiplies a function of the Bragg angle."""

    shared = True
    #: for files, for a reader, and the number's unit; how far it may go from its start, and its spread, in that unit.
    name: ClassVar[str]
    label: ClassVar[str]
    unit: ClassVar[str]
    reach: ClassVar[float]
    spread: ClassVar[float]
    #: the least it may be; whether the short report tells it where it was held.
    least: ClassVar[float] = -math.inf
    always_told: ClassVar[bool] = False

    @abstractmethod
    def value(self, state: State) -> float:
        """In ``state``."""

    @abstractmethod
    def with_value(self, state: State, value: float) -> State:
        """``state`` with another value."""

    @abstractmethod
    def form(self, theta: FloatArray) -> FloatArray:
        """[K] the function of the Bragg angles (radians)."""

    @abstractmethod
    def form_slope(self, theta: FloatArray) -> FloatArray:
        """[K] its derivative by theta."""

    def moved(self, state: State, freedom: Freedom, step: FloatArray) -> State:
        start = self.value(freedom.start)
        moved = np.clip(self.value(state) + step[0], max(start - self.reach, self.least), start + self.reach)
        return self.with_value(state, float(moved))

    def pinned(self, state: State, freedom: Freedom, downhill: FloatArray) -> BoolArray:
        return (downhill < 0.0) & (self.value(state) <= self.least)

    def restraint(self, state: State, freedom: Freedom) -> tuple[FloatArray, FloatArray]:
        return np.array([self.value(state) - self.value(freedom.start)]) / self.spread, np.eye(1) / self.spread

    def reported(self, state: State, freedom: Freedom, covariance: FloatArray | None) -> tuple[RefinedQuantity, ...]:
        value, su = self.value(state), known_su(np.eye(1), covariance)[0]
        told = self.always_told or covariance is not None
        return (RefinedQuantity(name=self.name, label=self.label, unit=self.unit, value=value, su=su, told=told),)

    def at_limits(self, state: State, freedom: Freedom) -> tuple[str, ...]:
        off = abs(self.value(state) - self.value(freedom.start))
        return (self.name,) if off >= self.reach - EDGE else ()


class LineShift(NamedNumber):
    """Degrees, added to 2theta of all lines."""

    def shape_slopes(self, model: IntensityModel, state: State, theta: FloatArray, lines: LineShapes) -> ShapeSlopes:
        return ShapeSlopes(position=np.tile(self.form(theta), len(lines.position))[:, None])


class Correction(NamedNumber):
    """One that the options ask for by name, nothing to begin with; its value is among the state's corrections."""

    @abstractmethod
    def applied(self, lines: LineShapes, theta: FloatArray, value: float) -> LineShapes:
        """``lines`` at Bragg angles ``theta`` [K] (radians), corrected."""

    def asked(self, options: LeastSquaresOptions, state: State, freedom: Freedom) -> bool:
        return self.name in options.also

    def value(self, state: State) -> float:
        return next((held.value for held in state.corrections if held.by is self), 0.0)

    def with_value(self, state: State, value: float) -> State:
        others = (held for held in state.corrections if held.by is not self)
        return replace(state, corrections=(*others, Corrected(by=self, value=value)))

    def reported(self, state: State, freedom: Freedom, covariance: FloatArray | None) -> tuple[RefinedQuantity, ...]:
        """Where it was refined."""
        return () if covariance is None else super().reported(state, freedom, covariance)


class ShiftCorrection(LineShift, Correction):
    """A further shift of the lines."""

    def applied(self, lines: LineShapes, theta: FloatArray, value: float) -> LineShapes:
        by_bragg = lines.by_bragg + 0.5 * math.radians(value) * self.form_slope(theta)
        return replace(lines, position=lines.position + value * self.form(theta), by_bragg=by_bragg)


class LorentzCorrection(Correction):
    """A further Lorentzian width of the lines, centidegrees."""

    least = 0.0

    def applied(self, lines: LineShapes, theta: FloatArray, value: float) -> LineShapes:
        return replace(lines, widths=lines.widths.broadened(value * self.form(theta), value * self.form_slope(theta)))

    def shape_slopes(self, model: IntensityModel, state: State, theta: FloatArray, lines: LineShapes) -> ShapeSlopes:
        copies, form, widths = (len(lines.position), 1), self.form(theta), lines.widths
        return ShapeSlopes(
            width=np.tile((widths.by_gamma * form)[:, None], copies),
            mixing=np.tile((widths.mixing_by_gamma * form)[:, None], copies),
        )


def su_of(slopes: FloatArray, covariance: FloatArray | None) -> FloatArray:
    """[R] of functions with derivatives ``slopes`` [R, P]; 0 where the numbers were held."""
    if covariance is None:
        return np.zeros(len(slopes))
    return np.asarray(np.sqrt(np.maximum(np.einsum("ip,pq,iq->i", slopes, covariance, slopes), 0.0)))


def known_su(slopes: FloatArray, covariance: FloatArray | None) -> list[float | None]:
    """:func:`su_of` for a report: ``None`` where held."""
    return [float(value) if value > 0.0 else None for value in su_of(slopes, covariance)]
