"""Integrated intensities of lines and their derivatives: the diffraction engine's physics in closed form."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.instrument import Instrument
from pxrdgen_refiners.parameters import Block, Freedom, State
from pxrdgen_refiners.reflections import Reflections

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

    from pxrdgen_crystallography.diffraction.form_factors import check_species, form_factors

    check_species(torch.as_tensor(elements))
    tables = form_factors(instrument.radiation)
    return ScatteringTables(
        **{name: getattr(tables, name)[elements].numpy() for name in ("a", "b", "c", "f_prime", "f_double_prime")}
    )


@dataclass(frozen=True)
class _Waves:
    """Everything about the reflections at one state that intensities and derivatives share."""

    scattering: FloatArray  # [H, 3] reciprocal vectors
    s_squared: FloatArray
    theta: FloatArray
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


@dataclass(frozen=True, kw_only=True)
class IntensityModel:
    """Line intensities 2 |F|^2 LP W / V, summed over the members of a line, without the scale."""

    reflections: Reflections
    freedom: Freedom
    tables: ScatteringTables

    def intensities(self, state: State) -> FloatArray:
        """[K]."""
        return self._lines(state, self._each(self._waves(state)))

    def derivatives(self, state: State, active: Sequence[Block]) -> tuple[FloatArray, dict[Block, FloatArray]]:
        """Intensities [K], and for each active block that changes them the derivatives [K, P]."""
        waves = self._waves(state)
        each = self._each(waves)
        found: dict[Block, FloatArray] = {}
        weight = waves.factor * waves.texture
        if Block.COORDINATES in active:
            found[Block.COORDINATES] = self._coordinate_slopes(waves, weight) @ self.freedom.columns
        if Block.U_ISO in active:
            found[Block.U_ISO] = self._u_slopes(state, waves, weight) @ self.freedom.displacement.columns
        if Block.TEXTURE in active and state.axis is not None:
            found[Block.TEXTURE] = (waves.factor * self._squared(waves) * self._ratio_slope(state, waves))[:, None]
        if Block.STRAIN in active:
            found[Block.STRAIN] = self._strain_slopes(state, waves, each, weight)
        return self._lines(state, each), {block: self._lines(state, slopes) for block, slopes in found.items()}

    def angles(self, state: State) -> FloatArray:
        """[K] Bragg angle theta of each line, radians."""
        return np.asarray(np.arcsin(self._sine(self._scattering(state)[self.reflections.starts], state)))

    def angle_slopes(self, state: State) -> FloatArray:
        """[K, Q] d(2theta) / d(strain coefficient), degrees."""
        scattering = self._scattering(state)[self.reflections.starts]
        theta = np.arcsin(self._sine(scattering, state))
        quadratic = np.einsum("hi,qij,hj->hq", scattering, self.freedom.tangent_strains(state), scattering)
        return np.asarray(-np.degrees(2.0 * np.tan(theta) / (scattering**2).sum(1))[:, None] * quadratic)

    def _lines(self, state: State, values: FloatArray) -> FloatArray:
        total = self.reflections.total(values)
        if not state.beyond:
            total[self.reflections.outside] = 0.0
        return total

    def _scattering(self, state: State) -> FloatArray:
        return np.asarray(self.reflections.hkl @ np.linalg.inv(self.freedom.basis_of(state)).T)

    def _sine(self, scattering: FloatArray, state: State) -> FloatArray:
        wavelength = state.instrument.radiation.wavelength
        return np.asarray(np.minimum(0.5 * wavelength * np.sqrt((scattering**2).sum(1)), 0.99999))

    def _waves(self, state: State) -> _Waves:
        tables, freedom = self.tables, self.freedom
        scattering = self._scattering(state)
        s_squared = 0.25 * (scattering**2).sum(1)
        theta = np.arcsin(self._sine(scattering, state))
        phase = (2.0 * math.pi) * (self.reflections.hkl @ state.coords.T)
        cosine, sine = np.cos(phase), np.sin(phase)
        membership = np.eye(len(freedom.elements))[freedom.members]
        c, s = cosine @ membership, sine @ membership
        damping = np.exp(-8.0 * math.pi**2 * s_squared[:, None] * np.exp(state.log_u))
        gaussians = tables.a * np.exp(-tables.b * s_squared[:, None, None])
        normal = gaussians.sum(2) + tables.c + tables.f_prime
        strong, weak = normal * damping, tables.f_double_prime * damping
        texture, alignment = np.ones_like(theta), np.full_like(theta, 1.0 / 3.0)
        if state.axis is not None:
            alignment = self._alignment(scattering, state.axis, freedom.basis_of(state))
            r = math.exp(state.log_ratio)
            texture = (r * r * alignment + (1.0 - alignment) / r) ** -1.5
        volume = abs(float(np.linalg.det(freedom.basis_of(state))))
        return _Waves(
            scattering=scattering,
            s_squared=s_squared,
            theta=theta,
            cosine=cosine,
            sine=sine,
            by_element=(c, s),
            damping=damping,
            normal=normal,
            normal_slope=-(gaussians * tables.b).sum(2),
            sums=((strong * c).sum(1), (strong * s).sum(1), (weak * c).sum(1), (weak * s).sum(1)),
            factor=2.0 * CENTIDEGREE * _lorentz_polarization(theta, state.instrument.polarization) / volume,
            texture=texture,
            cosine_squared=alignment,
        )

    @staticmethod
    def _squared(waves: _Waves) -> FloatArray:
        a, b, a2, b2 = waves.sums
        return np.asarray(a * a + b * b + a2 * a2 + b2 * b2)

    def _each(self, waves: _Waves) -> FloatArray:
        return np.asarray(waves.factor * waves.texture * self._squared(waves))

    @staticmethod
    def _alignment(scattering: FloatArray, axis: tuple[int, int, int], basis: FloatArray) -> FloatArray:
        direction = np.asarray(axis, dtype=np.float64) @ np.linalg.inv(basis).T
        return np.asarray((scattering @ direction) ** 2 / ((scattering**2).sum(1) * (direction @ direction)))

    def _coordinate_slopes(self, waves: _Waves, weight: FloatArray) -> FloatArray:
        """[H, 3 N]."""
        a, b, a2, b2 = (part[:, None] for part in waves.sums)
        anomalous, members = self.tables.f_double_prime, self.freedom.members
        along_sine = -waves.damping * (waves.normal * a + anomalous * a2)
        along_cosine = waves.damping * (waves.normal * b + anomalous * b2)
        by_phase = along_sine[:, members] * waves.sine + along_cosine[:, members] * waves.cosine
        by_phase *= (4.0 * math.pi * weight)[:, None]
        return np.asarray((by_phase[:, :, None] * self.reflections.hkl[:, None, :]).reshape(len(by_phase), -1))

    def _u_slopes(self, state: State, waves: _Waves, weight: FloatArray) -> FloatArray:
        """[H, E] by the logarithm of Uiso."""
        a, b, a2, b2 = (part[:, None] for part in waves.sums)
        c, s = waves.by_element
        projected = waves.normal * (a * c + b * s) + self.tables.f_double_prime * (a2 * c + b2 * s)
        factor = -16.0 * math.pi**2 * waves.s_squared * weight
        return np.asarray(factor[:, None] * waves.damping * projected * np.exp(state.log_u))

    @staticmethod
    def _ratio_slope(state: State, waves: _Waves) -> FloatArray:
        """[H] d W / d log r."""
        r, c = math.exp(state.log_ratio), waves.cosine_squared
        return np.asarray(-1.5 * (r * r * c + (1.0 - c) / r) ** -2.5 * (2.0 * r * r * c - (1.0 - c) / r))

    def _strain_slopes(self, state: State, waves: _Waves, each: FloatArray, weight: FloatArray) -> FloatArray:
        """[H, Q] through s, Lorentz-polarisation, volume and the angle to the texture axis."""
        strains = self.freedom.tangent_strains(state)
        by_s = -0.5 * np.einsum("hi,qij,hj->hq", waves.scattering, strains, waves.scattering)
        u = 8.0 * math.pi**2 * np.exp(state.log_u)
        strong = waves.damping * (waves.normal_slope - u * waves.normal)
        weak = -waves.damping * u * self.tables.f_double_prime
        a, b, a2, b2 = (part[:, None] for part in waves.sums)
        c, s = waves.by_element
        squared_slope = 2.0 * (strong * (a * c + b * s) + weak * (a2 * c + b2 * s)).sum(1)
        tangent = np.tan(waves.theta)
        lp_slope = (
            _lorentz_polarization_slope(waves.theta, state.instrument.polarization) * tangent / (2.0 * waves.s_squared)
        )
        slopes = (weight * squared_slope + each * lp_slope)[:, None] * by_s
        slopes = slopes - each[:, None] * np.trace(strains, axis1=1, axis2=2)
        if state.axis is not None:
            slopes += self._texture_strain_slopes(state, state.axis, waves, strains)
        return np.asarray(slopes)

    def _texture_strain_slopes(
        self, state: State, axis: tuple[int, int, int], waves: _Waves, strains: FloatArray
    ) -> FloatArray:
        g = waves.scattering
        direction = np.asarray(axis, dtype=np.float64) @ np.linalg.inv(self.freedom.basis_of(state)).T
        c, r = waves.cosine_squared, math.exp(state.log_ratio)
        g_change = -np.einsum("hi,qji->qhj", g, strains)
        direction_change = -np.einsum("i,qji->qj", direction, strains)
        product = g @ direction
        product_change = np.einsum("qhj,j->hq", g_change, direction) + np.einsum("hj,qj->hq", g, direction_change)
        own = (np.einsum("qhj,hj->hq", g_change, g) / (g**2).sum(1)[:, None]) + (direction_change @ direction) / (
            direction @ direction
        )
        scale = ((g**2).sum(1) * (direction @ direction))[:, None]
        change = 2.0 * product[:, None] * product_change / scale - 2.0 * c[:, None] * own
        by_alignment = -1.5 * (r * r * c + (1.0 - c) / r) ** -2.5 * (r * r - 1.0 / r)
        return np.asarray((waves.factor * self._squared(waves) * by_alignment)[:, None] * change)


def _lorentz_polarization(theta: FloatArray, p: float) -> FloatArray:
    cosine = np.cos(2.0 * theta)
    return np.asarray(((1.0 - p) * cosine * cosine + p) / (2.0 * np.sin(theta) ** 2 * np.cos(theta)))


def _lorentz_polarization_slope(theta: FloatArray, p: float) -> FloatArray:
    """d log LP / d theta."""
    cosine = np.cos(2.0 * theta)
    polarised = -4.0 * (1.0 - p) * cosine * np.sin(2.0 * theta) / ((1.0 - p) * cosine * cosine + p)
    return np.asarray(polarised - 2.0 / np.tan(theta) + np.tan(theta))
