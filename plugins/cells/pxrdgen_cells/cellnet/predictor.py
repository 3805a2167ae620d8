"""``cellnet`` as a component: weights and a cell problem in, proposed cells out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.random import Generator as NumpyGenerator
from torch import Tensor

from pxrdgen.errors import CellError, OptionError, WeightsError
from pxrdgen.interfaces.cell_predictor import CellPredictor
from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.values.cell import UnitCell
from pxrdgen.values.cells import CellHypothesis, CellProblem
from pxrdgen_cells.cellnet.feed import LineFeed, first_peaks
from pxrdgen_cells.cellnet.line_lists import LineLists
from pxrdgen_cells.cellnet.model import CellModel
from pxrdgen_cells.cellnet.options import CellNetOptions
from pxrdgen_cells.cellnet.peaks import Condition
from pxrdgen_cells.cellnet.polish import distinct, polished
from pxrdgen_crystallography.lattice.atomic_volumes import estimate_volume
from pxrdgen_crystallography.lattice.volume_prior import log_volume_prior
from pxrdgen_learning.weights.weights import LargerThanTrainedWarning as LargerThanTrainedWarning
from pxrdgen_learning.weights.weights import WeightsCard, find_weights, load_weights, warn_if_larger_than_trained

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
        options: which weights, and how to sample.
        model: a model to use instead of loading ``options.weights``.
        card: what that model was trained on.

    Raises:
        UnknownComponentError, WeightsError: the weights are missing, damaged, or another component's.
        OptionError: the network's options are given and differ from those of the weights.
    """

    def __init__(
        self, options: CellNetOptions, *, model: CellModel | None = None, card: WeightsCard | None = None
    ) -> None:
        self._options = options
        self._card = card
        if model is None:
            self._card, model = _load(options)
        self._model = model
        self._model.network.eval().requires_grad_(False)

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
        fitted, scores = polished(bases.double(), condition.q[0].double(), condition.mask[0], wavelength)
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
            warn_if_larger_than_trained(self._card, atoms, stacklevel=3)


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


def _load(options: CellNetOptions) -> tuple[WeightsCard, CellModel]:
    path = find_weights(options.weights)
    card, tensors = load_weights(path, kind=ComponentKind.CELL_PREDICTOR, component=NAME)
    trained = CellNetOptions.model_validate(card.options)
    if "network" in options.model_fields_set and options.network != trained.network:
        raise OptionError(
            f"got options of the network that differ from those of the weights {options.weights!r}; leave them out"
        )
    built = options.model_copy(update={"network": trained.network, "max_peaks": trained.max_peaks})
    with torch.random.fork_rng():
        model = CellModel.from_options(built)
    expected = {name for name, _ in model.network.named_parameters()}
    if expected != set(tensors):
        odd = sorted(expected ^ set(tensors))
        raise WeightsError(f"got weights {path} that do not fit their own card (first: {odd[0]}); download them again")
    try:
        model.network.load_state_dict(tensors, strict=False)
    except RuntimeError as error:
        raise WeightsError(f"got weights {path} of other shapes than their card says; download them again") from error
    return card, model
