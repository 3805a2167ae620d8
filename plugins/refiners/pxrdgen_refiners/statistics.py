"""Agreement factors and standard uncertainties."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pxrdgen.solver.values import Measurement
from pxrdgen_refiners.parameters import Block, State
from pxrdgen_refiners.stages import Fitted

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """R factors as fractions (Toby 2006, doi:10.1154/1.2179804)."""

    r_wp: float
    r_p: float
    r_exp: float
    gof: float
    r_wp_without_background: float


def agreement(measurement: Measurement, calculated: FloatArray, background: FloatArray, parameters: int) -> Agreement:
    """Of a calculated profile [G], background included."""
    observed, weight = measurement.intensity, 1.0 / measurement.sigma**2
    misfit = float(weight @ (observed - calculated) ** 2)
    total = float(weight @ observed**2)
    net = float(weight @ (observed - background) ** 2)
    free = max(observed.size - parameters, 1)
    r_wp, r_exp = math.sqrt(misfit / total), math.sqrt(free / total)
    return Agreement(
        r_wp=r_wp,
        r_p=float(np.abs(observed - calculated).sum() / np.abs(observed).sum()),
        r_exp=r_exp,
        gof=r_wp / r_exp,
        r_wp_without_background=math.sqrt(misfit / max(net, 1e-300)),
    )


@dataclass(frozen=True, kw_only=True)
class Uncertainties:
    """Standard uncertainties, multiplied by the goodness of fit as is usual.

    Args:
        cell: of a b c (A) alpha beta gamma (degrees).
        coordinates: [N, 3] fractional; a polar structure's free origin is held at the atoms' mean.
    """

    cell: tuple[float, ...]
    coordinates: FloatArray


def uncertainties(fitted: Fitted, gof: float) -> Uncertainties:
    """From the inverse of the normal matrix at the end, restraints included."""
    freedom, state = fitted.profile.model.freedom, fitted.state
    matrix, _ = fitted.profile.normal(state, fitted.active)
    _, slope = freedom.restraints(state, fitted.active)
    matrix = matrix + gof**2 * slope.T @ slope
    scale = 1.0 / np.sqrt(np.maximum(np.diag(matrix), 1e-300))
    covariance = gof**2 * scale[:, None] * np.linalg.pinv(matrix * scale[:, None] * scale, rcond=1e-13) * scale
    layout = freedom.layout(fitted.active, state)
    coordinates = np.zeros(state.coords.size)
    if Block.COORDINATES in layout:
        place = layout[Block.COORDINATES]
        columns = freedom.columns
        coordinates = np.sqrt(np.maximum(np.einsum("ip,pq,iq->i", columns, covariance[place, place], columns), 0.0))
    cell = np.zeros(6)
    if Block.STRAIN in layout:
        place = layout[Block.STRAIN]
        slopes = _cell_slopes(fitted.profile.model.freedom.basis_of(state), freedom.tangent_strains(state))
        cell = np.sqrt(np.maximum(np.einsum("ip,pq,iq->i", slopes, covariance[place, place], slopes), 0.0))
        cell[cell < 1e-9] = 0.0
    return Uncertainties(cell=tuple(cell.tolist()), coordinates=coordinates.reshape(state.coords.shape))


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


def named_parameters(state: State, symbols: list[str]) -> dict[str, float]:
    """Refined numbers by name; angles in degrees, widths in centidegrees, Uiso in A^2."""
    instrument = state.instrument
    named = {"scale": state.scale, "background_terms": float(state.background.size)}
    named |= {name: getattr(instrument, name) for name in ("zero", "displacement", "u", "v", "w", "x", "y", "sh_l")}
    named["march_dollase"] = math.exp(state.log_ratio)
    if state.axis is not None:
        named |= {f"texture_{name}": float(index) for name, index in zip("hkl", state.axis, strict=True)}
    return named | {f"u_iso_{symbol}": math.exp(value) for symbol, value in zip(symbols, state.log_u, strict=True)}
