"""Preferred orientation of grouped intensities: the best axis and March-Dollase ratio of each candidate."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from pxrdgen.values.intensity_target import IntensityTarget
from pxrdgen_crystallography.diffraction.texture import march_dollase
from pxrdgen_crystallography.structure_fit.grouped_model import GroupedModel, GroupedParameters

#: ratios tried; 1 is no texture.
RATIOS = (0.55, 0.65, 0.75, 0.83, 0.9, 1.0, 1.1, 1.2, 1.35, 1.5, 1.8)
#: a texture must lower the misfit to this fraction to be believed.
WORTHWHILE = 0.93


def low_index_axes() -> Tensor:
    """[13, 3] planes with indices -1, 0, 1, one of each opposite pair."""
    grid = torch.cartesian_prod(*[torch.tensor([-1.0, 0.0, 1.0])] * 3)
    return grid[14:]


class TextureFit:
    """Precomputed March-Dollase factors of one target."""

    def __init__(self, target: IntensityTarget, model: GroupedModel) -> None:
        self._model = model
        axes, ratios = low_index_axes(), torch.tensor(RATIOS)
        self.axes = axes.repeat_interleave(len(RATIOS), dim=0)
        self.ratios = ratios.repeat(len(axes))
        count = len(self.ratios)
        hkl = target.hkl.expand(count, -1, -1)
        basis = target.basis.expand(count, -1, -1)
        #: [T, H] of each axis and ratio.
        self.factors = march_dollase(hkl, basis, self.axes, self.ratios)

    def fit(self, parameters: GroupedParameters) -> tuple[GroupedParameters, Tensor]:
        """The arrangements [M] with the texture [M, H] and scale that fit each best; 1 where none is worthwhile."""
        plain = self._model.rescaled(replace(parameters, texture=None))
        base = self._model.misfit(plain)
        chosen, scales = [], []
        for row in range(base.shape[0]):
            misfit, log_scale = self._model.textured_misfits(plain.select(torch.tensor([row])), self.factors)
            best = int(misfit.argmin())
            worthwhile = bool(misfit[best] < WORTHWHILE * base[row])
            chosen.append(self.factors[best] if worthwhile else torch.ones_like(self.factors[best]))
            scales.append(log_scale[best] if worthwhile else plain.log_scale[row])
        texture = torch.stack(chosen)
        return replace(plain, texture=texture, log_scale=torch.stack(scales)), texture
