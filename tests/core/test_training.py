"""The training loop: batches, schedule, checkpoints, and going on after a kill as if nothing had happened."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from pxrdgen.components import ComponentKind
from pxrdgen.crystal import Crystal
from pxrdgen.diffraction.form_factors import form_factors
from pxrdgen.errors import DatasetError, OptionError, TrainingError
from pxrdgen.instrument import CUKA
from pxrdgen.io.dataset import CrystalDataset, pack
from pxrdgen.io.weights import verify_weights
from pxrdgen.lattice_symmetry import lattice_rotations
from pxrdgen.registry import default_registry
from pxrdgen.training import checkpoint, runs
from pxrdgen.training.averaging import WeightAverage
from pxrdgen.training.batch import TrainingBatch, epoch_order
from pxrdgen.training.corpus import Corpus
from pxrdgen.training.loop import LogLine, fit
from pxrdgen.training.options import TrainingOptions
from pxrdgen.training.schedule import Schedule
from pxrdgen.training.simulation import observe
from pxrdgen.training.simulation_options import SimulationOptions
from pxrdgen.training.spec import read_training_spec

CLEAN = SimulationOptions(clean_fraction=1.0)
QUICK = TrainingOptions(atoms=16, per_step=2, warmup=4, checkpoint_every=5, threads=1, learning_rate=1e-2)


def crystal(species: list[int], coords: list[list[float]], cell: list[float], name: str) -> Crystal:
    return Crystal(species=np.array(species), frac_coords=np.array(coords), basis=np.diag(cell), name=name)


@pytest.fixture(scope="module")
def dataset() -> CrystalDataset:
    rng = np.random.default_rng(3)
    crystals = [
        crystal([11, 17], [[0, 0, 0], [0.5, 0.5, 0.5]], [3.0 + 0.1 * i] * 3, f"pair-{i}") for i in range(12)
    ] + [crystal([22, 8, 8], rng.random((3, 3)).tolist(), [3.8, 4.1, 4.4 + 0.1 * i], f"triple-{i}") for i in range(10)]
    return CrystalDataset.from_crystals(crystals, source="made up", split="train")


@pytest.fixture(scope="module")
def corpus(dataset: CrystalDataset) -> Corpus:
    return Corpus.from_dataset(dataset)


@dataclass(frozen=True)
class Toy:
    """A model that only guesses a number; enough for the loop."""

    network: nn.Module

    def with_network(self, network: nn.Module) -> Toy:
        return replace(self, network=network)

    def loss(self, batch: TrainingBatch, rng: torch.Generator) -> Tensor:
        noise = torch.randn(len(batch), 4, generator=rng)
        return ((self.network(noise) - batch.crystals.volume[:, None] / 50.0) ** 2).mean(dim=1)


def toy() -> Toy:
    torch.manual_seed(0)
    return Toy(nn.Linear(4, 1))


# --- what is trained on ---


@pytest.mark.parametrize(("cell", "order"), [([4, 4, 4], 24), ([4, 4, 5], 8), ([4, 5, 6], 4)])
def test_lattices_have_the_rotations_of_their_system(cell: list[float], order: int) -> None:
    rotations = lattice_rotations(np.diag(cell).astype(float))
    assert len(rotations) == order
    assert np.array_equal(rotations[0], np.eye(3))


def test_a_hexagonal_lattice_has_twelve_rotations_that_keep_its_metric() -> None:
    basis = np.array([[3.0, 0, 0], [-1.5, 1.5 * math.sqrt(3), 0], [0, 0, 5.0]])
    rotations = lattice_rotations(basis).astype(float)
    metric = basis @ basis.T
    assert len(rotations) == 12
    assert np.allclose(rotations @ metric @ rotations.transpose(0, 2, 1), metric)


def test_rotating_a_crystal_with_its_lattice_leaves_the_pattern(corpus: Corpus) -> None:
    group = corpus.groups[3]
    crystals = group.crystals(torch.tensor([0]))
    rotation = group.rotations[0, int(group.rotation_count[0]) - 1].float()
    turned = replace(crystals, frac_coords=crystals.frac_coords @ rotation)
    first, _ = observe(crystals, CLEAN, torch.Generator().manual_seed(0))
    second, _ = observe(turned, CLEAN, torch.Generator().manual_seed(0))
    assert torch.allclose(first.strength, second.strength, rtol=1e-3, atol=1e-2)


def test_atoms_are_sorted_and_cells_are_lower_triangular(corpus: Corpus) -> None:
    for group in corpus.groups.values():
        assert bool((group.species.diff(dim=1) >= 0).all())
        assert bool((group.basis.triu(1) == 0).all())


def test_a_corpus_without_small_cells_is_refused(dataset: CrystalDataset) -> None:
    with pytest.raises(DatasetError, match="without a crystal"):
        Corpus.from_dataset(dataset, max_volume=1.0)


def test_an_epoch_visits_each_crystal_at_most_once_and_the_seed_decides_the_order(corpus: Corpus) -> None:
    def visits(epoch: int) -> list[tuple[int, int]]:
        steps = epoch_order(corpus, atoms=6, per_step=2, seed=5, epoch=epoch)
        return [(micro.size, row) for step in steps for micro in step for row in micro.rows.tolist()]

    first = visits(0)
    assert len(set(first)) == len(first) >= 18
    assert first == visits(0)
    assert first != visits(1)


def test_down_weighted_sources_are_seen_less_often(dataset: CrystalDataset) -> None:
    half = Corpus.from_dataset(dataset, weights={"made up": 0.5})
    seen = sum(
        len(micro.rows)
        for epoch in range(40)
        for step in epoch_order(half, atoms=2, per_step=1, seed=0, epoch=epoch)
        for micro in step
    )
    assert 0.4 < seen / (40 * len(half)) < 0.6


# --- what is seen of it ---


@pytest.mark.parametrize("index", [(0.0, 0.0, 1.0), (0.0, 1.0, 1.0), (1.0, 1.0, 1.0)])
def test_a_clean_observation_is_the_closed_form(corpus: Corpus, index: tuple[float, ...]) -> None:
    """CsCl type: F = f1 + f2 for h + k + l even, f1 - f2 for odd; a line collects its multiplicity."""
    group = corpus.groups[2]
    observed, _ = observe(group.crystals(torch.tensor([0])), CLEAN, torch.Generator().manual_seed(0))
    members = (observed.hkl[0].abs().sort(dim=1).values == torch.tensor(index)).all(dim=1)
    (line,) = set(observed.group[0][members].tolist())
    s_squared = torch.tensor([[sum(index) / (4.0 * 3.0**2)]], dtype=torch.float64)
    factors, species = form_factors(CUKA), torch.tensor([[11, 17]])
    f = factors.f0(species, s_squared)[0, 0] + factors.f_prime[species[0]] + 1j * factors.f_double_prime[species[0]]
    sign = 1.0 if sum(index) % 2 == 0 else -1.0
    closed = abs(f[0] + sign * f[1]) ** 2 * torch.exp(-16 * math.pi**2 * 0.01 * s_squared)
    assert float(observed.strength[0, line]) == pytest.approx(2 * int(members.sum()) * float(closed), rel=1e-4)


def test_every_reflection_counts_in_exactly_one_group(corpus: Corpus) -> None:
    observed, _ = observe(corpus.groups[3].crystals(torch.arange(4)), CLEAN, torch.Generator().manual_seed(1))
    assert bool((observed.group.diff(dim=1) >= 0).all())
    members = torch.zeros_like(observed.strength).scatter_add_(1, observed.group, observed.measured.float())
    assert bool(((members > 0) | (observed.strength == 0)).all())


def test_augmented_observations_stay_finite_and_differ(corpus: Corpus) -> None:
    crystals = corpus.groups[3].crystals(torch.arange(10))
    rough = SimulationOptions(clean_fraction=0.0)
    first, basis = observe(crystals, rough, torch.Generator().manual_seed(1))
    second, _ = observe(crystals, rough, torch.Generator().manual_seed(2))
    assert bool(torch.isfinite(first.strength).all())
    assert bool((first.strength >= 0).all())
    assert first.strength.shape != second.strength.shape or not torch.allclose(first.strength, second.strength)
    change = (basis - crystals.basis).norm(dim=(1, 2)) / crystals.basis.norm(dim=(1, 2))
    assert 1e-4 < float(change.min()) < float(change.max()) < 0.02


# --- the loop ---


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
    _same_files(tmp_path / "whole", tmp_path / "parts")


def test_a_loss_that_is_not_a_number_stops_and_keeps_the_last_checkpoint(corpus: Corpus, tmp_path: Path) -> None:
    good = toy()
    fit(good, corpus, tmp_path, QUICK.model_copy(update={"steps": 5}))

    @dataclass(frozen=True)
    class Broken(Toy):
        def loss(self, batch: TrainingBatch, rng: torch.Generator) -> Tensor:
            return super().loss(batch, rng) * math.nan

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


def test_an_unknown_key_of_a_training_spec_is_answered_with_the_nearest(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text("component: {plugin: flow}\ncorpus: {path: x.npz}\ntraining: {learning_rat: 1}\n")
    with pytest.raises(OptionError, match="learning_rate"):
        read_training_spec(spec)


# --- a kill at any point ---

TINY = {
    "component": {
        "plugin": "flow",
        "options": {
            "denoiser": {
                "plugin": "attention",
                "options": {"width": 16, "layers": 2, "heads": 2, "peak_width": 8, "pair_hidden": 8, "pair_width": 4},
            }
        },
    },
    "corpus": {"path": "pack.npz"},
    "training": {"steps": 24, "atoms": 12, "warmup": 4, "checkpoint_every": 4, "log_every": 1, "threads": 1},
}


def test_kill_9_and_going_on_gives_the_same_weights_bit_for_bit(dataset: CrystalDataset, tmp_path: Path) -> None:
    pack(dataset, tmp_path / "pack.npz")
    (tmp_path / "spec.json").write_text(json.dumps(TINY))
    _train(tmp_path, "whole")
    killed = _train(tmp_path, "killed", wait=False)
    _wait_for(lambda: len(checkpoint.checkpoints(tmp_path / "killed")) > 0, killed)
    killed.send_signal(signal.SIGKILL)
    killed.wait(timeout=20)
    reached = checkpoint.read_progress(checkpoint.checkpoints(tmp_path / "killed")[-1]).step
    assert 0 < reached < 24, "the kill came too late to test anything"
    _train(tmp_path, "killed")
    _same_files(tmp_path / "whole", tmp_path / "killed")


def test_two_processes_give_the_weights_of_one(dataset: CrystalDataset, tmp_path: Path) -> None:
    """To rounding: the sums of a step are taken in another order."""
    pack(dataset, tmp_path / "pack.npz")
    for processes in (1, 2):
        training = {**TINY["training"], "steps": 6, "processes": processes}  # type: ignore[dict-item]
        (tmp_path / f"spec{processes}.json").write_text(json.dumps({**TINY, "training": training}))
        _train(tmp_path, f"run{processes}", f"spec{processes}.json")
    one, two = (load_file(checkpoint.checkpoints(tmp_path / f"run{n}")[-1] / "network.safetensors") for n in (1, 2))
    assert one.keys() == two.keys()
    assert max(float((one[name] - two[name]).abs().max()) for name in one) < 2e-4
    assert len((tmp_path / "run2" / "log.jsonl").read_text().splitlines()) == 6, "only the first process reports"


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
    card = runs.export(branch, tmp_path / "tiny.safetensors", metrics=tmp_path / "metrics.json")
    assert verify_weights(tmp_path / "tiny.safetensors") == card
    assert (card.max_atoms, card.elements, card.metrics) == (3, [8, 11, 17, 22], {"match": 0.5})
    options = {"weights": str(tmp_path / "tiny.safetensors")}
    assert default_registry().build(ComponentKind.GENERATOR, "flow", options).can_renoise


def test_what_has_nothing_to_train_says_so(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text("component: {plugin: direct_space}\ncorpus: {path: x.npz}\n")
    with pytest.raises(OptionError, match="nothing to train"):
        runs.build(read_training_spec(tmp_path / "spec.yaml"))


def test_a_run_without_checkpoints_cannot_be_cooled_down(tmp_path: Path) -> None:
    (tmp_path / "spec.json").write_text(json.dumps(TINY))
    with pytest.raises(TrainingError, match="without a checkpoint"):
        runs.cool_down(tmp_path, steps=5)


def _train(folder: Path, run: str, spec: str = "spec.json", *, wait: bool = True) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "pxrdgen", "train", "generator", spec, "--out", run]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with (folder / f"{run}.txt").open("ab") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    if wait:
        assert process.wait(timeout=120) == 0, (folder / f"{run}.txt").read_text()
    return process


def _wait_for(condition, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while not condition() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)


def _same_files(first: Path, second: Path) -> None:
    one, two = checkpoint.checkpoints(first)[-1], checkpoint.checkpoints(second)[-1]
    assert one.name == two.name
    for name in ("network", "average", "optimizer"):
        a, b = load_file(one / f"{name}.safetensors"), load_file(two / f"{name}.safetensors")
        assert a.keys() == b.keys()
        assert all(torch.equal(a[key], b[key]) for key in a), name
