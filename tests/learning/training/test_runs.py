"""Runs from a spec: cooled down, exported, and refused in a sentence."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pxrdgen.errors import OptionError, TrainingError
from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.plugins.registry import default_registry
from pxrdgen_app.cli.train import app
from pxrdgen_learning.data.dataset import CrystalDataset, pack
from pxrdgen_learning.training import checkpoint, runs
from pxrdgen_learning.training.account import LogLine
from pxrdgen_learning.training.exporting import export
from pxrdgen_learning.training.spec import read_training_spec
from pxrdgen_learning.weights.weights import verify_weights

from .toy import TINY


def test_a_cooldown_branches_off_and_its_weights_serve_the_generator(dataset: CrystalDataset, tmp_path: Path) -> None:
    pack(dataset, tmp_path / "pack.npz")
    (tmp_path / "spec.json").write_text(json.dumps(TINY))
    spec = read_training_spec(tmp_path / "spec.json")
    runs.train(spec.model_copy(update={"training": spec.training.model_copy(update={"steps": 6})}), tmp_path / "run")
    branch, end = runs.cool_down(tmp_path / "run", steps=5)
    assert branch.name == "cooldown-00000006"
    assert end.step == 11
    assert end.crystals > 0
    assert checkpoint.checkpoints(tmp_path / "run")[-1].name == "step-00000006", "the run itself is left as it was"
    rates = [json.loads(line)["rate"] for line in (branch / "log.jsonl").read_text().splitlines()]
    assert rates == sorted(rates, reverse=True)
    assert runs.cool_down(tmp_path / "run", steps=5)[1].step == 11, "repeating it adds nothing"

    (tmp_path / "metrics.json").write_text('{"match": 0.5}')
    card = export(branch, tmp_path / "tiny.safetensors", metrics=tmp_path / "metrics.json")
    assert verify_weights(tmp_path / "tiny.safetensors") == card
    assert (card.max_atoms, card.elements, card.metrics) == (3, [8, 11, 17, 22], {"match": 0.5})
    options = {"weights": str(tmp_path / "tiny.safetensors")}
    assert default_registry().build(ComponentKind.GENERATOR, "flow", options).abilities.can_renoise


def test_a_share_of_the_time_may_be_a_cooldown(dataset: CrystalDataset, tmp_path: Path) -> None:
    pack(dataset, tmp_path / "pack.npz")
    (tmp_path / "spec.json").write_text(json.dumps(TINY | {"training": {**TINY["training"], "steps": 100_000}}))
    command = ["generator", str(tmp_path / "spec.json"), "--out", str(tmp_path / "run"), "--cooldown", "0.5"]
    result = CliRunner().invoke(app, [*command, "--hours", "0.0008"])
    assert result.exit_code == 0, result.output
    (branch,) = (tmp_path / "run").glob("cooldown-*")
    assert str(branch) in result.output.replace("\n", "")
    assert json.loads((branch / "log.jsonl").read_text().splitlines()[-1])["rate"] < 1e-5
    spec = read_training_spec(tmp_path / "spec.json")
    assert runs.train_and_cool_down(spec, tmp_path / "run", seconds=9.0, share=0.5)[0] == branch, "it is done"
    endless = CliRunner().invoke(app, command)
    assert isinstance(endless.exception, OptionError)
    assert "--hours" in str(endless.exception)


def test_a_request_to_stop_is_not_answered_with_a_cooldown(dataset: CrystalDataset, tmp_path: Path) -> None:
    pack(dataset, tmp_path / "pack.npz")
    (tmp_path / "spec.json").write_text(json.dumps(TINY | {"training": {**TINY["training"], "steps": 100_000}}))
    spec = read_training_spec(tmp_path / "spec.json")

    def terminate(line: LogLine) -> None:
        if line.step == 3:
            signal.raise_signal(signal.SIGTERM)

    folder, progress = runs.train_and_cool_down(spec, tmp_path / "run", seconds=600.0, share=0.5, report=terminate)
    assert (folder, progress.step) == (tmp_path / "run", 4)
    assert list(folder.glob("cooldown-*")) == []


def test_several_processes_cannot_branch_off_together(tmp_path: Path) -> None:
    many = {"training": {**TINY["training"], "per_step": 2, "processes": 2}}
    (tmp_path / "spec.json").write_text(json.dumps(TINY | many))
    with pytest.raises(OptionError, match="2 processes and a cooldown"):
        runs.train_and_cool_down(read_training_spec(tmp_path / "spec.json"), tmp_path, seconds=1.0, share=0.5)


def test_what_has_nothing_to_train_says_so(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text("component: {plugin: direct_space}\ncorpus: {path: x.npz}\n")
    with pytest.raises(OptionError, match="nothing to train"):
        runs.build(read_training_spec(tmp_path / "spec.yaml"))


def test_a_run_without_checkpoints_cannot_be_cooled_down(tmp_path: Path) -> None:
    (tmp_path / "spec.json").write_text(json.dumps(TINY))
    with pytest.raises(TrainingError, match="without a checkpoint"):
        runs.cool_down(tmp_path, steps=5)


def test_an_unknown_key_of_a_training_spec_is_answered_with_the_nearest(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text("component: {plugin: flow}\ncorpus: {path: x.npz}\ntraining: {learning_rat: 1}\n")
    with pytest.raises(OptionError, match="learning_rate"):
        read_training_spec(spec)
