"""Standard uncertainties, and the names of what was refined."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pxrdgen_refiners.displacement import U_RANGE, Classes
from pxrdgen_refiners.parameters import (
    MAX_STRAIN,
    MAX_ZERO,
    RATIO_RANGE,
    WIDTHS,
    Block,
    Freedom,
    State,
    phase_state,
)
from pxrdgen_refiners.stages import Fitted

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Uncertainties:
    """Standard uncertainties, multiplied by the goodness of fit as is usual.

    Args:
        cell: of a b c (A) alpha beta gamma (degrees).
        coordinates: [N, 3] fractional; a polar structure's free origin is held at the atoms' mean.
        u_iso: [N] A^2, 0 where held.
        parameters: by the names of :func:`named_parameters`, refined ones only.
        phase_scales, phase_cells: of the impurities.
    """

    cell: tuple[float, ...]
    coordinates: FloatArray
    u_iso: FloatArray
    parameters: dict[str, float]
    phase_scales: tuple[float, ...] = ()
    phase_cells: tuple[tuple[float, ...], ...] = ()


def uncertainties(fitted: Fitted, gof: float) -> Uncertainties:
    """From the inverse of the normal matrix at the end, restraints included."""
    freedom, state = fitted.profile.model.freedom, fitted.state
    matrix = fitted.profile.normal(state, fitted.active)[0] if fitted.matrix is None else fitted.matrix
    _, slope = freedom.restraints(state, fitted.active)
    matrix = matrix + gof**2 * slope.T @ slope
    scale = 1.0 / np.sqrt(np.maximum(np.diag(matrix), 1e-300))
    covariance = gof**2 * scale[:, None] * np.linalg.pinv(matrix * scale[:, None] * scale, rcond=1e-13) * scale
    layout = freedom.layout(fitted.active, state)

    def su(block: Block, slopes: FloatArray) -> FloatArray:
        """Of quantities whose derivatives by the block's parameters are ``slopes`` [R, P]; 0 where it is held."""
        if block not in layout:
            return np.zeros(len(slopes))
        part = covariance[layout[block], layout[block]]
        return np.asarray(np.sqrt(np.maximum(np.einsum("ip,pq,iq->i", slopes, part, slopes), 0.0)))

    cell = _cell_su(su(Block.STRAIN, _cell_slopes(freedom.basis_of(state), freedom.tangent_strains(state))))
    by_class = np.exp(state.log_u) * su(Block.U_ISO, freedom.displacement.columns)
    named = {"scale": su(Block.SCALE, np.eye(1))[0], "zero": su(Block.ZERO, np.eye(1))[0]}
    named["displacement"] = su(Block.DISPLACEMENT, np.eye(1))[0]
    named |= dict(zip(WIDTHS, su(Block.WIDTHS, np.eye(len(WIDTHS))), strict=True))
    named["sh_l"] = su(Block.ASYMMETRY, np.eye(1))[0] / (2.0 * max(state.instrument.sh_l, 1e-6))
    if state.axis is not None:
        named["march_dollase"] = math.exp(state.log_ratio) * su(Block.TEXTURE, np.eye(1))[0]
    named |= dict(zip(_u_names(freedom), by_class, strict=True))
    phase_cells = tuple(_cell_su(su(Block.PHASE_SHAPES, slopes)) for slopes in _phase_cell_slopes(fitted))
    return Uncertainties(
        cell=cell,
        coordinates=su(Block.COORDINATES, freedom.columns).reshape(state.coords.shape),
        u_iso=by_class[freedom.members],
        parameters={name: float(value) for name, value in named.items() if value > 0.0},
        phase_scales=tuple(su(Block.PHASE_SCALES, np.eye(len(state.phases))).tolist()),
        phase_cells=phase_cells,
    )


def _cell_su(values: FloatArray) -> tuple[float, ...]:
    return tuple(np.where(values < 1e-9, 0.0, values).tolist())


def _phase_cell_slopes(fitted: Fitted) -> list[FloatArray]:
    """[6, P] of each impurity's cell by all parameters of the block of phase shapes."""
    state, found, first = fitted.state, [], 0
    size = sum(phase.strain.size + 1 for phase in state.phases)
    for number, (phase, known) in enumerate(
        zip(fitted.profile.phases, fitted.profile.measurement.impurities, strict=True)
    ):
        freedom = phase.model.freedom
        own = phase_state(state, freedom, number)
        count = own.strain.size
        slopes = np.zeros((6, size))
        basis = known.basis @ freedom.deformation(own)
        slopes[:, first : first + count] = _cell_slopes(basis, freedom.tangent_strains(own))
        found.append(slopes)
        first += count + 1
    return found


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


def named_parameters(state: State, freedom: Freedom) -> dict[str, float]:
    """Refined numbers by name; angles in degrees, widths in centidegrees, Uiso in A^2."""
    instrument = state.instrument
    named = {"scale": state.scale, "background_terms": float(state.background.size)}
    named |= {name: getattr(instrument, name) for name in ("zero", "displacement", "u", "v", "w", "x", "y", "sh_l")}
    named["march_dollase"] = math.exp(state.log_ratio)
    if state.axis is not None:
        named |= {f"texture_{name}": float(index) for name, index in zip("hkl", state.axis, strict=True)}
    return named | dict(zip(_u_names(freedom), np.exp(state.log_u).tolist(), strict=True))


def _u_names(freedom: Freedom) -> list[str]:
    classes = Classes(elements=freedom.elements, members=freedom.members)
    return [f"u_iso_{label}" for label in classes.labels]


def at_limits(state: State, freedom: Freedom) -> list[str]:
    """Parameters that ended at the edge of what is allowed, in words."""
    found = []
    moving = np.abs(freedom.displacement.columns).sum(axis=1) > 0
    edge = (state.log_u <= math.log(U_RANGE[0]) + 1e-9) | (state.log_u >= math.log(U_RANGE[1]) - 1e-9)
    classes = Classes(elements=freedom.elements, members=freedom.members)
    found += [f"Uiso of {classes.labels[row]}" for row in np.flatnonzero(moving & edge)]
    if state.strain.size and np.abs(state.strain).max() >= MAX_STRAIN - 1e-9:
        found.append("the cell")
    for name in ("zero", "displacement"):
        if abs(getattr(state.instrument, name) - getattr(freedom.start.instrument, name)) >= MAX_ZERO - 1e-9:
            found.append(name)
    if state.axis is not None and not math.log(RATIO_RANGE[0]) < state.log_ratio < math.log(RATIO_RANGE[1]):
        found.append("texture")
    return found
