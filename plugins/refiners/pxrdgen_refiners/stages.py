"""The order in which parameters are freed. Each stage starts from the best state so far and is dropped if it loses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pxrdgen.solver.values import Measurement
from pxrdgen_refiners.intensity_model import IntensityModel
from pxrdgen_refiners.marquardt import Minimum, minimise
from pxrdgen_refiners.options import LeastSquaresOptions
from pxrdgen_refiners.parameters import LINEAR, Block, State
from pxrdgen_refiners.profile_model import HeldShapes, WholeProfile, chebyshev_terms, held, profile_at
from pxrdgen_refiners.texture import with_texture

FloatArray = NDArray[np.float64]

#: polynomials tried when the fit may choose; a longer series must lower chi^2 by ``TERM_PRICE`` a term, in noise units.
BACKGROUND_TRIED, TERM_PRICE = (6, 9, 12, 18), 4.0


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """The end of the last stage.

    Args:
        profile: objective whose windows lie around ``state``.
        active: parameters of the last stage, in the order of its normal equations.
        start_chi_squared: of the start with scale and background fitted.
    """

    state: State
    profile: WholeProfile
    active: tuple[Block, ...]
    converged: bool
    chi_squared: float
    start_chi_squared: float


def run_stages(measurement: Measurement, model: IntensityModel, start: State, options: LeastSquaresOptions) -> Fitted:
    """Scale and background; coordinates; cell and zero; widths; Uiso; texture; everything to convergence."""
    stages = _Stages(measurement=measurement, model=model, options=options)
    return stages.run(start)


@dataclass(frozen=True, kw_only=True)
class _Stages:
    measurement: Measurement
    model: IntensityModel
    options: LeastSquaresOptions

    @property
    def points(self) -> int:
        return self.measurement.two_theta.size

    def run(self, state: State) -> Fitted:
        options, quick = self.options, self.options.quick
        chebyshev = chebyshev_terms(self.measurement.two_theta, options.background_terms or BACKGROUND_TRIED[-1])
        profile = profile_at(self.measurement, self.model, state, chebyshev)
        form = held(profile, state)
        state, first = scale_and_background(form, state)
        state = self._ends(form, state)
        shape, atoms = self._shape_blocks(), self._atom_blocks()
        position = tuple(block for block in shape if block is not Block.WIDTHS)
        if not quick:
            state = self._whole(profile, state, position, 3)
            profile = profile_at(self.measurement, self.model, state, chebyshev)
            form = held(profile, state)
        state = self._atoms(form, state, (Block.COORDINATES,), 10)
        if not quick:
            state = self._whole(profile, state, shape, 3)
            profile = profile_at(self.measurement, self.model, state, chebyshev)
            form = held(profile, state)
        state = self._atoms(form, state, atoms, 40)
        state = self._terms(form, self._ends(form, state))
        if state.axis is not None:
            atoms = (*atoms, Block.TEXTURE)
        active = (*LINEAR, *atoms, *shape)
        cycles = 2 if quick else options.max_cycles
        profile = profile_at(self.measurement, self.model, state, chebyshev)
        last = self._minimise(profile, state, active, cycles)
        return Fitted(
            state=last.state,
            profile=profile,
            active=active,
            converged=last.converged,
            chi_squared=last.chi_squared,
            start_chi_squared=first,
        )

    def _shape_blocks(self) -> tuple[Block, ...]:
        options, freedom = self.options, self.model.freedom
        blocks: list[Block] = []
        if options.refine_cell and len(freedom.strains):
            blocks.append(Block.STRAIN)
        if options.shift in ("zero", "both"):
            blocks.append(Block.ZERO)
        if options.shift in ("displacement", "both"):
            blocks.append(Block.DISPLACEMENT)
        if options.refine_widths:
            blocks.append(Block.WIDTHS)
        return tuple(blocks)

    def _atom_blocks(self) -> tuple[Block, ...]:
        freedom = self.model.freedom
        blocks: list[Block] = []
        if freedom.columns.shape[1]:
            blocks.append(Block.COORDINATES)
        if self.options.refine_u_iso and freedom.free_u.size:
            blocks.append(Block.U_ISO)
        return tuple(blocks)

    def _minimise(
        self,
        objective: WholeProfile | HeldShapes,
        state: State,
        active: Sequence[Block],
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

    def _whole(self, profile: WholeProfile, state: State, blocks: tuple[Block, ...], cycles: int) -> State:
        return self._minimise(profile, state, (*LINEAR, *blocks), cycles, 1e-3).state

    def _held(self, form: HeldShapes, state: State, blocks: tuple[Block, ...], cycles: int) -> Minimum:
        return self._minimise(form, state, (*LINEAR, *blocks), cycles, 1e-5)

    def _atoms(self, form: HeldShapes, state: State, blocks: tuple[Block, ...], cycles: int) -> State:
        """Atoms without texture, and with it where that is much better."""
        blocks = tuple(block for block in blocks if self.model.freedom.size(block, state))
        plain = self._held(form, replace(state, axis=None, log_ratio=0.0), blocks, cycles)
        if not self.options.refine_texture:
            return plain.state
        return with_texture(form, plain, blocks, state, cycles=12, points=self.points).state

    def _ends(self, form: HeldShapes, state: State) -> State:
        """Whether peaks beyond the ends of the pattern reach into it: simulated patterns often lack them."""
        if not self.model.reflections.outside.any():
            return state
        choices = [scale_and_background(form, replace(state, beyond=beyond)) for beyond in (True, False)]
        return min(choices, key=lambda choice: choice[1])[0]

    def _terms(self, form: HeldShapes, state: State) -> State:
        """The shortest series of background polynomials that pays."""
        if self.options.background_terms is not None:
            return state
        best, chi_squared = scale_and_background(form, state)
        for terms in BACKGROUND_TRIED[1:]:
            longer = np.pad(best.background, (0, terms - best.background.size))
            trial, fallen = scale_and_background(form, replace(best, background=longer))
            price = TERM_PRICE * (terms - best.background.size) * chi_squared / self.points
            if chi_squared - fallen > price:
                best, chi_squared = trial, fallen
        return best


def scale_and_background(form: HeldShapes, state: State) -> tuple[State, float]:
    """Both are linear: one step solves them. Where the scale would be negative, the background alone is fitted."""
    matrix, gradient = form.normal(state, LINEAR)
    step = np.linalg.lstsq(matrix, gradient, rcond=1e-13)[0]
    terms = state.background.size
    if state.scale + step[terms] > 0.0:
        solved = replace(state, scale=state.scale + float(step[terms]), background=state.background + step[:terms])
    else:
        step = np.linalg.lstsq(matrix[:terms, :terms], gradient[:terms], rcond=1e-13)[0]
        solved = replace(state, background=state.background + step)
    chi_squared = form.chi_squared(solved)
    before = form.chi_squared(state)
    return (solved, chi_squared) if chi_squared <= before else (state, before)
