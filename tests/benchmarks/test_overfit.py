"""Learning crystals by heart, as far as it can be shown in seconds: what is counted, and that a run goes on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pxrdgen.errors import DatasetError
from pxrdgen.values.crystal import Crystal
from pxrdgen_benchmarks.tasks import overfitting
from pxrdgen_benchmarks.tasks.overfitting import (
    Overfitting,
    OverfittingData,
    OverfittingSpec,
    chosen,
    milestone,
)
from pxrdgen_learning.data.dataset import CrystalDataset, pack
from pxrdgen_learning.training.checkpoint import Progress
from pxrdgen_testing.samples import caesium_chloride, rutile

TINY = {"width": 8, "layers": 2, "heads": 2, "peak_width": 8, "pair_hidden": 8, "pair_width": 4}
SPEC = OverfittingSpec(
    options={"pattern_dropout": 0.0, "denoiser": {"plugin": "attention", "options": TINY}},  # type: ignore[dict-item]
    copies=2, every=2, limit=2, cooldown=2, samples=2, sampling={"steps": 2},
)  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> OverfittingData:
    """Rutile and caesium chloride; polonium is too easy."""
    polonium = Crystal(species=np.array([84]), frac_coords=np.zeros((1, 3)), basis=3.3 * np.eye(3), name="polonium")
    path = tmp_path_factory.mktemp("overfit") / "crystals.npz"
    pack(CrystalDataset.from_crystals([rutile(), caesium_chloride(), polonium], split="train"), path)
    return OverfittingData(crystals=path, count=2, max_atoms=6)


def test_a_run_that_is_killed_goes_on_to_the_same_milestones(
    data: OverfittingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (case,) = Overfitting().cases(data)
    whole = Overfitting().measure(case, SPEC)
    assert (whole.samples, whole.steps) == (4, 4)
    (kept,) = Overfitting().cases(data.model_copy(update={"folder": tmp_path}))
    count, calls = overfitting._hits, []

    def killed_at_the_second(*args: object) -> int:
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return count(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(overfitting, "_hits", killed_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        Overfitting().measure(kept, SPEC)
    again = Overfitting().measure(kept, SPEC)
    assert len(calls) == 3, "the first milestone is not measured again"
    assert replace(again, train_seconds=whole.train_seconds) == whole
    assert Overfitting().measure(kept, SPEC) == again
    assert len(calls) == 3
    (folder,) = tmp_path.iterdir()
    lines = [json.loads(line) for line in (folder / "milestones.jsonl").read_text().splitlines()]
    assert [line["steps"] for line in lines] == [2, 4]
    assert (folder / "overfitted.safetensors").is_file()


def test_crystals_are_chosen_from_the_split_and_have_something_to_learn(data: OverfittingData) -> None:
    assert sorted(chosen(data).ids.tolist()) == ["caesium chloride", "rutile"]
    with pytest.raises(DatasetError, match="got 2 crystals of 2 to 6 atoms"):
        chosen(data.model_copy(update={"count": 3}))


def test_ninety_percent_are_enough() -> None:
    progress = Progress(step=1, seconds=1.0, crystals=1, loss=1.0)
    almost = milestone(progress, 115, 128)
    assert not almost.learned
    assert milestone(progress, 116, 128).learned
    assert almost.matched == pytest.approx(100 * 115 / 128)
    assert 83 < almost.low < almost.matched < almost.high < 95
