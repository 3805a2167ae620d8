"""Draws of the network brought onto the peaks, all at once, and ranked by how well they then explain them.

A draw is off by a percent or so. A few Gauss-Newton steps with a narrowing tolerance, in all six coordinates and the
zero error, find the nearest cell that fits; how much better than chance its lines meet the first peaks tells good ones
from bad.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pxrdgen_cells.cellnet.coordinates import to_basis, to_coordinates
from pxrdgen_cells.cellnet.misfit import PEAKS, match_peaks

#: relative differences of d within which a line is taken for a peak's, step by step.
TOLERANCES = (0.03, 0.02, 0.012, 0.008, 0.005, 0.003, 0.002, 0.0015)
#: standard units that a step may go where the peaks do not say.
_LOOSE = 0.1
#: standard deviation of the zero error, degrees.
_ZERO = 0.03
#: relative width of matches in the ranking, and the chance that a peak is none of the crystal's.
_WIDTH, _FOREIGN = 0.001, 0.05
#: two cells nearer than this in standard units are one proposal.
_SAME = 0.03


def polish_cells(bases: Tensor, q: Tensor, mask: Tensor, wavelength: float) -> tuple[Tensor, Tensor]:
    """Cells [M, 3, 3] after the fit, and the log-odds [M] of the first peaks against chance.

    Args:
        bases: lower triangular, A.
        q, mask: [K] 1/d^2 of the peaks (1/A^2), rising, and whether there is one.
        wavelength: A.
    """
    q, mask = q[mask][:PEAKS], mask[mask][:PEAKS]
    coordinates = to_coordinates(bases)
    by_zero = _by_zero(q, wavelength)
    zero = q.new_zeros(len(bases), 1)
    for tolerance in TOLERANCES:
        # the line that is nearest is nearest to where the peak would be without the zero error
        unshifted = q * (1.0 - 2.0 * by_zero * zero)
        residual, jacobian = match_peaks(to_basis(coordinates), unshifted, mask)
        jacobian = torch.cat([jacobian, by_zero.expand(len(bases), -1)[..., None]], dim=-1)
        weight = torch.exp(-(residual / tolerance).square()) / tolerance**2
        weighted = jacobian * weight[..., None]
        normal = weighted.transpose(-1, -2) @ jacobian + torch.diag(q.new_tensor([_LOOSE**-2] * 6 + [1.0]))
        right = (weighted * residual[..., None]).sum(-2)
        right[:, 6:] -= zero
        step = torch.linalg.solve(normal, right)
        coordinates = (coordinates + step[:, :6].clamp(-0.5, 0.5)).clamp(-6.0, 6.0)
        zero = (zero + step[:, 6:]).clamp(-3.0, 3.0)
    fitted = to_basis(coordinates)
    residual = match_peaks(fitted, q * (1.0 - 2.0 * by_zero * zero), mask)[0]
    return fitted, _log_odds(fitted, q, residual) - 0.5 * zero[:, 0].square()


def _by_zero(q: Tensor, wavelength: float) -> Tensor:
    """[K] relative change of 1/d, cot(theta) d(theta), for a zero error of one standard deviation."""
    sine = (0.5 * wavelength * q.sqrt()).clamp(max=0.999)
    return math.radians(0.5 * _ZERO) * (1.0 - sine.square()).sqrt() / sine


def _log_odds(bases: Tensor, q: Tensor, residual: Tensor) -> Tensor:
    """[M] sum over peaks of ln((1 - f) K(residual) / density + f), the density that of lines in ln d: 2 pi V / d^3."""
    volume = torch.diagonal(bases, dim1=-2, dim2=-1).prod(-1)
    density = (2.0 * math.pi * volume[:, None] * q**1.5).clamp(min=1.0)
    kernel = torch.exp(-0.5 * (residual / _WIDTH).square()) / (_WIDTH * math.sqrt(2.0 * math.pi))
    return torch.log((1.0 - _FOREIGN) * kernel / density + _FOREIGN).sum(-1)


def distinct(bases: Tensor, order: Tensor, most: int) -> list[int]:
    """At most ``most`` rows of ``bases`` [M, 3, 3], going through ``order`` [M] and leaving out repeats."""
    coordinates = to_coordinates(bases)
    kept: list[int] = []
    for row in order.tolist():
        if len(kept) == most:
            break
        others = coordinates[kept]
        if not len(kept) or float((others - coordinates[row]).abs().amax(-1).min()) > _SAME:
            kept.append(row)
    return kept
