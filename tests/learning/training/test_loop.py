"""The training loop: schedule, average, loss, checkpoints, precision."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from pxrdgen.errors import OptionError, TrainingError
from pxrdgen_learning.training import checkpoint, loop
from pxrdgen_learning.training.averaging import WeightAverage
from pxrdgen_learning.training.batch import TrainingBatch
from pxrdgen_learning.training.corpus import Corpus
from pxrdgen_learning.training.loop import LogLine, fit
from pxrdgen_learning.training.schedule import Schedule

from .toy import QUICK, Toy, same_files, toy


def test_the_rate_warms_up_stays_and_falls_to_zero() -> None:
    schedule = Schedule(peak=1.0, warmup=10, cooldown_start=100, cooldown_steps=50)
    assert schedule(0) == pytest.approx(0.1)
    assert schedule(9) == schedule(99) == schedule(100) == 1.0
    assert schedule(125) == pytest.approx(0.5)
    assert schedule(150) == pytest.approx(0.0)
    assert schedule.end == 150


def test_the_average_of_constant_weights_is_those_weights() -> None:
    network = nn.Linear(2, 2)
    average = WeightAverage(network, 0.9)
    for step in range(5):
        average.update(network, step)
    assert torch.allclose(average.values()["weight"], network.weight)


def test_training_lowers_the_loss_and_reports(corpus: Corpus, tmp_path: Path) -> None:
    lines: list[LogLine] = []
    options = QUICK.model_copy(update={"steps": 60, "log_every": 10})
    progress = fit(toy(), corpus, tmp_path, options, report=lines.append)
    assert progress.step == 60
    assert [line.step for line in lines] == [10, 20, 30, 40, 50, 60]
    assert lines[-1].loss < lines[0].loss
    assert lines[-1].crystals_per_second > 0


def test_training_in_two_parts_equals_training_in_one(corpus: Corpus, tmp_path: Path) -> None:
    whole = fit(toy(), corpus, tmp_path / "whole", QUICK.model_copy(update={"steps": 23}))
    fit(toy(), corpus, tmp_path / "parts", QUICK.model_copy(update={"steps": 9}))
    parts = fit(toy(), corpus, tmp_path / "parts", QUICK.model_copy(update={"steps": 23}))
    assert (whole.step, whole.epoch, whole.loss) == (parts.step, parts.epoch, parts.loss)
    same_files(tmp_path / "whole", tmp_path / "parts")


def test_reading_the_loss_a_step_later_changes_nothing(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a GPU does it, so that it need not be waited for."""
    at_once: list[LogLine] = []
    later: list[LogLine] = []
    options = QUICK.model_copy(update={"steps": 20, "log_every": 5, "checkpoint_every": 8})
    whole = fit(toy(), corpus, tmp_path / "at once", options, report=at_once.append)
    monkeypatch.setattr(loop, "_LAG", {"cpu": 1})
    lagging = fit(toy(), corpus, tmp_path / "later", options, report=later.append)
    assert (whole.step, whole.crystals, whole.loss) == (lagging.step, lagging.crystals, lagging.loss)
    assert [(line.step, line.loss) for line in at_once] == [(line.step, line.loss) for line in later]
    same_files(tmp_path / "at once", tmp_path / "later")


def test_a_loss_that_is_not_a_number_is_noticed_a_step_later_too(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "_LAG", {"cpu": 1})
    with pytest.raises(TrainingError, match=r"at step 0; .*bad-step-00000000"):
        fit(Broken(nn.Linear(4, 1)), corpus, tmp_path, QUICK)
    assert checkpoint.checkpoints(tmp_path) == []


@dataclass(frozen=True)
class Broken(Toy):
    """A loss that is not a number."""

    def loss(self, batch: TrainingBatch, rng: torch.Generator) -> Tensor:
        return super().loss(batch, rng) * math.nan


def test_a_loss_that_is_not_a_number_stops_and_keeps_the_last_checkpoint(corpus: Corpus, tmp_path: Path) -> None:
    good = toy()
    fit(good, corpus, tmp_path, QUICK.model_copy(update={"steps": 5}))
    with pytest.raises(TrainingError, match="last good checkpoint"):
        fit(Broken(nn.Linear(4, 1)), corpus, tmp_path, QUICK)
    (kept,) = checkpoint.checkpoints(tmp_path)
    assert kept.name == "step-00000005"
    assert all(bool(torch.isfinite(t).all()) for t in load_file(kept / "network.safetensors").values())


def test_a_checkpoint_of_another_network_is_refused(corpus: Corpus, tmp_path: Path) -> None:
    fit(toy(), corpus, tmp_path, QUICK.model_copy(update={"steps": 2}))
    with pytest.raises(TrainingError, match="does not fit"):
        fit(Toy(nn.Linear(4, 2)), corpus, tmp_path, QUICK)


def test_old_checkpoints_go_and_milestones_stay(corpus: Corpus, tmp_path: Path) -> None:
    fit(toy(), corpus, tmp_path, QUICK.model_copy(update={"steps": 30, "keep_every": 10}))
    assert [path.name[-2:] for path in checkpoint.checkpoints(tmp_path)] == ["10", "20", "25", "30"]


def test_half_written_checkpoints_are_not_seen(tmp_path: Path) -> None:
    (tmp_path / ".partial-step-00000009-1").mkdir()
    assert checkpoint.checkpoints(tmp_path) == []


def test_micro_batches_that_cannot_be_shared_out_are_refused(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="make per_step a multiple"):
        fit(toy(), corpus, tmp_path, QUICK.model_copy(update={"per_step": 3, "processes": 2}))


def test_bfloat16_rounds_products_and_nothing_else(corpus: Corpus, tmp_path: Path) -> None:
    seen: list[torch.dtype] = []

    @dataclass(frozen=True)
    class Watched(Toy):
        def loss(self, batch: TrainingBatch, rng: torch.Generator) -> Tensor:
            noise = torch.randn(len(batch), 4, generator=rng)
            out = self.network(noise)
            exact = noise @ noise.T
            seen.extend([out.dtype, exact.dtype])
            assert not torch.equal(out.detach(), plain(noise).detach())
            return ((out - batch.crystals.volume[:, None] / 50.0) ** 2).mean(dim=1)

    model = toy().network
    plain = toy().network
    options = QUICK.model_copy(update={"steps": 1, "precision": "bfloat16"})
    fit(Watched(model), corpus, tmp_path, options)
    assert set(seen) == {torch.float32}
    weights = load_file(checkpoint.checkpoints(tmp_path)[-1] / "network.safetensors")
    assert {value.dtype for value in weights.values()} == {torch.float32}
