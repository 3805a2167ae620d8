"""The cell, as strains that its symmetry allows."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from pxrdgen_crystallography.decomposition.bounds import MAX_STRAIN
from pxrdgen_crystallography.powder_line.strength import lorentz_polarization_slope
from pxrdgen_crystallography.scattering.radiation import polarization_of
from pxrdgen_refiners.intensity_model import IntensityModel, Waves
from pxrdgen_refiners.line_shapes import LineShapes
from pxrdgen_refiners.options import LeastSquaresOptions
from pxrdgen_refiners.quantity import EDGE, FloatArray, Quantity, ShapeSlopes, su_of
from pxrdgen_refiners.state import Freedom, State

#: restraint to the start; weak, it only decides what the data do not.
STRAIN_SPREAD = 0.01


class Strain(Quantity):
    """Q coefficients, from the start cell."""

    def asked(self, options: LeastSquaresOptions, state: State, freedom: Freedom) -> bool:
        return options.refine_cell and self.size(state, freedom) > 0

    def size(self, state: State, freedom: Freedom) -> int:
        return len(freedom.strains)

    def moved(self, state: State, freedom: Freedom, step: FloatArray) -> State:
        return replace(state, strain=np.clip(state.strain + step, -MAX_STRAIN, MAX_STRAIN))

    def restraint(self, state: State, freedom: Freedom) -> tuple[FloatArray, FloatArray]:
        return state.strain / STRAIN_SPREAD, np.eye(len(freedom.strains)) / STRAIN_SPREAD

    def area_slopes(self, model: IntensityModel, state: State, waves: Waves) -> FloatArray:
        """Through s, Lorentz-polarisation, volume and the angle to the texture axis."""
        strains = model.freedom.tangent_strains(state)
        by_s = -0.5 * np.einsum("hi,qij,hj->hq", waves.scattering, strains, waves.scattering)
        u = 8.0 * math.pi**2 * np.exp(state.log_u)
        strong = waves.damping * (waves.normal_slope - u * waves.normal)
        weak = -waves.damping * u * model.tables.f_double_prime
        a, b, a2, b2 = (part[:, None] for part in waves.sums)
        c, s = waves.by_element
        squared_slope = 2.0 * (strong * (a * c + b * s) + weak * (a2 * c + b2 * s)).sum(1)
        lp_slope = lorentz_polarization_slope(waves.sine_theta, polarization_of(state.instrument)) / waves.s_squared
        slopes = (waves.weight * squared_slope + waves.each * lp_slope)[:, None] * by_s
        slopes = slopes - waves.each[:, None] * np.trace(strains, axis1=1, axis2=2)
        if state.axis is not None:
            slopes += _through_texture(model, state, state.axis, waves, strains)
        return state.scale * model.lines(state, slopes)

    def shape_slopes(self, model: IntensityModel, state: State, theta: FloatArray, lines: LineShapes) -> ShapeSlopes:
        """Positions, and the widths that follow the angle."""
        copies, count = lines.position.shape
        by_strain = model.angle_slopes(state)
        by_theta = np.radians(by_strain) / 2.0
        position = lines.by_bragg[:, :, None] * by_strain
        widths = lines.widths
        return ShapeSlopes(
            position=position.reshape(copies * count, -1),
            width=np.tile(widths.width_slope[:, -1:] * by_theta, (copies, 1)),
            mixing=np.tile(widths.mixing_slope[:, -1:] * by_theta, (copies, 1)),
        )

    def at_limits(self, state: State, freedom: Freedom) -> tuple[str, ...]:
        return ("the cell",) if np.abs(state.strain).max(initial=0.0) >= MAX_STRAIN - EDGE else ()


def cell_su(basis: FloatArray, strains: FloatArray, covariance: FloatArray | None) -> tuple[float, ...]:
    """Of a b c (A) alpha beta gamma (degrees) of ``basis`` moved by ``strains`` [Q, 3, 3], 0 where fixed."""
    values = su_of(_cell_slopes(basis, strains), covariance)
    return tuple(np.where(values < EDGE, 0.0, values).tolist())


def _cell_slopes(basis: FloatArray, strains: FloatArray) -> FloatArray:
    """[6, Q] d(a b c alpha beta gamma) / d(strain), A and degrees."""
    slopes = np.zeros((6, len(strains)))
    lengths = np.linalg.norm(basis, axis=1)
    for q, strain in enumerate(strains):
        change = basis @ strain
        metric = basis @ basis.T
        metric_change = change @ basis.T + basis @ change.T
        slopes[:3, q] = np.diag(metric_change) / (2.0 * lengths)
        for row, (i, j) in enumerate(((1, 2), (0, 2), (0, 1))):
            cosine = metric[i, j] / (lengths[i] * lengths[j])
            slope = metric_change[i, j] / (lengths[i] * lengths[j]) - cosine * (
                slopes[i, q] / lengths[i] + slopes[j, q] / lengths[j]
            )
            slopes[3 + row, q] = -math.degrees(slope / math.sqrt(max(1.0 - cosine**2, 1e-12)))
    return slopes


def _through_texture(
    model: IntensityModel, state: State, axis: tuple[int, int, int], waves: Waves, strains: FloatArray
) -> FloatArray:
    """[H, Q] through the angle between reflection and axis."""
    g = waves.scattering
    direction = np.asarray(axis, dtype=np.float64) @ np.linalg.inv(model.freedom.basis_of(state)).T
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
    return np.asarray((waves.factor * waves.squared * by_alignment)[:, None] * change)
