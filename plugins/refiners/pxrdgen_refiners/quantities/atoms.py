"""Where the atoms are and how they vibrate."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from pxrdgen.values.refinement import RefinedQuantity
from pxrdgen_refiners.displacement import U_RANGE, Classes
from pxrdgen_refiners.intensity_model import IntensityModel, Waves
from pxrdgen_refiners.options import LeastSquaresOptions
from pxrdgen_refiners.quantity import EDGE, BoolArray, FloatArray, Quantity, known_su, su_of
from pxrdgen_refiners.state import Freedom, State

#: how far (A) atoms are expected to move at most in one step, and in all.
MAX_STEP, MAX_SHIFT = 0.2, 1.5
#: largest step of the logarithm of a Uiso.
MAX_LOG_STEP = 1.0


class Coordinates(Quantity):
    """What the symmetry leaves free of the atoms' places, along orthonormal directions."""

    def size(self, state: State, freedom: Freedom) -> int:
        return freedom.columns.shape[1]

    def moved(self, state: State, freedom: Freedom, step: FloatArray) -> State:
        """Slowed down as a whole; no step that leads an atom too far."""
        field = (freedom.columns @ step).reshape(-1, 3)
        longest = float(np.linalg.norm(field @ freedom.basis, axis=1).max(initial=0.0))
        moved = state.coords + field * min(1.0, MAX_STEP / max(longest, 1e-12))
        farthest = np.linalg.norm((moved - freedom.start.coords) @ freedom.basis, axis=1).max(initial=0.0)
        return replace(state, coords=moved) if farthest <= MAX_SHIFT else state

    def restraint(self, state: State, freedom: Freedom) -> tuple[FloatArray, FloatArray]:
        """Atoms to their start, and neighbours to their distances."""
        spread = freedom.shift_spread
        shift = (state.coords - freedom.start.coords) @ freedom.basis / spread[:, None]
        columns = freedom.columns.reshape(-1, 3, freedom.columns.shape[1])
        slope = np.einsum("ncp,cd->ndp", columns, freedom.basis) / spread[:, None, None]
        held = shift.ravel(), slope.reshape(-1, freedom.columns.shape[1])
        if freedom.distances is None:
            return held
        off, change = freedom.distances.residuals(state.coords, freedom.basis_of(state))
        return np.concatenate([held[0], off]), np.concatenate([held[1], change @ freedom.columns])

    def area_slopes(self, model: IntensityModel, state: State, waves: Waves) -> FloatArray:
        """Through the phases 2 pi h x."""
        freedom = model.freedom
        a, b, a2, b2 = (part[:, None] for part in waves.sums)
        anomalous, members = model.tables.f_double_prime, freedom.members
        along_sine = -waves.damping * (waves.normal * a + anomalous * a2)
        along_cosine = waves.damping * (waves.normal * b + anomalous * b2)
        by_phase = along_sine[:, members] * waves.sine + along_cosine[:, members] * waves.cosine
        by_phase *= (4.0 * math.pi * waves.weight)[:, None]
        by_place = (by_phase[:, :, None] * model.reflections.hkl[:, None, :]).reshape(len(by_phase), -1)
        return state.scale * model.lines(state, by_place @ freedom.columns)

    def su(self, freedom: Freedom, covariance: FloatArray | None) -> FloatArray:
        """[N, 3] fractional; a polar structure's free origin is held at the atoms' mean."""
        return su_of(freedom.columns, covariance).reshape(-1, 3)


class Uiso(Quantity):
    """Logarithms of the isotropic displacement parameters of classes of atoms."""

    def asked(self, options: LeastSquaresOptions, state: State, freedom: Freedom) -> bool:
        """Where any atom is seen well enough."""
        return options.refine_u_iso and self.size(state, freedom) > 0

    def size(self, state: State, freedom: Freedom) -> int:
        """Classes that move, or one for all."""
        return freedom.displacement.columns.shape[1]

    def moved(self, state: State, freedom: Freedom, step: FloatArray) -> State:
        moved = state.log_u + freedom.displacement.columns @ np.clip(step, -MAX_LOG_STEP, MAX_LOG_STEP)
        return replace(state, log_u=np.clip(moved, *np.log(U_RANGE)))

    def pinned(self, state: State, freedom: Freedom, downhill: FloatArray) -> BoolArray:
        """Where a class that moves is at a bound."""
        moving = np.abs(freedom.displacement.columns) > 0.0
        low, high = _at_edges(state)
        return np.asarray(((moving.T @ low) & (downhill < 0.0)) | ((moving.T @ high) & (downhill > 0.0)))

    def restraint(self, state: State, freedom: Freedom) -> tuple[FloatArray, FloatArray]:
        return freedom.displacement.restraint(state.log_u)

    def area_slopes(self, model: IntensityModel, state: State, waves: Waves) -> FloatArray:
        """Through exp(-8 pi^2 U s^2)."""
        a, b, a2, b2 = (part[:, None] for part in waves.sums)
        c, s = waves.by_element
        projected = waves.normal * (a * c + b * s) + model.tables.f_double_prime * (a2 * c + b2 * s)
        factor = -16.0 * math.pi**2 * waves.s_squared * waves.weight
        by_class = factor[:, None] * waves.damping * projected * np.exp(state.log_u)
        return state.scale * model.lines(state, by_class @ model.freedom.displacement.columns)

    def su(self, state: State, freedom: Freedom, covariance: FloatArray | None) -> FloatArray:
        """[E] A^2 of each class, 0 where held."""
        return np.asarray(np.exp(state.log_u) * su_of(freedom.displacement.columns, covariance))

    def reported(self, state: State, freedom: Freedom, covariance: FloatArray | None) -> tuple[RefinedQuantity, ...]:
        u_iso = np.exp(state.log_u)
        errors = known_su(u_iso[:, None] * freedom.displacement.columns, covariance)
        return tuple(
            RefinedQuantity(name=f"u_iso_{label}", label=f"Uiso of {label}", unit="Å²", value=value, su=su)
            for label, value, su in zip(_labels(freedom), u_iso.tolist(), errors, strict=True)
        )

    def at_limits(self, state: State, freedom: Freedom) -> tuple[str, ...]:
        moving = np.abs(freedom.displacement.columns).sum(axis=1) > 0
        low, high = _at_edges(state)
        return tuple(f"Uiso of {_labels(freedom)[row]}" for row in np.flatnonzero(moving & (low | high)))


def _at_edges(state: State) -> tuple[BoolArray, BoolArray]:
    return state.log_u <= math.log(U_RANGE[0]) + EDGE, state.log_u >= math.log(U_RANGE[1]) - EDGE


def _labels(freedom: Freedom) -> list[str]:
    return Classes(elements=freedom.elements, members=freedom.members).labels
