"""One thing wrong with a pattern at a time: what a solver is robust against, and how far.

Everything else is as a good laboratory has it: Cu K-alpha, 10-80 degrees by 0.02, 10^4 counts on 2 % background,
Uiso 0.01 A^2, the true cell.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from pxrdgen.values.composition import Composition
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.instrument import CUKA, Instrument
from pxrdgen.values.pattern import PowderPattern
from pxrdgen_benchmarks.cases import Case
from pxrdgen_benchmarks.perturbed import TEXTURE_AXES, cell_off, humped_background, textured_profile
from pxrdgen_solver.question.question import Question

#: widths in centidegrees, as usual for a laboratory instrument.
USUAL = Instrument(radiation=CUKA, u=4.0, v=-2.0, w=6.0, x=2.0, y=4.0, name="usual")
#: counts at the highest point, share of background, highest angle, where nothing is said.
COUNTS, BACKGROUND, LAST = 1e4, 0.02, 80.0


class Factor(StrEnum):
    """What is disturbed; the level's unit."""

    NONE = "none"
    NOISE = "noise"  #: counts at the highest point
    WIDTH = "width"  #: times the usual width
    ZERO = "zero"  #: degrees
    BACKGROUND = "background"  #: of the highest peak
    IMPURITY = "impurity"  #: highest line of another crystal over the highest of this one
    RANGE = "range"  #: last angle, degrees
    CELL = "cell"  #: percent, in a random direction that keeps the lattice's symmetry
    TEXTURE = "texture"  #: March-Dollase ratio
    U_ISO = "u_iso"  #: A^2
    WRONG_Z = "wrong_z"  #: formula units too many; there is no right answer


@dataclass(frozen=True, kw_only=True)
class DisturbedCase(Case):
    """A crystal's pattern with one thing wrong.

    Args:
        index: seeds the noise and the directions.
        factor, level: what is wrong.
        stranger: the impurity.
    """

    index: int
    factor: Factor
    level: float
    stranger: Crystal

    def question(self) -> Question:
        """What the solver is given."""
        rng = np.random.default_rng([self.index, 17])
        noise = np.random.default_rng([self.index, 18])
        composition, z = Composition.from_species(self.truth.species).reduced()
        cell = self.truth.cell
        if self.factor is Factor.CELL:
            cell = cell_off(self.truth, rng, (self.level / 100, self.level / 100))
        if self.factor is Factor.WRONG_Z:
            z += round(self.level)
        return Question(pattern=self._pattern(rng, noise), cell=cell, composition=composition, z=z)

    def _pattern(self, rng: np.random.Generator, noise: np.random.Generator) -> PowderPattern:
        last = self._level(Factor.RANGE, LAST)
        grid = np.arange(10.0, last + 1e-9, 0.02)
        instrument = self._instrument()
        u_iso = np.full(len(self.truth), self._level(Factor.U_ISO, 0.01))
        axis = TEXTURE_AXES[int(rng.integers(len(TEXTURE_AXES)))]
        ratio = self._level(Factor.TEXTURE, 1.0)
        peaks = textured_profile(replace(self.truth, u_iso=u_iso), instrument, grid, ratio, axis, last=last + 2.0)
        peaks = peaks / peaks.max()
        if self.factor is Factor.IMPURITY:
            other = textured_profile(replace(self.stranger, u_iso=None), instrument, grid, 1.0, axis, last=last + 2.0)
            peaks = peaks + self.level * other / other.max()
        background = self._level(Factor.BACKGROUND, BACKGROUND) * humped_background(grid, rng)
        counts = noise.poisson(self._level(Factor.NOISE, COUNTS) * (peaks + background)).astype(np.float64)
        return PowderPattern(two_theta=grid, intensity=counts, instrument=Instrument(radiation=CUKA))

    def _instrument(self) -> Instrument:
        times = self._level(Factor.WIDTH, 1.0)
        return replace(
            USUAL,
            zero=self._level(Factor.ZERO, 0.0),
            u=USUAL.u * times**2,
            v=USUAL.v * times**2,
            w=USUAL.w * times**2,
            x=USUAL.x * times,
            y=USUAL.y * times,
        )

    def _level(self, factor: Factor, usual: float) -> float:
        return self.level if self.factor is factor else usual
