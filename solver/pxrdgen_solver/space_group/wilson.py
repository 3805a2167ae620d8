"""Likelihood of line intensities under a space group: Wilson statistics of atoms anywhere in the cell.

Wilson (1949, doi:10.1107/S0365110X49000813): |F|^2 of a reflection is spread exponentially about epsilon sum f^2, with
twice the variance where the phase is restricted to two values. A line adds up its independent reflections; here their
sum is given a gamma density of the same mean and variance (Markvardsen et al. 2001, doi:10.1107/S0108767300012174, who
treat overlap as independent exponentials).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pxrdgen_crystallography.space_groups.placements import Placement
from pxrdgen_solver.space_group.line_fit import LineFit

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: probability that a line holds intensity the model cannot explain (an impurity, a poorly fitted neighbour).
STRAY = 2e-3
#: nodes of the integral over the true intensity.
_NODES = 48


@dataclass(frozen=True, kw_only=True)
class LineModel:
    """What a space group says of each line, in units of epsilon sum f^2 of one reflection.

    Args:
        mean: [K] sum over reflections of the half sphere; 0 where all are absent.
        variance: [K] of that sum.
    """

    mean: FloatArray
    variance: FloatArray


def line_model(fit: LineFit, placement: Placement) -> LineModel:
    """Mean and variance of each line under a placed space group."""
    rotations = placement.rotations
    images = np.einsum("hi,kij->khj", fit.hkl, rotations)
    fixed = (images == fit.hkl).all(axis=2)
    opposite = (images == -fit.hkl).all(axis=2)
    phase = fit.hkl @ placement.translations.T
    absent = (fixed & (np.abs(phase - np.rint(phase)) > 1e-3).T).any(axis=0)
    epsilon = fixed.sum(axis=0)
    # reflections of the half sphere that share one |F|^2: the orbit under the group and inversion
    same_line = len(rotations) / np.where(opposite.any(axis=0), epsilon, 0.5 * epsilon) / 2.0
    mean = np.where(absent, 0.0, epsilon.astype(np.float64))
    spread = np.where(opposite.any(axis=0), 2.0, 1.0)
    count = len(fit)
    return LineModel(
        mean=np.asarray(np.bincount(fit.group, weights=mean, minlength=count), dtype=np.float64),
        variance=np.asarray(
            np.bincount(fit.group, weights=mean**2 * spread * same_line, minlength=count), dtype=np.float64
        ),
    )


def expected_scale(fit: LineFit, f_squared: FloatArray) -> FloatArray:
    """[K] mean intensity of one reflection: LP sum f^2 with a scale and a fall-off fitted to the lines themselves.

    Wilson's plot over groups of lines: log of observed over expected against sin^2 theta / lambda^2.
    """
    reflections = np.bincount(fit.group, minlength=len(fit)).astype(np.float64)
    expected = fit.lorentz * f_squared
    pieces = np.array_split(np.arange(len(fit)), min(8, max(len(fit) // 6, 1)))
    observed = np.array([max(float(fit.intensity[p].sum()), float(fit.su[p].sum()) * 0.1) for p in pieces])
    ratio = np.log(observed / np.array([float((expected * reflections)[p].sum()) for p in pieces]))
    if len(pieces) < 3:
        return expected * math.exp(float(ratio.mean()))
    place = np.array([float((fit.sine[p] ** 2).mean()) for p in pieces])
    design = np.stack([np.ones_like(place), place], axis=1)
    # the fall-off is bounded: B between 0 and 6 A^2
    slope = float(np.clip(np.linalg.lstsq(design, ratio, rcond=None)[0][1], -12.0, 0.0))
    level = float(np.mean(ratio - slope * place))
    return np.asarray(expected * np.exp(level + slope * fit.sine**2))


def log_likelihoods(fit: LineFit, model: LineModel, scale: FloatArray) -> FloatArray:
    """[K] log density of each fitted intensity, its uncertainty Gaussian and the truth gamma-distributed."""
    mean = model.mean * scale
    present = mean > 0
    typical = np.bincount(fit.group, minlength=len(fit)) * scale
    stray = np.exp(-np.maximum(fit.intensity, 0.0) / typical) / typical
    density = np.exp(-0.5 * (fit.intensity / fit.su) ** 2) / (math.sqrt(2.0 * math.pi) * fit.su)
    if present.any():
        rows = np.flatnonzero(present)
        shape = model.mean[rows] ** 2 / model.variance[rows]
        density[rows] = _gamma_with_noise(fit.intensity[rows], fit.su[rows], shape, mean[rows] / shape)
    return np.log((1.0 - STRAY) * density + STRAY * stray + 1e-300)


def _gamma_with_noise(observed: FloatArray, su: FloatArray, shape: FloatArray, unit: FloatArray) -> FloatArray:
    """Integral over I > 0 of N(observed; I, su) gamma(I; shape, unit), on nodes even in the root of I."""
    from scipy.special import gammaln

    low = np.sqrt(np.maximum(observed - 6.0 * su, 0.0))
    high = np.sqrt(np.maximum(observed, 0.0) + 6.0 * su)
    middle = (np.arange(_NODES) + 0.5) / _NODES
    root = low[:, None] + (high - low)[:, None] * middle
    truth = root**2
    log_gamma = (
        (shape[:, None] - 1.0) * np.log(truth / unit[:, None])
        - truth / unit[:, None]
        - gammaln(shape)[:, None]
        - np.log(unit)[:, None]
    )
    log_noise = -0.5 * ((observed[:, None] - truth) / su[:, None]) ** 2 - np.log(math.sqrt(2.0 * math.pi) * su)[:, None]
    return np.asarray(np.sum(np.exp(log_gamma + log_noise) * 2.0 * root, axis=1) * (high - low) / _NODES)
