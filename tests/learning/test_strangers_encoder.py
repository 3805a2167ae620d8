"""A stranger's encoder, whose options know nothing of weights: pre-trained, exported, used in a flow, fixed or not."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from pydantic import BaseModel, ConfigDict
from safetensors.torch import load_file
from torch import Tensor, nn

from pxrdgen.errors import OptionError, WeightsError
from pxrdgen.interfaces import PatternEncoder
from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.plugins.components import ComponentRecord
from pxrdgen.plugins.registry import Registry
from pxrdgen.plugins.resolution import resolve_spec
from pxrdgen.plugins.sources import PluginSource, installed_sources
from pxrdgen.specs.component import ComponentSpec
from pxrdgen.specs.pipeline import PipelineSpec
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.pattern_batch import PatternBatch, PatternFeatures
from pxrdgen_learning.data.dataset import CrystalDataset, pack
from pxrdgen_learning.training import exporting, runs
from pxrdgen_learning.training.spec import TrainingSpec
from pxrdgen_learning.weights.restore import WeightsFile
from pxrdgen_learning.weights.weights import read_card
from pxrdgen_testing.samples import rutile, rutile_sample

DENOISER = {
    "plugin": "attention",
    "options": {"width": 8, "layers": 2, "heads": 2, "peak_width": 8, "pair_hidden": 8, "pair_width": 4},
}


class StrangerOptions(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    width: int = 8
    hidden: int = 16


class StrangerEncoder(nn.Module, PatternEncoder):
    """Strength-weighted positions through two layers, with all that training mode changes: a norm and dropout."""

    #: whether it was in training mode, each time it was asked.
    modes: ClassVar[list[bool]] = []

    def __init__(self, options: StrangerOptions) -> None:
        super().__init__()
        self._width = options.width
        self.layers = nn.Sequential(
            nn.Linear(2, options.hidden), nn.BatchNorm1d(options.hidden), nn.Dropout(0.3), nn.SiLU()
        )
        self.out = nn.Linear(options.hidden, options.width)

    @property
    def width(self) -> int:
        return self._width

    def encode(self, patterns: PatternBatch) -> PatternFeatures:
        self.modes.append(self.training)
        position, strength = patterns.peaks[..., 0], patterns.peaks[..., 1]
        seen = torch.stack([(position * strength).sum(1), (position**2 * strength).sum(1)], dim=-1)
        return PatternFeatures(vector=self.out(self.layers(seen)))


class StrangerWeights(WeightsFile):
    """What the stranger's distribution brings along."""

    path = Path()


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rutile in cells of eight sizes."""
    crystal = rutile()
    basis = np.linalg.cholesky(crystal.basis @ crystal.basis.T)
    crystals = [
        Crystal(
            species=crystal.species,
            frac_coords=crystal.frac_coords,
            basis=(1.0 + 0.01 * number) * basis,
            name=str(number),
        )
        for number in range(8)
    ]
    path = tmp_path_factory.mktemp("stranger") / "pack.npz"
    pack(CrystalDataset.from_crystals(crystals), path)
    return path


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    """What is installed, and the stranger's distribution beside it."""
    module = types.ModuleType("stranger_parts")
    for part in (StrangerOptions, StrangerEncoder, StrangerWeights):
        setattr(module, part.__name__, part)
    monkeypatch.setitem(sys.modules, "stranger_parts", module)
    records = (
        ComponentRecord(
            kind=ComponentKind.ENCODER,
            name="stranger",
            target="stranger_parts:StrangerEncoder",
            options="stranger_parts:StrangerOptions",
        ),
        ComponentRecord(kind=ComponentKind.WEIGHTS, name="stranger-base", target="stranger_parts:StrangerWeights"),
    )
    found = Registry([*installed_sources(), PluginSource.of("pxrdgen-stranger", *records)])
    for place in (runs, exporting):
        monkeypatch.setattr(place, "default_registry", lambda: found)
    monkeypatch.setattr(StrangerEncoder, "modes", [])
    return found


@pytest.fixture
def base(registry: Registry, packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The encoder after three steps against a structure encoder, installed under the name ``stranger-base``."""
    component = {"plugin": "stranger", "options": {"hidden": 12}}
    contrast = {"structure_encoder": {"plugin": "cspnet", "options": {"width": 8, "hidden": 8, "layers": 1}}}
    path = trained(packed, tmp_path / "base", kind="encoder", component=component, contrastive=contrast)
    assert all(StrangerEncoder.modes), "nothing of it is fixed yet"
    StrangerEncoder.modes.clear()
    monkeypatch.setattr(StrangerWeights, "path", path)
    return path


def trained(packed: Path, out: Path, **spec: object) -> Path:
    """Weights after three steps."""
    training = {"steps": 3, "atoms": 24, "per_step": 2, "warmup": 1, "threads": 1, "learning_rate": 1e-2}
    whole = TrainingSpec.model_validate({**spec, "corpus": {"path": str(packed), "split": ""}, "training": training})
    runs.train(whole, out)
    weights = out / "exported.safetensors"
    exporting.export(out, weights)
    return weights


def flow_with(packed: Path, out: Path, encoder: dict[str, object]) -> Path:
    options = {"denoiser": DENOISER, "encoder": encoder}
    return trained(packed, out, component={"plugin": "flow", "options": options})


def encoder_of(weights: Path, prefix: str = "encoder.") -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in load_file(weights).items() if name.startswith(prefix)}


def test_fixed_it_keeps_every_tensor_and_its_mode_while_the_flow_learns(
    base: Path, packed: Path, tmp_path: Path
) -> None:
    """The statistics of its norm are tensors too, and stay those of the pre-training."""
    flow = flow_with(packed, tmp_path / "flow", {"plugin": "stranger", "weights": "stranger-base", "fixed": True})
    before, after = encoder_of(base, ""), encoder_of(flow)
    assert {"layers.1.running_mean", "layers.1.running_var"} <= before.keys()
    assert float(before["layers.1.running_mean"].abs().max()) > 0
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert StrangerEncoder.modes
    assert not any(StrangerEncoder.modes)


def test_unfixed_it_begins_with_its_weights_and_goes_on_learning(base: Path, packed: Path, tmp_path: Path) -> None:
    flow = flow_with(packed, tmp_path / "flow", {"plugin": "stranger", "weights": "stranger-base"})
    before, after = encoder_of(base, ""), encoder_of(flow)
    assert before["out.weight"].shape == after["out.weight"].shape == (8, 12)
    moved = float((before["out.weight"] - after["out.weight"]).abs().max())
    assert 0.0 < moved < 0.05, "three steps of at most 0.01 each from where it was, and not from elsewhere"
    assert StrangerEncoder.modes
    assert all(StrangerEncoder.modes)


@pytest.mark.parametrize("fixed", [True, False])
def test_the_flow_samples_from_its_own_file_alone(
    fixed: bool, base: Path, packed: Path, tmp_path: Path, registry: Registry
) -> None:
    encoder = {"plugin": "stranger", "weights": "stranger-base", "fixed": fixed}
    flow = flow_with(packed, tmp_path / "flow", encoder)
    base.unlink()
    spec = ComponentSpec(plugin="flow", weights=str(flow), options={"steps": 3})
    sample = rutile_sample()
    generator = registry.build(ComponentKind.GENERATOR, spec)
    StrangerEncoder.modes.clear()
    found = generator.generate(sample.problem, sample.target, 2, torch.Generator().manual_seed(0))
    assert found.frac_coords.shape == (2, 6, 3)
    assert bool(torch.isfinite(found.frac_coords).all())
    assert StrangerEncoder.modes == [False]


def test_a_resolved_spec_and_the_card_say_what_network_the_weights_are_of(
    base: Path, packed: Path, tmp_path: Path, registry: Registry
) -> None:
    encoder = {"plugin": "stranger", "weights": "stranger-base", "fixed": True}
    flow = flow_with(packed, tmp_path / "flow", encoder)
    whole = {"width": 8, "hidden": 12}
    assert read_card(flow).options["encoder"] == {**encoder, "options": whole}
    spec = PipelineSpec(generators=(ComponentSpec(plugin="flow", weights=str(flow)),))
    resolved = resolve_spec(spec, registry)
    (generator,) = resolved.generators
    assert generator.weights == str(flow)
    assert generator.options["encoder"] == {"plugin": "stranger", "options": whole}
    denoiser = generator.options["denoiser"]
    assert isinstance(denoiser, dict)
    assert denoiser["options"] == {**DENOISER["options"]}  # type: ignore[dict-item]
    assert resolve_spec(resolved, registry) == resolved
    assert registry.build(ComponentKind.GENERATOR, generator).grid is None


def test_fixed_without_weights_is_refused(packed: Path, tmp_path: Path, registry: Registry) -> None:
    with pytest.raises(OptionError, match=r"got 'stranger' fixed without weights.*expected the name or file"):
        flow_with(packed, tmp_path / "flow", {"plugin": "stranger", "fixed": True})


def test_weights_of_another_encoder_and_other_options_are_refused(base: Path, registry: Registry) -> None:
    with pytest.raises(WeightsError, match=r"of the encoder 'stranger'.*expected those of the encoder 'peaks'"):
        registry.build(ComponentKind.ENCODER, ComponentSpec(plugin="peaks", weights="stranger-base"))
    wider = ComponentSpec(plugin="stranger", weights="stranger-base", options={"hidden": 20})
    with pytest.raises(OptionError, match=r"got hidden=20 .* differs from that of the weights 'stranger-base', 12"):
        registry.build(ComponentKind.ENCODER, wider)


def test_a_training_can_begin_with_weights(base: Path, packed: Path, tmp_path: Path) -> None:
    component = {"plugin": "stranger", "weights": "stranger-base"}
    contrast = {"structure_encoder": {"plugin": "cspnet", "options": {"width": 8, "hidden": 8, "layers": 1}}}
    path = trained(packed, tmp_path / "more", kind="encoder", component=component, contrastive=contrast)
    moved = float((load_file(path)["out.weight"] - load_file(base)["out.weight"]).abs().max())
    assert 0.0 < moved < 0.05
