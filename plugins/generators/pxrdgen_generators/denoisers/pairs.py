"""Geometry and Patterson features of pairs of atoms; nothing here is learned, no gradient flows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pxrdgen_generators.conditions import SHELLS, Condition
from pxrdgen_generators.denoisers.pair_lists import half_of_pairs
from pxrdgen_generators.manifolds import inverse, shifts
from pxrdgen_learning.training.workers import full_precision

_HARMONICS = 5
_RADIAL = 20
#: widths of the Gaussians (A) that count close atoms, and of the one that pushes away from them.
_CROWDING, _PUSH = (0.8, 1.4, 2.2, 3.2), 2.0
_SHELLS = len(SHELLS) - 1
#: exponents are kept above: numbers below the smallest normal one slow a processor down many times.
_FAINTEST = -80.0
_GEOMETRY = 6 * _HARMONICS + _RADIAL + 3 + 3 + 3 + len(_CROWDING)
#: the features that change sign when the atoms of a pair are exchanged: sines; direction, vector, push.
_ODD = (slice(0, 3 * _HARMONICS), slice(6 * _HARMONICS + _RADIAL, _GEOMETRY - len(_CROWDING)))
#: where the Patterson function stands among the features: by shell, gradient of the sum, of all shells but the last.
PATTERSON = slice(_GEOMETRY, _GEOMETRY + _SHELLS)
PATTERSON_GRADIENT = slice(PATTERSON.stop, PATTERSON.stop + 3)
SHELL_GRADIENTS = slice(PATTERSON_GRADIENT.stop, PATTERSON_GRADIENT.stop + 3 * (_SHELLS - 1))
#: numbers per pair of atoms.
PAIR_FEATURES = SHELL_GRADIENTS.stop


@dataclass(frozen=True, kw_only=True)
class Shell:
    """Reflections of one resolution shell: a stretch of the list that holds all of them.

    Args:
        start, stop: of the stretch.
        weight: [B, stop - start] Patterson coefficients, 0 for the reflections of other shells.
        slope: [B, 3, stop - start] the same times pi h in 1/A.
    """

    start: int
    stop: int
    weight: Tensor
    slope: Tensor


@dataclass(frozen=True, kw_only=True)
class PairTables:
    """What pair features need of B conditions, wherever the atoms are; B is 1 where all states share one.

    Args:
        basis: [B, 3, 3] rows a, b, c in A.
        length: [B] (V / n)^(1/3) in A.
        shifts: [3, 27, B, 1] the neighbouring lattice translates in A.
        phases: [B, 3, H] 2 pi h.
        shells: of the Patterson function.
    """

    basis: Tensor
    length: Tensor
    shifts: Tensor
    phases: Tensor
    shells: tuple[Shell, ...]


@torch.no_grad()
def pair_tables(condition: Condition) -> PairTables:
    """The tables of ``condition``."""
    with full_precision(condition.basis):
        translates = (shifts(condition.basis) @ condition.basis).permute(2, 1, 0)[..., None]
        reciprocal = inverse(condition.basis).transpose(-1, -2)
        slopes = (math.pi * (condition.hkl @ reciprocal)).transpose(-1, -2)
        shells = []
        for (start, stop), coefficients in zip(condition.stretches, condition.patterson.unbind(1), strict=True):
            weights = coefficients[:, start:stop]
            slope = weights[:, None] * slopes[..., start:stop]
            shells.append(Shell(start=start, stop=stop, weight=weights, slope=slope))
        return PairTables(
            basis=condition.basis,
            length=condition.length,
            shifts=translates.contiguous(),
            phases=(2.0 * math.pi) * condition.hkl.transpose(-1, -2),
            shells=tuple(shells),
        )


@torch.no_grad()
def pair_features(state: Tensor, condition: Condition, tables: PairTables | None = None) -> Tensor:
    """[B, n, n, PAIR_FEATURES] of ``state`` [B, n, 3]; entry i, j describes the vector from atom i to atom j.

    Fourier features of the fractional difference; the shortest image by radial functions, direction and vector;
    sums over 27 images (a push away from close contacts, and how crowded it is); the Patterson function at the
    vector, by shell, and half its gradients (per A), which point to its peaks from near and far.

    ``condition`` is of the crystals of ``state``, or of the one they all are; ``tables`` are :func:`pair_tables` of
    it, or are made here.
    """
    tables = tables or pair_tables(condition)
    with full_precision(state):
        batch, size = state.shape[:2]
        features = state.new_empty(PAIR_FEATURES, batch, size, size)
        _geometry(state, tables, features[:_GEOMETRY])
        _patterson(state, tables, features[_GEOMETRY:])
        by_pair: Tensor = features.permute(1, 2, 3, 0)
        return by_pair


def _geometry(state: Tensor, tables: PairTables, features: Tensor) -> None:
    """Fill ``features`` [_GEOMETRY, B, n, n]: all but the Patterson function's.

    Each is even or odd under exchange of the two atoms, so only i <= j is computed.
    """
    pairs = half_of_pairs(state.shape[1], state.device)
    difference = state[:, pairs.second] - state[:, pairs.first]
    harmonics = torch.arange(1, _HARMONICS + 1, dtype=state.dtype, device=state.device) * (2.0 * math.pi)
    angles = (difference.permute(2, 0, 1)[:, None] * harmonics[:, None, None]).flatten(0, 1)
    vectors = _times(difference - difference.round(), tables.basis).permute(2, 0, 1)[:, None] + tables.shifts
    squared = vectors[0] * vectors[0] + vectors[1] * vectors[1] + vectors[2] * vectors[2]
    crowding = torch.stack([_gaussian(squared, width).sum(0) for width in _CROWDING])
    push = (vectors * _gaussian(squared, _PUSH)).sum(1)
    smallest, closest = squared.min(dim=0)
    nearest = vectors.gather(1, closest.expand(3, 1, *closest.shape))[:, 0]
    distance = smallest.sqrt()
    centres = torch.linspace(0.0, 6.0, _RADIAL, dtype=state.dtype, device=state.device)[:, None, None]
    radial = torch.exp(-(((distance - centres) / 0.35) ** 2))
    direction = nearest / (distance + 0.1)
    scaled = nearest / tables.length[:, None]
    half = torch.cat([angles.sin(), angles.cos(), radial, direction, scaled, push, crowding])
    flat = features.flatten(2)
    torch.index_select(half, 2, pairs.place, out=flat)
    for odd in _ODD:
        flat[odd] *= pairs.sign


def _times(vectors: Tensor, matrices: Tensor) -> Tensor:
    """``vectors`` [B, M, 3] times ``matrices`` [B, 3, K], or times one for all, [1, 3, K], in a single product."""
    return vectors @ (matrices[0] if len(matrices) == 1 else matrices)


def _gaussian(squared: Tensor, width: float) -> Tensor:
    """exp(-d^2 / w^2), kept from becoming so small that arithmetic gets slow."""
    return torch.exp((squared * (-1.0 / (width * width))).clamp_(min=_FAINTEST))


def _patterson(state: Tensor, tables: PairTables, features: Tensor) -> None:
    """Fill ``features`` [4 S, B, n, n] with P(u) = sum_h w_h cos(2 pi h.u) by shell and half its gradients.

    First the gradient of the sum, then those of all shells but the last.
    """
    batch, size = state.shape[:2]
    angles = _times(state, tables.phases)
    cosine, sine = angles.cos(), angles.sin()
    values, total, by_shell = features.split([_SHELLS, 3, 3 * (_SHELLS - 1)])
    slopes = [*by_shell.unflatten(0, (-1, 3)), torch.empty_like(total)]
    for shell, value, slope in zip(tables.shells, values, slopes, strict=True):
        cos, sin = cosine[..., shell.start : shell.stop], sine[..., shell.start : shell.stop]
        rows = state.new_empty(batch, 4, size, shell.stop - shell.start)
        torch.mul(sin[:, None], shell.slope[:, :, None], out=rows[:, :3])
        torch.mul(cos, shell.weight[:, None], out=rows[:, 3])
        products = (rows.flatten(1, 2) @ cos.transpose(-1, -2)).reshape(batch, 4, size, size)
        odd = products[:, :3].transpose(0, 1)
        torch.sub(odd, odd.transpose(-1, -2), out=slope)
        torch.baddbmm(products[:, 3], sin * shell.weight[:, None], sin.transpose(-1, -2), out=value)
    torch.sum(torch.stack(slopes), dim=0, out=total)
