"""The order in which parameters are freed. Each stage starts from the best state so far and is dropped if it loses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.refinement import Measurement
from pxrdgen_refiners.background import LONGEST, best_length
from pxrdgen_refiners.held_shapes import HeldShapes, held
from pxrdgen_refiners.impurities import with_first_strains
from pxrdgen_refiners.intensity_model import IntensityModel
from pxrdgen_refiners.linear import scale_and_background
from pxrdgen_refiners.marquardt import Minimum, minimise
from pxrdgen_refiners.options import LeastSquaresOptions
from pxrdgen_refiners.profile_model import WholeProfile, chebyshev_terms, profile_at
from pxrdgen_refiners.quantities import ASYMMETRY, ATOMS, COORDINATES, LINEAR, SHAPE, TEXTURE, WIDTHS
from pxrdgen_refiners.quantity import Quantity
from pxrdgen_refiners.state import State
from pxrdgen_refiners.texture import along_axis, with_texture

FloatArray = NDArray[np.float64]

#: (S + H) / L that asymmetry is first tried with, at least.
FIRST_DIVERGENCE = 0.035
#: asymmetry is tried when a linear step promises, and kept when it brings, this share of chi^2, and this many times
#: chi^2 per point.
ASYMMETRY_SHARE, ASYMMETRY_FALL = 0.02, 25.0


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """The end of the last stage.

    Args:
        profile: objective whose windows lie around ``state``.
        active: parameters of the last stage, in the order of its normal equations.
        start_chi_squared: of the start with scale and background fitted.
        matrix: J^T W J at the end, where it is known.
    """

    state: State
    profile: WholeProfile
    active: tuple[Quantity, ...]
    converged: bool
    chi_squared: float
    start_chi_squared: float
    matrix: FloatArray | None = None


def run_stages(
    measurement: Measurement,
    model: IntensityModel,
    start: State,
    options: LeastSquaresOptions,
    phases: tuple[IntensityModel, ...] = (),
) -> Fitted:
    """Scale and background; cell and zero; coordinates; widths; Uiso; texture; everything; asymmetry where it pays.

    ``phases`` are the known impurities; their scales move with the background, their cells and widths with the cell.
    """
    stages = _Stages(measurement=measurement, model=model, options=options, phases=phases)
    return stages.run(start)


@dataclass(frozen=True, kw_only=True)
class _Stages:
    measurement: Measurement
    model: IntensityModel
    options: LeastSquaresOptions
    phases: tuple[IntensityModel, ...] = field(default=())

    @property
    def points(self) -> int:
        return self.measurement.two_theta.size

    def run(self, state: State) -> Fitted:
        options, quick = self.options, self.options.quick
        profile = self._profile(state)
        form = held(profile, state)
        state, first = scale_and_background(form, state)
        state = self._ends(form, state)
        if self.phases:
            state = with_first_strains(profile, state)
            profile = self._profile(state)
            form = held(profile, state)
            state, _ = scale_and_background(form, state)
        shape, atoms = self._asked(SHAPE, state), self._asked(ATOMS, state)
        position = tuple(quantity for quantity in shape if quantity is not WIDTHS)
        if not quick:
            state = self._whole(profile, state, position, 3)
            profile = self._profile(state)
            form = held(profile, state)
        state = self._atoms(form, state, (COORDINATES,), 10)
        if not quick:
            state = self._whole(profile, state, shape, 3)
            profile = self._profile(state)
            form = held(profile, state)
        state = self._atoms(form, state, atoms, 40)
        state = self._terms(form, self._ends(form, state))
        active = (*LINEAR, *self._asked((*ATOMS, TEXTURE, *SHAPE), state))
        cycles = 2 if quick else options.max_cycles
        profile = self._profile(state)
        last = self._minimise(profile, state, active, cycles)
        plain = Fitted(
            state=last.state,
            profile=profile,
            active=active,
            converged=last.converged,
            chi_squared=last.chi_squared,
            start_chi_squared=first,
        )
        return self._asymmetry(plain) if not quick and self._asked((ASYMMETRY,), state) else plain

    def _profile(self, state: State) -> WholeProfile:
        terms = self.options.background_terms or LONGEST
        chebyshev = chebyshev_terms(self.measurement.two_theta, terms)
        return profile_at(self.measurement, self.model, state, chebyshev, self.phases)

    def _asymmetry(self, plain: Fitted) -> Fitted:
        """The last stage once more with low-angle asymmetry, where that promises much and keeps its promise."""
        needed = max(ASYMMETRY_SHARE, ASYMMETRY_FALL / self.points) * plain.chi_squared
        active = (*plain.active, ASYMMETRY)
        instrument = plain.state.instrument
        other = FIRST_DIVERGENCE if instrument.sh_l < 0.5 * FIRST_DIVERGENCE else 1.2 * instrument.sh_l
        state = replace(plain.state, instrument=replace(instrument, sh_l=other))
        matrix, promise = _promise(plain, state)
        plain = replace(plain, matrix=matrix)
        if promise < needed:
            return plain
        profile = self._profile(state)
        trial = self._minimise(profile, state, active, self.options.max_cycles)
        if plain.chi_squared - trial.chi_squared < needed:
            return plain
        return replace(
            plain,
            state=trial.state,
            profile=profile,
            active=active,
            converged=trial.converged,
            chi_squared=trial.chi_squared,
            matrix=None,
        )

    def _asked(self, quantities: Sequence[Quantity], state: State) -> tuple[Quantity, ...]:
        return tuple(each for each in quantities if each.asked(self.options, state, self.model.freedom))

    def _minimise(
        self,
        objective: WholeProfile | HeldShapes,
        state: State,
        active: Sequence[Quantity],
        cycles: int,
        gain: float = 1e-7,
    ) -> Minimum:
        return minimise(
            objective,
            self.model.freedom,
            state,
            active,
            cycles=cycles,
            points=self.points,
            tolerance=self.options.tolerance,
            least_gain=gain,
        )

    def _whole(self, profile: WholeProfile, state: State, free: tuple[Quantity, ...], cycles: int) -> State:
        return self._minimise(profile, state, (*LINEAR, *free), cycles, 1e-3).state

    def _held(self, form: HeldShapes, state: State, free: tuple[Quantity, ...], cycles: int) -> Minimum:
        return self._minimise(form, state, (*LINEAR, *free), cycles, 1e-5)

    def _atoms(self, form: HeldShapes, state: State, free: tuple[Quantity, ...], cycles: int) -> State:
        """Atoms without texture, and with it where that is much better."""
        free = tuple(each for each in free if each.size(state, self.model.freedom))
        if self.options.refine_texture and self.options.texture_axis is not None:
            origin = state if state.axis is not None else replace(state, axis=self.options.texture_axis)
            return along_axis(form, origin, free, cycles=cycles, points=self.points).state
        plain = self._held(form, replace(state, axis=None, log_ratio=0.0), free, cycles)
        if not self.options.refine_texture:
            return plain.state
        return with_texture(form, plain, free, state, cycles=12, points=self.points).state

    def _ends(self, form: HeldShapes, state: State) -> State:
        """Whether peaks beyond the ends of the pattern reach into it: simulated patterns often lack them."""
        if not self.model.reflections.outside.any():
            return state
        choices = [scale_and_background(form, replace(state, beyond=beyond)) for beyond in (True, False)]
        return min(choices, key=lambda choice: choice[1])[0]

    def _terms(self, form: HeldShapes, state: State) -> State:
        """The series of background polynomials that the data ask for."""
        if self.options.background_terms is not None:
            return state
        return best_length(form, state, self.points)


def _promise(fitted: Fitted, other: State) -> tuple[FloatArray, float]:
    """J^T W J at the end, and the fall of chi^2 that a linear step towards the profile of ``other`` promises."""
    profile, weight = fitted.profile, 1.0 / fitted.profile.measurement.sigma
    calculated, jacobian = profile.jacobian(fitted.state, fitted.active)
    jacobian *= weight[:, None]
    matrix = jacobian.T @ jacobian
    residual = (profile.measurement.intensity - calculated) * weight
    column = (profile.background(other) + profile.peaks(other) - calculated) * weight
    cross = jacobian.T @ column
    scale = 1.0 / np.sqrt(np.maximum(np.diag(matrix), 1e-300))
    scaled = scale[:, None] * matrix * scale + 1e-9 * np.eye(len(scale))
    following = scale * np.linalg.solve(scaled, scale * cross)
    along = float(column @ residual - following @ (jacobian.T @ residual))
    curvature = float(column @ column - cross @ following)
    return matrix, along**2 / max(curvature, 1e-6 * float(column @ column) + 1e-300)
