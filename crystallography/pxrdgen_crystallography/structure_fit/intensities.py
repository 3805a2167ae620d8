"""Grouped intensities of a known cell: the small differentiable problem that most of the search works on.

Lines that the pattern cannot separate share a group. The model of group k is
y_k = c sum_{h in k} LP_h m_h |F_h|^2 W_h, compared as sqrt(y_k + e_k), which evens out strong and weak peaks; e_k keeps
the root away from zero and grows with the uncertainty of the group.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pxrdgen.values.intensity_target import IntensityTarget
from pxrdgen_crystallography.decomposition.decompose import Decomposition, line_spacing
from pxrdgen_crystallography.decomposition.lines import chain_lines, measured_lines, reciprocal_metric_of, s_of
from pxrdgen_crystallography.oxidation_numbers import valences_of
from pxrdgen_crystallography.powder_line.strength import lorentz_polarization
from pxrdgen_crystallography.powder_line.widths import line_widths
from pxrdgen_crystallography.scattering.amplitudes import scattering_of
from pxrdgen_crystallography.scattering.radiation import polarization_of

FloatArray = NDArray[np.float64]

#: lines closer than this many full widths share a group, up to groups of so many full widths.
SEPARATION, SPAN = 0.6, 2.0
#: root residual that even a perfect structure leaves; noise counts only beyond it.
MODEL_ERROR = 0.02
#: floor of e_k, in mean group intensities.
ROOT_FLOOR = 1e-3


def intensity_target(decomposition: Decomposition, species: NDArray[np.int64]) -> IntensityTarget:
    """The target of a decomposed pattern for atoms ``species`` [N] in its cell."""
    instrument = decomposition.instrument
    width, _ = line_widths(np.radians(decomposition.two_theta) / 2.0, instrument)
    measured = measured_lines(decomposition.shapes, decomposition.grid, instrument.radiation)
    group_of_line = chain_lines(decomposition.two_theta, width, measured, separation=SEPARATION, span=SPAN)
    kept_lines = group_of_line >= 0
    reflection_group = np.where(kept_lines, group_of_line, -1)[decomposition.lines.line]
    rows = reflection_group >= 0
    hkl = decomposition.lines.hkl[rows]
    group = reflection_group[rows]
    s = s_of(hkl, reciprocal_metric_of(decomposition.basis))
    sine = np.clip(s * instrument.radiation.wavelength, 0.0, 0.999999)
    strengths = lorentz_polarization(sine, polarization_of(instrument))

    groups = int(group.max()) + 1
    lines = group_of_line[kept_lines]
    areas = decomposition.intensity[kept_lines]
    observed: FloatArray = np.bincount(lines, weights=areas, minlength=groups).astype(np.float64)
    variance = np.bincount(lines, weights=decomposition.intensity_su[kept_lines] ** 2, minlength=groups)
    mean_strength = np.bincount(group, weights=strengths, minlength=groups) / np.bincount(group, minlength=groups)
    mean = max(float(observed.mean()), 1e-30)
    observed, su = observed / mean, np.sqrt(variance) / mean
    floor = ROOT_FLOOR + su
    root_su = su / (2.0 * np.sqrt(observed + floor))
    strength = observed / mean_strength
    spacing = line_spacing(decomposition)[kept_lines]
    group_d = np.array([spacing[lines == k][np.argmax(areas[lines == k])] for k in range(groups)])

    elements = np.unique(species)
    factors = scattering_of(instrument.radiation)
    s_squared = torch.as_tensor(s**2)
    normal = factors.normal(torch.as_tensor(elements)[None], s_squared[None])[0].T

    def single(value: FloatArray | Tensor) -> Tensor:
        return torch.as_tensor(value, dtype=torch.float32)

    # intensities of a point-atom structure set the scale, so that the fitted scale starts near 1
    typical = float((strengths * (normal.numpy()[:, np.searchsorted(elements, species)] ** 2).sum(1)).sum()) / groups
    return IntensityTarget(
        basis=single(decomposition.basis),
        species=torch.as_tensor(species, dtype=torch.int64),
        elements=torch.as_tensor(elements, dtype=torch.int64),
        element_of=torch.as_tensor(np.searchsorted(elements, species), dtype=torch.int64),
        valence=single(valences_of(species)),
        hkl=single(hkl),
        s_squared=s_squared.float(),
        factor=single(strengths / typical),
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
