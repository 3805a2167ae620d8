"""Integrated intensities of lines and their derivatives: the diffraction engine's physics in closed form."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.instrument import Instrument
from pxrdgen_crystallography.powder_line.strength import lorentz_polarization
from pxrdgen_crystallography.scattering.radiation import polarization_of
from pxrdgen_refiners.reflections import Reflections
from pxrdgen_refiners.state import Freedom, State

if TYPE_CHECKING:
    from pxrdgen_refiners.quantity import Quantity

FloatArray = NDArray[np.float64]

#: simulated profiles count intensity per centidegree.
CENTIDEGREE = 0.01


@dataclass(frozen=True, kw_only=True)
class ScatteringTables:
    """f0, f' and f'' of E elements: ``a``, ``b`` [E, 4], ``c``, ``f_prime``, ``f_double_prime`` [E]."""

    a: FloatArray
    b: FloatArray
    c: FloatArray
    f_prime: FloatArray
    f_double_prime: FloatArray


def scattering_tables(instrument: Instrument, elements: NDArray[np.int64]) -> ScatteringTables:
    """The library's tables for the instrument's radiation, rows of ``elements`` [E] only.

    Raises:
        StructureError: an element without form factor.
    """
    import torch

    from pxrdgen_crystallography.scattering.amplitudes import check_species, scattering_of

    check_species(torch.as_tensor(elements))
    tables = scattering_of(instrument.radiation)
    return ScatteringTables(
        **{name: getattr(tables, name)[elements].numpy() for name in ("a", "b", "c", "f_prime", "f_double_prime")}
    )


@dataclass(frozen=True)
class Waves:
    """Everything about the reflections at one state that intensities and derivatives share."""

    scattering: FloatArray  # [H, 3] reciprocal vectors
    s_squared: FloatArray
    sine_theta: FloatArray
    cosine: FloatArray  # [H, N]
    sine: FloatArray
    by_element: tuple[FloatArray, FloatArray]  # [H, E] sums of cosine and sine
    damping: FloatArray  # [H, E]
    normal: FloatArray  # [H, E] f0 + f'
    normal_slope: FloatArray  # [H, E] d f0 / d s^2
    sums: tuple[FloatArray, FloatArray, FloatArray, FloatArray]  # [H] A, B, A', B'
    factor: FloatArray  # [H] all that multiplies |F|^2 but texture
    texture: FloatArray  # [H]
    cosine_squared: FloatArray  # [H] of the angle to the texture axis; 1/3 without texture

    @cached_property
    def squared(self) -> FloatArray:
        """[H] |F|^2, the mean of both Friedel mates."""
        a, b, a2, b2 = self.sums
        return np.asarray(a * a + b * b + a2 * a2 + b2 * b2)

    @cached_property
    def weight(self) -> FloatArray:
        """[H] all that multiplies |F|^2."""
        return self.factor * self.texture

    @cached_property
    def each(self) -> FloatArray:
        """[H] intensity of each reflection."""
        return self.weight * self.squared


@dataclass(frozen=True, kw_only=True)
class IntensityModel:
    """Line intensities 2 |F|^2 LP W / V, summed over the members of a line, without the scale."""

    reflections: Reflections
    freedom: Freedom
    tables: ScatteringTables

    def intensities(self, state: State) -> FloatArray:
        """[K]."""
        return self.lines(state, self._waves(state).each)

    def derivatives(self, state: State, active: Sequence[Quantity]) -> tuple[FloatArray, dict[Quantity, FloatArray]]:
        """Intensities [K], and derivatives [K, P] of scale times intensity by each active quantity that has any."""
        waves = self._waves(state)
        slopes = {quantity: quantity.area_slopes(self, state, waves) for quantity in active}
        return self.lines(state, waves.each), {key: found for key, found in slopes.items() if found is not None}

    def lines(self, state: State, values: FloatArray) -> FloatArray:
        """Sum of ``values`` [H, ...] over the reflections of each line: [K, ...]."""
        total = self.reflections.total(values)
        if not state.beyond:
            total[self.reflections.outside] = 0.0
        return total

    def angles(self, state: State) -> FloatArray:
        """[K] Bragg angle theta of each line, radians."""
        return np.asarray(np.arcsin(self._sine(self._scattering(state)[self.reflections.starts], state)))

    def angle_slopes(self, state: State) -> FloatArray:
        """[K, Q] d(2theta) / d(strain coefficient), degrees."""
        scattering = self._scattering(state)[self.reflections.starts]
        theta = np.arcsin(self._sine(scattering, state))
        quadratic = np.einsum("hi,qij,hj->hq", scattering, self.freedom.tangent_strains(state), scattering)
        return np.asarray(-np.degrees(2.0 * np.tan(theta) / (scattering**2).sum(1))[:, None] * quadratic)

    def _scattering(self, state: State) -> FloatArray:
        return np.asarray(self.reflections.hkl @ np.linalg.inv(self.freedom.basis_of(state)).T)

    def _sine(self, scattering: FloatArray, state: State) -> FloatArray:
        wavelength = state.instrument.radiation.wavelength
        return np.asarray(np.minimum(0.5 * wavelength * np.sqrt((scattering**2).sum(1)), 0.99999))

    def _waves(self, state: State) -> Waves:
        tables, freedom = self.tables, self.freedom
        scattering = self._scattering(state)
        s_squared = 0.25 * (scattering**2).sum(1)
        sine_theta = self._sine(scattering, state)
        phase = (2.0 * math.pi) * (self.reflections.hkl @ state.coords.T)
        cosine, sine = np.cos(phase), np.sin(phase)
        membership = np.eye(len(freedom.elements))[freedom.members]
        c, s = cosine @ membership, sine @ membership
        damping = np.exp(-8.0 * math.pi**2 * s_squared[:, None] * np.exp(state.log_u))
        gaussians = tables.a * np.exp(-tables.b * s_squared[:, None, None])
        normal = gaussians.sum(2) + tables.c + tables.f_prime
        strong, weak = normal * damping, tables.f_double_prime * damping
        texture, alignment = np.ones_like(s_squared), np.full_like(s_squared, 1.0 / 3.0)
        if state.axis is not None:
            alignment = self._alignment(scattering, state.axis, freedom.basis_of(state))
            r = math.exp(state.log_ratio)
            texture = (r * r * alignment + (1.0 - alignment) / r) ** -1.5
        volume = abs(float(np.linalg.det(freedom.basis_of(state))))
        return Waves(
            scattering=scattering,
            s_squared=s_squared,
            sine_theta=sine_theta,
            cosine=cosine,
            sine=sine,
            by_element=(c, s),
            damping=damping,
            normal=normal,
            normal_slope=-(gaussians * tables.b).sum(2),
            sums=((strong * c).sum(1), (strong * s).sum(1), (weak * c).sum(1), (weak * s).sum(1)),
            factor=2.0 * CENTIDEGREE * lorentz_polarization(sine_theta, polarization_of(state.instrument)) / volume,
            texture=texture,
            cosine_squared=alignment,
        )

    @staticmethod
    def _alignment(scattering: FloatArray, axis: tuple[int, int, int], basis: FloatArray) -> FloatArray:
        direction = np.asarray(axis, dtype=np.float64) @ np.linalg.inv(basis).T
        return np.asarray((scattering @ direction) ** 2 / ((scattering**2).sum(1) * (direction @ direction)))
