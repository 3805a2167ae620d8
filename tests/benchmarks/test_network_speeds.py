"""Speeds of networks, with networks that are tiny."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional

from pxrdgen_benchmarks.subject import Subject
from pxrdgen_benchmarks.tasks.proposing import Proposing, ProposingSpec, cell_of
from pxrdgen_benchmarks.tasks.training_speed import PADDED, PaddedCspNet, TrainingSpeed, _crystals, _tensors
from pxrdgen_learning.data.dataset import CrystalDataset, pack
from pxrdgen_testing.samples import caesium_chloride, rutile

TINY = {"width": 8, "layers": 2, "heads": 2, "peak_width": 8, "pair_hidden": 8, "pair_width": 4}


@pytest.mark.parametrize("threads", [1, 2])
def test_batches_are_timed_and_shared_out(threads: int) -> None:
    options = {"denoiser": {"plugin": "attention", "options": TINY}}
    settings = {"options": options, "steps": 2, "candidates": 3, "threads": threads, "repeats": 1}
    before = torch.get_num_threads()
    row = Proposing().measure(Subject(what=4, column="4 atoms"), ProposingSpec.model_validate(settings))
    assert row.per_second == pytest.approx(3 / row.seconds)
    assert row.cpu_seconds > 0
    assert torch.get_num_threads() == before


def test_made_up_cells_hold_what_they_say() -> None:
    sample = cell_of(8)
    assert sample.problem.num_atoms == 8
    assert sample.crystal.cell.volume == pytest.approx(8 * 14.0)


def test_padding_changes_no_atom() -> None:
    torch.manual_seed(0)
    network = PaddedCspNet(16, 2, 4).double()
    batch = _tensors([rutile()], PADDED, torch.Generator().manual_seed(1))

    def moved(size: int) -> torch.Tensor:
        parts = (batch.species[:, :size], batch.coords[:, :size].double(), batch.basis.double(), batch.mask[:, :size])
        out: torch.Tensor = network(*parts, batch.t[:, None].expand(-1, 256).double())
        return out

    assert functional.mse_loss(moved(6), moved(PADDED)[:, :6]) < 1e-12
    assert moved(PADDED)[:, 6:].abs().max() == 0.0


def test_both_networks_train_on_the_same_crystals(tmp_path: Path) -> None:
    pack(CrystalDataset.from_crystals([rutile(), caesium_chloride()], split="train"), tmp_path / "two.npz")
    task = TrainingSpeed()
    (case,) = task.cases(task.data_model.model_validate({"crystals": tmp_path / "two.npz"}))
    assert len(_crystals(case.what)) == 2
    row = task.measure(case, task.spec_model.model_validate({"width": 16, "layers": 1, "frequencies": 2, "repeats": 1}))
    assert row.ratio == pytest.approx(row.ours / row.padded)
    assert row.padded_by_size > 0.0
