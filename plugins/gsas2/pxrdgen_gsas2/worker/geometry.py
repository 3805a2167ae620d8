"""The metric of a cell."""

from __future__ import annotations

import numpy as np


def metric(cell):
    """[3, 3] of a b c (A) alpha beta gamma (degrees): G_ij = a_i . a_j."""
    lengths, angles = np.array(cell[:3], dtype=float), np.radians(np.array(cell[3:6], dtype=float))
    cosines = np.eye(3)
    for (i, j), angle in zip(((1, 2), (0, 2), (0, 1)), angles, strict=True):
        cosines[i, j] = cosines[j, i] = np.cos(angle)
    return cosines * np.outer(lengths, lengths)
