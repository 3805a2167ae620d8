"""Which image atom belongs to which noise atom: many small assignment problems at once."""

from __future__ import annotations

import importlib.util

import numpy as np
import torch
from torch import Tensor

#: what pairing two elements costs; more than any distance.
FORBIDDEN = 1e6


def assign(costs: Tensor) -> Tensor:
    """[..., n] column for each row, of least total cost, from ``costs`` [..., n, n].

    On a GPU by :mod:`pxrdgen_generators.assignment_kernel`, without waiting for it; by scipy elsewhere and where there
    is no Triton.
    """
    flat = costs.reshape(-1, *costs.shape[-2:])
    if costs.device.type == "cuda" and importlib.util.find_spec("triton") is not None:
        from pxrdgen_generators.assignment_kernel import assign_on_device

        return assign_on_device(flat).reshape(costs.shape[:-1])
    from scipy.optimize import linear_sum_assignment

    solved = np.stack([linear_sum_assignment(cost)[1] for cost in flat.double().cpu().numpy()])
    return torch.as_tensor(solved, device=costs.device).reshape(costs.shape[:-1])
