"""``cellnet`` as a component: weights and a cell problem in, proposed cells out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.random import Generator as NumpyGenerator
from torch import Tensor, nn

from pxrdgen.errors import CellError
from pxrdgen.interfaces.cell_predictor import CellPredictor
from pxrdgen.values.cell import UnitCell
from pxrdgen.values.cells import CellHypothesis, CellProblem
from pxrdgen_cells.cellnet.feed import LineFeed, first_peaks
from pxrdgen_cells.cellnet.line_lists import LineLists
from pxrdgen_cells.cellnet.model import CellModel
from pxrdgen_cells.cellnet.options import CellNetOptions
from pxrdgen_cells.cellnet.peaks import Condition
from pxrdgen_cells.cellnet.polish import distinct, polish_cells
from pxrdgen_crystallography.lattice.atomic_volumes import estimate_volume
from pxrdgen_crystallography.lattice.volume_prior import log_volume_prior
from pxrdgen_learning.weights.weights import LargerThanTrainedWarning as LargerThanTrainedWarning
from pxrdgen_learning.weights.weights import WeightsCard, warn_if_larger_than_trained

if TYPE_CHECKING:
    from pxrdgen_learning.training.corpus import Corpus

NAME = "cellnet"
#: fewer peaks than this say too little of a cell.
FEWEST_PEAKS = 4


class CellNet(CellPredictor):
    """Proposes cells with a trained network: draws from its distribution of cells that have these peaks.

    Formula and Z help where they are known. Draws are off by a percent or so, and are brought onto the peaks unless
    ``polish`` is off; what comes out is meant to be fitted in the lattice types it comes near to.

    Args:
        options: the network, and how to sample; its weights are loaded by the registry.
    """

    def __init__(self, options: CellNetOptions) -> None:
        self._options = options
        #: what the weights were trained on, once there are any.
        self.card: WeightsCard | None = None
        self._model = CellModel.from_options(options)
        self.network.eval().requires_grad_(False)

    @property
    def network(self) -> nn.Module:
        """What the weights go into."""
        return self._model.network

    @classmethod
    def trainable(cls, options: CellNetOptions) -> CellModel:
        """An untrained model, for the training loop."""
        return CellModel.from_options(options)

    @classmethod
    def feed(cls, corpus: Corpus, options: CellNetOptions) -> LineFeed:
        """Augmented line lists of the corpus, for the training loop."""
        lines = LineLists.from_corpus(corpus)
        return LineFeed(lines=lines, augmentation=options.augmentation, max_peaks=options.max_peaks)

    def predict(self, problem: CellProblem, count: int, rng: NumpyGenerator) -> Sequence[CellHypothesis]:
        """At most ``count`` cells no larger than ``problem.max_volume``.

        With ``polish`` the best different ones of a pool of draws, best first, scored by how well they explain the
        first peaks (and by the volume, with a formula); without, draws as they come, all equally likely.
        """
        self._check(problem)
        condition = condition_of(problem, max_peaks=self._model.max_peaks)
        generator = torch.Generator().manual_seed(int(rng.integers(2**63 - 1)))
        draws = max(count, self._options.pool) if self._options.polish else count
        chunks = [self._options.chunk] * (draws // self._options.chunk) + [draws % self._options.chunk]
        bases = torch.cat([self._model.sample(condition, size, generator) for size in chunks if size])
        volume = torch.diagonal(bases, dim1=-2, dim2=-1).prod(-1)
        bases = bases[volume <= problem.max_volume]
        if not self._options.polish:
            return _hypotheses(bases, torch.zeros(len(bases)), problem.max_volume)
        return self._best(bases, condition, problem)[:count]

    def _best(self, bases: Tensor, condition: Condition, problem: CellProblem) -> list[CellHypothesis]:
        wavelength = problem.prepared.peaks.wavelength
        fitted, scores = polish_cells(bases.double(), condition.q[0].double(), condition.mask[0], wavelength)
        volume = torch.diagonal(fitted, dim1=-2, dim2=-1).prod(-1)
        prior = [log_volume_prior(float(each), problem.composition, problem.z) for each in volume]
        scores = scores + torch.tensor(prior, dtype=scores.dtype)
        rows = distinct(fitted, torch.argsort(scores, descending=True), len(fitted))
        return _hypotheses(fitted[rows], scores[rows], problem.max_volume)

    def _check(self, problem: CellProblem) -> None:
        peaks = len(problem.prepared.peaks)
        if peaks < FEWEST_PEAKS:
            raise CellError(
                f"got {peaks} peak(s), expected at least {FEWEST_PEAKS} to propose cells; "
                "measure a wider range or longer, or give the cell"
            )
        if problem.composition is not None and problem.z is not None:
            atoms = problem.composition.num_atoms * problem.z
            warn_if_larger_than_trained(self.card, atoms, stacklevel=3)


def condition_of(problem: CellProblem, *, max_peaks: int) -> Condition:
    """What the network is told about a problem: its peaks, and formula and Z where they are known."""
    peaks = problem.prepared.peaks
    q = torch.as_tensor(1.0 / peaks.d_spacing**2, dtype=torch.float32)[None]
    share = torch.as_tensor(np.maximum(peaks.area, 0.0), dtype=torch.float32)[None]
    species, volume = np.zeros(1, dtype=np.int64), 1.0
    if problem.composition is not None:
        z = problem.z or 1
        species = problem.composition.species(z)
        volume = z * estimate_volume(problem.composition)[0]
    condition = first_peaks(
        q, share, species=torch.as_tensor(species)[None], volume=torch.tensor([volume]), max_peaks=max_peaks
    )
    return condition.knowing(formula=problem.composition is not None, z=problem.z is not None)


def _hypotheses(bases: Tensor, scores: Tensor, max_volume: float) -> list[CellHypothesis]:
    cells = ((_reduced(basis), float(score)) for basis, score in zip(bases.double().numpy(), scores, strict=True))
    return [
        CellHypothesis(cell=cell, origin=NAME, score=score)
        for cell, score in cells
        if cell is not None and cell.volume <= max_volume
    ]


def _reduced(basis: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> UnitCell | None:
    try:
        return UnitCell.from_basis(basis).niggli()[0]
    except CellError:
        return None
