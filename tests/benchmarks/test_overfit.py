"""Learning crystals by heart, as far as it can be shown in seconds: what is counted, and that a run goes on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pxrdgen.errors import DatasetError, OptionError
from pxrdgen.values.crystal import Crystal
from pxrdgen_benchmarks.overfit import Milestone, OverfitPlan, chosen, overfit, small_spec
from pxrdgen_learning.data.dataset import CrystalDataset, pack
from pxrdgen_learning.training.spec import TrainingSpec
from pxrdgen_testing.samples import caesium_chloride, rutile

PLAN = OverfitPlan(crystals=2, max_atoms=6, copies=2, every=2, limit=2, cooldown=2, samples=2, sample_steps=2)


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> TrainingSpec:
    """A tiny flow, to be trained on rutile and caesium chloride; polonium is too easy."""
    polonium = Crystal(species=np.array([84]), frac_coords=np.zeros((1, 3)), basis=3.3 * np.eye(3), name="polonium")
    path = tmp_path_factory.mktemp("overfit") / "crystals.npz"
    pack(CrystalDataset.from_crystals([rutile(), caesium_chloride(), polonium], split="train"), path)
    tiny = {"width": 8, "layers": 2, "heads": 2, "peak_width": 8, "pair_hidden": 8, "pair_width": 4}
    small = small_spec("flow/attention", path)
    options = {**small.component.options, "denoiser": {"plugin": "attention", "options": tiny}}
    return small.model_copy(update={"component": small.component.model_copy(update={"options": options})})


def test_a_run_that_is_stopped_goes_on_to_the_same_milestones(spec: TrainingSpec, tmp_path: Path) -> None:
    whole = overfit(spec, tmp_path / "whole", PLAN)
    assert [(m.step, m.samples) for m in whole] == [(2, 4), (4, 4)]
    assert overfit(spec, tmp_path / "parts", PLAN, max_seconds=0.0) == []
    parts = overfit(spec, tmp_path / "parts", PLAN)
    assert [(m.step, m.hits, m.loss) for m in parts] == [(m.step, m.hits, m.loss) for m in whole]
    assert overfit(spec, tmp_path / "parts", PLAN) == parts
    assert (tmp_path / "parts" / "overfitted.safetensors").is_file()
    with pytest.raises(OptionError, match="another run"):
        overfit(spec, tmp_path / "parts", replace(PLAN, copies=3))


def test_crystals_are_chosen_from_the_split_and_have_something_to_learn(spec: TrainingSpec) -> None:
    assert sorted(chosen(spec.corpus, PLAN).ids.tolist()) == ["caesium chloride", "rutile"]
    with pytest.raises(DatasetError, match="got 2 crystals of 2 to 6 atoms"):
        chosen(spec.corpus, replace(PLAN, crystals=3))


def test_ninety_percent_are_enough() -> None:
    almost = Milestone(step=1, seconds=1.0, crystals=1, loss=1.0, hits=115, samples=128)
    assert not almost.learned
    assert replace(almost, hits=116).learned
    assert Milestone.from_mapping({**vars(almost)}) == almost
    assert 0.83 < almost.rate.low < almost.rate.share < almost.rate.high < 0.95


def test_names_of_networks_are_checked(tmp_path: Path) -> None:
    assert small_spec("diffusion/cspnet/cnn", tmp_path).component.options["encoder"]["plugin"] == "cnn"
    with pytest.raises(OptionError, match="did you mean 'cspnet'"):
        small_spec("flow/cspnett", tmp_path)
    with pytest.raises(OptionError, match="GENERATOR/DENOISER"):
        small_spec("flow", tmp_path)
