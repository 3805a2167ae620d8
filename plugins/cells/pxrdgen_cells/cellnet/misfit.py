"""What diffraction says about a proposed cell: how far its lines are from the peaks, and where they point.

The same closed form serves every state on the way from noise to a cell; the network decides how far to trust it.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from pxrdgen_cells.cellnet.coordinates import SPREAD, to_basis

#: peaks looked at, lowest angles first.
PEAKS = 20
#: relative differences of d within which a line is taken for a peak's, coarse and fine.
TOLERANCES = (0.03, 0.008)
#: numbers returned for a state.
MISFIT_FEATURES = 2 * PEAKS + 2 * (6 + 6 + 1)
#: largest |h|, |k|, |l| tried: the longest axis of a reduced cell is the last.
_LIMITS = (2, 2, 5)
_RIDGE = 1e-2


def misfit_features(state: Tensor, log_ratio: Tensor, q: Tensor, mask: Tensor) -> Tensor:
    """[B, S, F] what the peaks say about states [B, S, 6] (unit variance) at ln(sigma / alpha) [B, S].

    Residuals of the nearest lines on two scales, and for each tolerance the Gauss-Newton step of the coordinates that
    would remove them (in standard units and in units of the noise) and the share of peaks that are explained.

    Args:
        q, mask: [B, K] 1/d^2 of the peaks (1/A^2) and whether there is one.
    """
    ratio = log_ratio.exp()[..., None]
    basis = to_basis((state * (1.0 + ratio.square()).sqrt()).clamp(-4.0, 4.0))
    mask = mask[:, None, :PEAKS].expand(-1, state.shape[1], -1)
    residual, jacobian = match_peaks(basis, q[:, None, :PEAKS], mask)
    features = [torch.tanh(residual / tolerance) for tolerance in TOLERANCES]
    for tolerance in TOLERANCES:
        weight = torch.exp(-(residual / tolerance).square()) * mask
        weighted = jacobian * weight[..., None]
        normal = weighted.transpose(-1, -2) @ jacobian + _RIDGE * torch.eye(6)
        step = torch.linalg.solve(normal, (weighted * residual[..., None]).sum(-2))
        features += [
            torch.tanh(4.0 * step),
            torch.tanh(step / (2.0 * ratio)),
            weight.sum(-1, keepdim=True) / mask.sum(-1, keepdim=True).clamp(min=1),
        ]
    return torch.cat(features, dim=-1)


def match_peaks(basis: Tensor, q: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Relative difference in 1/d of each peak and the nearest line, and its derivative by the coordinates.

    Args:
        basis: [..., 3, 3] lower triangular, A.
        q, mask: [..., P] 1/d^2 of the peaks and whether there is one.

    Returns:
        [..., P], 0 where there is no peak, and [..., P, 6].
    """
    lines, y, u = _lines(basis)
    nearest = (q[..., None] - lines[..., None, :]).abs().argmin(-1)
    residual = torch.where(mask, 0.5 * (q - lines.gather(-1, nearest)) / q, 0.0)
    return residual, _jacobian(basis, y, u, nearest) / (2.0 * q[..., None])


@lru_cache(maxsize=1)
def _indices() -> Tensor:
    """[H, 3] half a sphere of small indices."""
    box = torch.cartesian_prod(*(torch.arange(-limit, limit + 1) for limit in _LIMITS))
    h, k, l = box.unbind(-1)  # noqa: E741
    half = (h > 0) | ((h == 0) & (k > 0)) | ((h == 0) & (k == 0) & (l > 0))
    return box[half].to(torch.float32)


def _lines(basis: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """1/d^2 [..., H] of small indices, y = B^-1 h [..., 3, H], and the last two of u = B^-T y [..., 2, H]."""
    h, k, l = _indices().to(basis.dtype).unbind(-1)  # noqa: E741
    rows = basis[..., None]
    first = h / rows[..., 0, 0, :]
    second = (k - rows[..., 1, 0, :] * first) / rows[..., 1, 1, :]
    third = (l - rows[..., 2, 0, :] * first - rows[..., 2, 1, :] * second) / rows[..., 2, 2, :]
    y = torch.stack([first, second, third], dim=-2)
    u_third = third / rows[..., 2, 2, :]
    u_second = (second - rows[..., 2, 1, :] * u_third) / rows[..., 1, 1, :]
    return y.square().sum(-2), y, torch.stack([u_second, u_third], dim=-2)


def _jacobian(basis: Tensor, y: Tensor, u: Tensor, nearest: Tensor) -> Tensor:
    """[..., P, 6] derivative of 1/d^2 of the lines ``nearest`` [..., P] by the standardised coordinates.

    d(1/d^2) = -2 u^T dB y: -2 y_i^2 for the logarithms of the box, -2 u_i B_jj y_j for the shears.
    """
    index = nearest[..., None, :]
    y1, y2, y3 = y.gather(-1, index.expand(*index.shape[:-2], 3, -1)).unbind(-2)
    u2, u3 = u.gather(-1, index.expand(*index.shape[:-2], 2, -1)).unbind(-2)
    b1, b2 = basis[..., 0, 0, None], basis[..., 1, 1, None]
    columns = torch.stack([y1 * y1, y2 * y2, y3 * y3, u2 * b1 * y1, u3 * b1 * y1, u3 * b2 * y2], dim=-1)
    return -2.0 * columns * columns.new_tensor(SPREAD)
