"""Geometry and Patterson features of pairs of atoms; nothing here is learned, no gradient flows."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pxrdgen.training.workers import full_precision
from pxrdgen_generators.conditions import SHELLS, Condition
from pxrdgen_generators.manifolds import images, nearest_image

_HARMONICS = 5
_RADIAL = 20
_CROWDING = (0.8, 1.4, 2.2, 3.2)
_SHELLS = len(SHELLS) - 1
_GEOMETRY = 6 * _HARMONICS + _RADIAL + 3 + 3 + 3 + len(_CROWDING)
#: where the Patterson function stands among the features: by shell, gradient of the sum, of all shells but the last.
PATTERSON = slice(_GEOMETRY, _GEOMETRY + _SHELLS)
PATTERSON_GRADIENT = slice(PATTERSON.stop, PATTERSON.stop + 3)
SHELL_GRADIENTS = slice(PATTERSON_GRADIENT.stop, PATTERSON_GRADIENT.stop + 3 * (_SHELLS - 1))
#: numbers per pair of atoms.
PAIR_FEATURES = SHELL_GRADIENTS.stop


@torch.no_grad()
def pair_features(state: Tensor, condition: Condition) -> Tensor:
    """[B, n, n, PAIR_FEATURES] of ``state`` [B, n, 3]; entry i, j describes the vector from atom i to atom j.

    Fourier features of the fractional difference; the shortest image by radial functions, direction and vector;
    sums over 27 images (a push away from close contacts, and how crowded it is); the Patterson function at the
    vector, by shell, and half its gradients (per A), which point to its peaks from near and far.
    """
    with full_precision(state):
        return _features(state, condition)


def _features(state: Tensor, condition: Condition) -> Tensor:
    difference = state[:, None, :, :] - state[:, :, None, :]
    harmonics = torch.arange(1, _HARMONICS + 1, dtype=state.dtype) * (2.0 * math.pi)
    angles = (difference[..., None] * harmonics).flatten(-2)
    vectors = images(difference, condition.basis)
    squared = (vectors * vectors).sum(-1)
    crowding = torch.stack([torch.exp(-squared / (width * width)).sum(-1) for width in _CROWDING], dim=-1)
    push = (vectors * torch.exp(-squared / 4.0)[..., None]).sum(-2)
    nearest = nearest_image(vectors)
    distance = torch.linalg.vector_norm(nearest, dim=-1, keepdim=True)
    centres = torch.linspace(0.0, 6.0, _RADIAL, dtype=state.dtype)
    radial = torch.exp(-(((distance - centres) / 0.35) ** 2))
    direction = nearest / (distance + 0.1)
    scaled = nearest / condition.length[:, None, None, None]
    parts = [angles.sin(), angles.cos(), radial, direction, scaled, push, crowding, *_patterson(state, condition)]
    return torch.cat(parts, dim=-1)


def _patterson(state: Tensor, condition: Condition) -> tuple[Tensor, Tensor, Tensor]:
    """P(u) = sum_h w_h cos(2 pi h.u) by shell [B, n, n, S], half its gradient summed, and of shells but the last."""
    phase = (2.0 * math.pi) * (state @ condition.hkl.transpose(-1, -2))
    cosine, sine = phase.cos(), phase.sin()

    def even(weights: Tensor) -> Tensor:
        return (cosine * weights[:, None]) @ cosine.transpose(-1, -2) + (sine * weights[:, None]) @ sine.transpose(
            -1, -2
        )

    def odd(weights: Tensor) -> Tensor:
        product = (sine * weights[:, None]) @ cosine.transpose(-1, -2)
        return product - product.transpose(-1, -2)

    reciprocal = torch.linalg.inv(condition.basis).transpose(-1, -2)
    slopes = math.pi * (condition.hkl @ reciprocal)
    shells = condition.patterson
    values = torch.stack([even(weights) for weights in shells.unbind(1)], dim=-1)
    total = torch.stack([odd(shells.sum(1) * slope) for slope in slopes.unbind(-1)], dim=-1)
    by_shell = [odd(weights * slope) for weights in shells[:, :-1].unbind(1) for slope in slopes.unbind(-1)]
    return values, total, torch.stack(by_shell, dim=-1)
