"""How likely a texture is before any structure is known: intensities under it should be those of random atoms."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pxrdgen.values.intensity_target import IntensityTarget
from pxrdgen_crystallography.diffraction.texture import march_dollase
from pxrdgen_crystallography.structure_fit.texture_fit import low_index_axes
from pxrdgen_generators.dual_space.amplitudes import Amplitudes
from pxrdgen_generators.dual_space.reflection_symmetry import ReflectionSymmetry

#: March-Dollase ratios tried; 1 is no texture.
RATIOS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.12, 1.3, 1.5, 1.8)
#: Wilson B (A^2) that each texture may choose from.
THERMALS = (0.3, 0.8, 1.3, 1.8, 2.4)
#: chance that a round takes no texture whatever the likelihood says: it gives false alarms (petalite, one of 18).
UNTEXTURED = 0.35
#: degrees of freedom of an intensity by reflection, over two: 1/2 centric (Wilson 1949, doi:10.1107/S0365110X49000813).
SHAPE = 0.5


class TexturePrior:
    """Textures of one target with the chance of each, exp(half the gain in log likelihood).

    Args:
        target: its intensities.
        symmetry: of the likeliest group: reflections it makes equal count once.
    """

    def __init__(self, target: IntensityTarget, symmetry: ReflectionSymmetry) -> None:
        axes, ratios = low_index_axes(), torch.tensor(RATIOS)
        count = len(axes) * len(RATIOS)
        self.ratios = ratios.repeat(len(axes))
        #: [T, n] factor of each reflection.
        self.factors = march_dollase(
            target.hkl.expand(count, -1, -1),
            target.basis.expand(count, -1, -1),
            axes.repeat_interleave(len(RATIOS), dim=0),
            self.ratios,
        )
        likelihood = self._log_likelihood(target, symmetry)
        plain = self.ratios == 1.0
        gain = (0.5 * (likelihood - likelihood[plain].max())).clamp(max=30.0)
        self._chance = torch.softmax(gain, dim=0).double().numpy()

    def draw(self, rng: np.random.Generator) -> Tensor | None:
        """[n] factors, or ``None`` for no texture."""
        if rng.random() < UNTEXTURED:
            return None
        row = int(rng.choice(len(self._chance), p=self._chance / self._chance.sum()))
        return None if float(self.ratios[row]) == 1.0 else self.factors[row]

    def _log_likelihood(self, target: IntensityTarget, symmetry: ReflectionSymmetry) -> Tensor:
        """[T] of the groups, each a gamma variable of as many degrees of freedom as it has different reflections."""
        plain = Amplitudes.of(target)
        hkl = plain.hkl.numpy()
        same = (symmetry.images == hkl).all(axis=2)
        epsilon = torch.as_tensor(np.where(same, np.cos(symmetry.phase), 0.0).sum(axis=0)).round().clamp_min(0.0)
        star = torch.as_tensor(np.where(symmetry.image >= 0, symmetry.image, len(hkl)).min(axis=0))
        first = (star == torch.arange(len(hkl))) & (epsilon > 0)
        shape = torch.zeros(target.num_groups, dtype=torch.float64)
        shape.index_add_(0, target.group[first], torch.full((int(first.sum()),), SHAPE, dtype=torch.float64))
        counts = torch.bincount(target.element_of, minlength=target.elements.numel()).double()
        squared = target.normal.double() ** 2 @ counts
        used = shape > 0
        observed = target.observed.double()[used].clamp_min(1e-6)
        best = torch.full((len(self.ratios),), -torch.inf, dtype=torch.float64)
        for thermal in THERMALS:
            power = epsilon * target.factor.double() * squared * torch.exp(-2.0 * thermal * target.s_squared.double())
            mean = torch.zeros(len(self.ratios), target.num_groups, dtype=torch.float64)
            mean.index_add_(1, target.group, self.factors.double() * power)
            mean = mean[:, used].clamp_min(1e-12)
            n = shape[used]
            scale = (n * observed / mean).sum(1, keepdim=True) / n.sum()
            mean = mean * scale
            best = torch.maximum(best, -(n * (torch.log(mean) + observed / mean)).sum(1))
        return best
