"""Grouped intensities of a known cell: the small differentiable problem that most of the search works on.

Lines that the pattern cannot separate share a group. The model of group k is
y_k = c sum_{h in k} LP_h m_h |F_h|^2 W_h, compared as sqrt(y_k + e_k), which evens out strong and weak peaks; e_k keeps
the root away from zero and grows with the uncertainty of the group.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pxrdgen.values.intensity_target import IntensityTarget
from pxrdgen_crystallography.decomposition.decompose import Decomposition, line_spacing
from pxrdgen_crystallography.decomposition.lines import reciprocal_metric_of, s_of, tch
from pxrdgen_crystallography.diffraction.form_factors import form_factors

FloatArray = NDArray[np.float64]

#: lines closer than this many full widths share a group.
SEPARATION = 0.6
#: root residual that even a perfect structure leaves; noise counts only beyond it.
MODEL_ERROR = 0.02
#: floor of e_k, in mean group intensities.
ROOT_FLOOR = 1e-3


def intensity_target(decomposition: Decomposition, species: NDArray[np.int64]) -> IntensityTarget:
    """The target of a decomposed pattern for atoms ``species`` [N] in its cell."""
    instrument = decomposition.instrument
    theta = np.radians(decomposition.two_theta) / 2.0
    width, _ = tch(theta, instrument)
    group_of_line = _group_lines(decomposition.two_theta, width, decomposition)
    kept_lines = group_of_line >= 0
    reflection_group = np.where(kept_lines, group_of_line, -1)[decomposition.lines.line]
    rows = reflection_group >= 0
    hkl = decomposition.lines.hkl[rows]
    group = reflection_group[rows]
    s = s_of(hkl, reciprocal_metric_of(decomposition.basis))
    sine = np.clip(s * instrument.radiation.wavelength, 0.0, 0.999999)
    angle = np.arcsin(sine)
    cosine = np.cos(2.0 * angle)
    share = instrument.polarization
    polarized = ((1.0 - share) * cosine**2 + share) / (2.0 * sine**2 * np.cos(angle))

    groups = int(group.max()) + 1
    lines = group_of_line[kept_lines]
    areas = decomposition.intensity[kept_lines]
    observed: FloatArray = np.bincount(lines, weights=areas, minlength=groups).astype(np.float64)
    variance = np.bincount(lines, weights=decomposition.intensity_su[kept_lines] ** 2, minlength=groups)
    line_polarization = np.bincount(group, weights=polarized, minlength=groups) / np.bincount(group, minlength=groups)
    mean = max(float(observed.mean()), 1e-30)
    observed, su = observed / mean, np.sqrt(variance) / mean
    floor = ROOT_FLOOR + su
    root_su = su / (2.0 * np.sqrt(observed + floor))
    strength = observed / line_polarization
    spacing = line_spacing(decomposition)[kept_lines]
    group_d = np.array([spacing[lines == k][np.argmax(areas[lines == k])] for k in range(groups)])

    elements = np.unique(species)
    factors = form_factors(instrument.radiation)
    s_squared = torch.as_tensor(s**2)
    table = factors.f0(torch.as_tensor(elements)[None], s_squared[None])[0]
    normal = (table if table.shape[0] == len(s) else table.T) + factors.f_prime[elements]

    def single(value: FloatArray | Tensor) -> Tensor:
        return torch.as_tensor(value, dtype=torch.float32)

    # intensities of a point-atom structure set the scale, so that the fitted scale starts near 1
    typical = float((polarized * (normal.numpy()[:, np.searchsorted(elements, species)] ** 2).sum(1)).sum()) / groups
    return IntensityTarget(
        basis=single(decomposition.basis),
        species=torch.as_tensor(species, dtype=torch.int64),
        elements=torch.as_tensor(elements, dtype=torch.int64),
        element_of=torch.as_tensor(np.searchsorted(elements, species), dtype=torch.int64),
        hkl=single(hkl),
        s_squared=s_squared.float(),
        factor=single(polarized / typical),
        group=torch.as_tensor(group, dtype=torch.int64),
        normal=normal.float(),
        anomalous=factors.f_double_prime[elements].float(),
        observed=single(observed),
        floor=single(floor),
        weight=single(1.0 / np.sqrt(1.0 + (root_su / MODEL_ERROR) ** 2)),
        group_d=single(group_d),
        group_strength=single(strength / max(float(strength.max()), 1e-30)),
        fit_floor=decomposition.r_wp,
    )


def _group_lines(two_theta: FloatArray, width: FloatArray, fit: Decomposition) -> NDArray[np.int64]:
    """[K lines] group index, -1 for lines whose peak lies outside the measured points.

    A chain of close lines is cut when it grows beyond two full widths: its ends are separable even if no gap is.
    """
    area = np.asarray(fit.shapes.sum(axis=0)).ravel() * float(np.median(np.diff(fit.grid)))
    relative = sum(fit.instrument.radiation.weights)
    measured = area > 0.5 * relative
    group = np.full(two_theta.size, -1, dtype=np.int64)
    current, start, previous = -1, -math.inf, -math.inf
    for row in np.flatnonzero(measured):
        position = two_theta[row]
        if position - previous > SEPARATION * width[row] or position - start > 2.0 * width[row]:
            current, start = current + 1, position
        group[row], previous = current, position
    return group
