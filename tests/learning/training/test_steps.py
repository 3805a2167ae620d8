"""Steps made ready ahead of time, and everything on the device that is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

from pxrdgen.errors import OptionError, TrainingError
from pxrdgen_learning.training.batch import Rows, TrainingBatch, make_batch
from pxrdgen_learning.training.corpus import Corpus
from pxrdgen_learning.training.feed import CrystalFeed
from pxrdgen_learning.training.loop import fit
from pxrdgen_learning.training.options import TrainingOptions
from pxrdgen_learning.training.simulation_options import SimulationOptions

from .toy import QUICK, Toy, same_files, toy


@dataclass(frozen=True)
class TwoParts(Toy):
    """The toy, with a part of its loss that needs no network."""

    def prepare(self, batch: TrainingBatch, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        return torch.randn(len(batch), 4, generator=rng), batch.crystals.volume[:, None] / 50.0

    def prepared_loss(self, prepared: tuple[Tensor, Tensor]) -> Tensor:
        noise, target = prepared
        return ((self.network(noise) - target) ** 2).mean(dim=1)


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_that_prepare_change_nothing(threads: int, corpus: Corpus, tmp_path: Path) -> None:
    options = QUICK.model_copy(update={"steps": 12})
    fit(toy(), corpus, tmp_path / "alone", options)
    fit(toy(), corpus, tmp_path / "helped", options.model_copy(update={"prefetch": threads}))
    same_files(tmp_path / "alone", tmp_path / "helped")


def test_a_loss_in_two_parts_is_the_same_loss(corpus: Corpus, tmp_path: Path) -> None:
    options = QUICK.model_copy(update={"steps": 7, "prefetch": 1})
    fit(toy(), corpus, tmp_path / "whole", options)
    fit(TwoParts(toy().network), corpus, tmp_path / "parts", options)
    same_files(tmp_path / "whole", tmp_path / "parts")


def test_what_fails_on_a_thread_fails_in_the_loop(corpus: Corpus, tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Broken(CrystalFeed):
        def batch(self, rows: Rows, options: TrainingOptions, rng: torch.Generator) -> TrainingBatch:
            del rows, options, rng
            raise ArithmeticError("no batch today")

    with pytest.raises(ArithmeticError, match="no batch today"):
        fit(toy(), Broken(corpus), tmp_path, QUICK.model_copy(update={"prefetch": 2}))


def test_no_tensor_is_made_on_whatever_device_is_the_default(corpus: Corpus) -> None:
    """Batches live where their source of noise does; a stray tensor would be on ``meta`` and refuse to mix."""
    rows, options = Rows(size=3, rows=torch.arange(4)), SimulationOptions()
    plain = make_batch(corpus, rows, options, torch.Generator().manual_seed(1))
    with torch.device("meta"):
        batch = make_batch(corpus, rows, options, torch.Generator(device="cpu").manual_seed(1))
    assert torch.equal(batch.observed.strength, plain.observed.strength)
    assert torch.equal(batch.basis, plain.basis)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_missing_is_said_to_be(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="torch sees 0"):
        fit(toy(), corpus, tmp_path, QUICK.model_copy(update={"device": "cuda"}))


def test_batches_that_are_made_on_the_processor_stay_there(corpus: Corpus, tmp_path: Path) -> None:
    class Own:
        def order(self, options: TrainingOptions, epoch: int) -> object:
            return CrystalFeed(corpus).order(options, epoch)

        def batch(self, rows: Rows, options: TrainingOptions, rng: torch.Generator) -> object:
            return CrystalFeed(corpus).batch(rows, options, rng)

    with pytest.raises(TrainingError, match="device: cpu"):
        fit(toy(), Own(), tmp_path, QUICK.model_copy(update={"device": "cuda"}))  # type: ignore[arg-type]
