"""Training specs as files: the published ablation, and what the shipped weights were made with."""

from __future__ import annotations

from pathlib import Path

import pytest

from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.plugins.registry import default_registry
from pxrdgen.plugins.resolution import resolve_spec
from pxrdgen.specs.component import ComponentSpec, nested_kinds
from pxrdgen_learning.training.spec import read_training_spec
from pxrdgen_learning.weights.weights import verify_weights

FOLDER = Path(__file__).resolve().parents[3] / "benchmarks" / "published"
SPECS = sorted(FOLDER.glob("*.yml"))
SHIPPED = sorted((FOLDER.parent / "training").glob("*.yml"))


@pytest.mark.parametrize("path", [*SPECS, *SHIPPED], ids=lambda path: path.stem)
def test_a_spec_names_components_and_options_that_exist(path: Path) -> None:
    spec, registry = read_training_spec(path), default_registry()
    options = registry.options(spec.kind, spec.component.plugin, spec.component.options)
    for field, kind in nested_kinds(type(options)).items():
        nested = getattr(options, field)
        if nested is not None:
            assert registry.options(kind, nested.plugin, nested.options)


@pytest.mark.parametrize("generator", ["flow", "diffusion"])
def test_there_are_ten_settings_and_a_control(generator: str) -> None:
    names = {path.stem.removeprefix(f"{generator}-") for path in SPECS if path.stem.startswith(f"{generator}-")}
    assert "structure-features" in names
    assert len(names) == 11


@pytest.mark.parametrize("generator", ["flow", "diffusion"])
@pytest.mark.parametrize("encoder", ["cnn", "transformer"])
@pytest.mark.parametrize("temperature", ["t0.05", "t1.0"])
@pytest.mark.parametrize("manner", ["fixed", "unfixed"])
def test_every_pre_trained_encoder_has_a_spec_of_its_own(
    generator: str, encoder: str, temperature: str, manner: str
) -> None:
    spec = read_training_spec(FOLDER / f"{generator}-{encoder}-{temperature}-{manner}.yml")
    options = default_registry().options(spec.kind, spec.component.plugin, spec.component.options)
    named: ComponentSpec = options.encoder  # type: ignore[attr-defined]
    assert (named.plugin, named.fixed) == (encoder, manner == "fixed")
    assert named.weights == f"encoder-{encoder}-{temperature}.safetensors"
    made_by = read_training_spec(FOLDER / named.weights.replace(".safetensors", ".yml"))
    assert (made_by.kind, made_by.component.plugin) == (ComponentKind.ENCODER, encoder)
    assert made_by.contrastive is not None
    assert made_by.contrastive.temperature == float(temperature.removeprefix("t"))


def test_every_learned_component_that_is_shipped_has_a_spec() -> None:
    assert {path.stem for path in SHIPPED} >= {"flow", "diffusion", "transformer"}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_weights_were_made_with_the_spec_of_their_name(path: Path) -> None:
    spec, card = read_training_spec(path), verify_weights(default_registry().weights(path.stem).path)
    assert (card.kind, card.component) == (spec.kind, spec.component.plugin)
    registry = default_registry()
    options = registry.settle(spec.kind, spec.component, untrained=True).options
    assert card.options == resolve_spec(options, registry).model_dump(mode="json")
    assert card.metrics, "what was measured belongs on the card"
    settings = card.training["settings"]
    assert isinstance(settings, dict)
    told_otherwise = {"threads"}  # changes no number
    ours = spec.training.model_dump(mode="json", exclude=told_otherwise)
    assert {name: value for name, value in settings.items() if name not in told_otherwise} == ours
