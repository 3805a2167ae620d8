"""Training specs as files: the published ablation, and what the shipped weights were made with."""

from __future__ import annotations

from pathlib import Path

import pytest

from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.plugins.registry import default_registry
from pxrdgen_learning.training.spec import read_training_spec
from pxrdgen_learning.weights.weights import find_weights, verify_weights

FOLDER = Path(__file__).resolve().parents[3] / "benchmarks" / "published"
SPECS = sorted(FOLDER.glob("*.yml"))
SHIPPED = sorted((FOLDER.parent / "training").glob("*.yml"))


@pytest.mark.parametrize("path", [*SPECS, *SHIPPED], ids=lambda path: path.stem)
def test_a_spec_names_components_and_options_that_exist(path: Path) -> None:
    spec = read_training_spec(path)
    options = default_registry().options(spec.kind, spec.component.plugin, spec.component.options)
    if spec.kind is ComponentKind.GENERATOR:
        denoiser = options.denoiser  # type: ignore[attr-defined]
        assert default_registry().options(ComponentKind.DENOISER, denoiser.plugin, denoiser.options)


@pytest.mark.parametrize("generator", ["flow", "diffusion"])
def test_there_are_ten_settings_and_a_control(generator: str) -> None:
    names = {path.stem.removeprefix(f"{generator}-") for path in SPECS if path.stem.startswith(f"{generator}-")}
    assert "structure-features" in names
    assert len(names) == 11


def test_every_pre_trained_encoder_has_a_spec_of_its_own() -> None:
    for path in SPECS:
        encoder = read_training_spec(path).component.options.get("encoder")
        if isinstance(encoder, dict) and "weights" in encoder.get("options", {}):
            weights = encoder["options"]["weights"]
            assert (FOLDER / weights.replace(".safetensors", ".yml")).is_file()


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_weights_were_made_with_the_spec_of_their_name(path: Path) -> None:
    spec, card = read_training_spec(path), verify_weights(find_weights(path.stem))
    assert (card.kind, card.component) == (spec.kind, spec.component.plugin)
    options = default_registry().options(spec.kind, spec.component.plugin, spec.component.options)
    assert card.options == options.model_dump(mode="json")
    assert card.metrics, "what was measured belongs on the card"
    settings = card.training["settings"]
    assert isinstance(settings, dict)
    told_otherwise = {"threads"}  # changes no number
    ours = spec.training.model_dump(mode="json", exclude=told_otherwise)
    assert {name: value for name, value in settings.items() if name not in told_otherwise} == ours
