"""Contrastive pre-training: the loss in closed form, encoders that learn by heart, weights that come back."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from pxrdgen.errors import OptionError, StructureError, TrainingError, UnknownComponentError, WeightsError
from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.plugins.registry import default_registry
from pxrdgen_learning.training import checkpoint, runs
from pxrdgen_learning.training.batch import TrainingBatch
from pxrdgen_learning.training.contrastive import ContrastiveTask, info_nce, simulated_patterns
from pxrdgen_learning.training.corpus import Corpus
from pxrdgen_learning.training.exporting import export
from pxrdgen_learning.training.loop import fit
from pxrdgen_learning.training.options import TrainingOptions
from pxrdgen_learning.training.simulation_options import SimulationOptions
from pxrdgen_learning.training.spec import TrainingSpec, read_training_spec
from pxrdgen_learning.weights.weights import card_path, read_card, verify_weights

CLEAN = SimulationOptions(clean_fraction=1.0)
PATTERN_ENCODERS: dict[str, dict[str, object]] = {
    "peaks": {"width": 32, "hidden": 32, "heads": 2, "seeds": 4, "bins": 64},
    "cnn": {"width": 32, "channels": [8, 16, 16, 32, 32], "points": 1024, "dropout": 0.0},
    "transformer": {
        "width": 32,
        "points": 1000,
        "patch": 10,
        "hidden": 64,
        "layers": 1,
        "heads": 4,
        "feed_forward": 64,
        "dropout": 0.0,
    },
}
STRUCTURE_ENCODERS: dict[str, dict[str, object]] = {
    "cspnet": {"width": 32, "hidden": 32, "layers": 2, "frequencies": 3, "reciprocal": True},
    "e3nn": {"width": 32, "channels": 8, "layers": 1, "cutoff": 4.5},
}


def spec_of(encoder: str, structure: str, path: Path, **training: object) -> TrainingSpec:
    settings = {
        "atoms": 64,
        "per_step": 3,
        "warmup": 5,
        "learning_rate": 3e-3,
        "threads": 1,
        "checkpoint_every": 1000,
        "ema": 0.5,
        "simulation": CLEAN.model_dump(),
    }
    return TrainingSpec.model_validate(
        {
            "kind": "encoder",
            "component": {"plugin": encoder, "options": PATTERN_ENCODERS[encoder]},
            "corpus": {"path": str(path)},
            "training": settings | training,
            "contrastive": {
                "structure_encoder": {"plugin": structure, "options": STRUCTURE_ENCODERS[structure]},
                "temperature": 0.1,
            },
        }
    )


# --- the loss ---


def test_pairs_of_equal_vectors_that_are_orthogonal_to_the_others_leave_a_closed_form() -> None:
    """-log(e^(1/t) / (e^(1/t) + B - 1)) for each crystal."""
    t = 0.5
    expected = math.log(1.0 + 2.0 * math.exp(-1.0 / t))
    assert torch.allclose(info_nce(torch.eye(3), 7.0 * torch.eye(3), t), torch.full((3,), expected))


def test_vectors_that_are_all_alike_cost_the_logarithm_of_their_number() -> None:
    same = torch.ones(5, 4)
    assert torch.allclose(info_nce(same, same, 0.05), torch.full((5,), math.log(5.0)), atol=1e-5)


def test_the_loss_is_the_same_with_the_roles_exchanged() -> None:
    rng = torch.Generator().manual_seed(0)
    first, second = torch.randn(6, 8, generator=rng), torch.randn(6, 8, generator=rng)
    assert torch.allclose(info_nce(first, second, 0.2), info_nce(second, first, 0.2))


def test_a_learned_temperature_is_a_parameter_and_a_fixed_one_is_not(packed: Path) -> None:
    spec = spec_of("peaks", "cspnet", packed)
    assert spec.contrastive is not None
    learned = spec.contrastive.model_copy(update={"learn_temperature": True})
    fixed_names = {name for name, _ in runs.build(spec).network.named_parameters()}
    learned_names = {
        name for name, _ in runs.build(spec.model_copy(update={"contrastive": learned})).network.named_parameters()
    }
    assert learned_names - fixed_names == {"log_temperature"}


def test_encoders_of_different_widths_are_refused(packed: Path) -> None:
    spec = spec_of("peaks", "cspnet", packed)
    wider = spec.component.model_copy(update={"options": {**PATTERN_ENCODERS["peaks"], "width": 16}})
    with pytest.raises(OptionError, match=r"16 numbers .* 32"):
        runs.build(spec.model_copy(update={"component": wider}))


# --- learning by heart, saving, loading ---


@pytest.mark.parametrize(
    ("encoder", "structure", "steps"),
    [("peaks", "cspnet", 50), ("cnn", "cspnet", 90), ("transformer", "cspnet", 160), ("peaks", "e3nn", 60)],
)
def test_encoders_learn_32_crystals_and_their_weights_come_back(
    encoder: str, structure: str, steps: int, packed: Path, corpus: Corpus, tmp_path: Path
) -> None:
    spec = spec_of(encoder, structure, packed, steps=steps)
    runs.train(spec, tmp_path / "run")
    card = export(tmp_path / "run", tmp_path / "weights.safetensors")
    assert (card.kind, card.component) == (ComponentKind.ENCODER, encoder)
    assert verify_weights(tmp_path / "weights_structure.safetensors").component == structure
    of_patterns, of_crystals = vectors(tmp_path / "weights.safetensors", encoder, structure, corpus)
    similarity = functional.normalize(of_patterns, dim=-1) @ functional.normalize(of_crystals, dim=-1).T
    found = int((similarity.argmax(1) == torch.arange(32)).sum())
    assert found >= 29, f"{found} of 32 patterns find their crystal"


def test_a_pre_training_in_two_parts_equals_one_with_dropout_too(packed: Path, tmp_path: Path) -> None:
    spec = spec_of("cnn", "cspnet", packed)
    spec = spec.model_copy(
        update={"component": spec.component.model_copy(update={"options": {**PATTERN_ENCODERS["cnn"], "dropout": 0.3}})}
    )

    def until(step: int, folder: str) -> Path:
        training = spec.training.model_copy(update={"steps": step})
        runs.train(spec.model_copy(update={"training": training}), tmp_path / folder)
        return checkpoint.checkpoints(tmp_path / folder)[-1]

    until(3, "parts")
    whole, parts = until(7, "whole"), until(7, "parts")
    for name in ("network", "average", "optimizer"):
        one, two = (load_file(path / f"{name}.safetensors") for path in (whole, parts))
        assert one.keys() == two.keys()
        assert all(torch.equal(one[key], two[key]) for key in one)


def test_a_loss_that_is_not_a_number_keeps_the_last_checkpoint_and_names_the_crystals(
    packed: Path, corpus: Corpus, tmp_path: Path
) -> None:
    options = spec_of("peaks", "cspnet", packed, steps=4).training
    task = runs.build(spec_of("peaks", "cspnet", packed))
    assert isinstance(task, ContrastiveTask)
    fit(task, corpus, tmp_path, options)

    class Broken(ContrastiveTask):
        def joint_loss(self, batches: Sequence[TrainingBatch], rng: torch.Generator) -> Tensor:
            return super().joint_loss(batches, rng) * math.nan

    broken = Broken(encoders=task.encoders, grid=task.grid, simulation=task.simulation, parts=task.parts)
    with pytest.raises(TrainingError, match="last good checkpoint"):
        fit(broken, corpus, tmp_path, options.model_copy(update={"steps": 9}))
    assert [path.name for path in checkpoint.checkpoints(tmp_path)] == ["step-00000004"]
    kept = json.loads((tmp_path / "bad-step-00000004.json").read_text())
    assert sum(len(micro["rows"]) for micro in kept["micro_batches"]) > 0
    assert all(max(micro["rows"]) < len(corpus.groups[micro["size"]]) for micro in kept["micro_batches"])


def vectors(weights: Path, encoder: str, structure: str, corpus: Corpus) -> tuple[Tensor, Tensor]:
    """Vectors of clean patterns and of crystals, from weights files."""
    registry = default_registry()
    reader = registry.build(ComponentKind.ENCODER, encoder, {"weights": str(weights)})
    other = registry.build(
        ComponentKind.STRUCTURE_ENCODER,
        structure,
        {"weights": str(weights.with_name(f"{weights.stem}_structure{weights.suffix}"))},
    )
    of_patterns, of_crystals = [], []
    with torch.no_grad():
        for group in corpus.groups.values():
            crystals = group.crystals(torch.arange(len(group)))
            rng = torch.Generator().manual_seed(0)
            patterns = simulated_patterns(crystals, CLEAN, rng, grid=reader.grid)
            of_patterns.append(reader.eval().encode(patterns).vector)  # type: ignore[attr-defined]
            of_crystals.append(other.eval().encode(crystals))  # type: ignore[attr-defined]
    return torch.cat(of_patterns), torch.cat(of_crystals)


# --- weights that cannot be used ---


@pytest.fixture(scope="module")
def weights(packed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    runs.train(spec_of("peaks", "cspnet", packed, steps=2), folder / "run")
    export(folder / "run", folder / "tiny.safetensors")
    return folder / "tiny.safetensors"


def build_peaks(weights: Path, **options: object) -> object:
    return default_registry().build(ComponentKind.ENCODER, "peaks", {"weights": str(weights), **options})


def copied(weights: Path, folder: Path, name: str = "copy.safetensors") -> Path:
    copy = folder / name
    copy.write_bytes(weights.read_bytes())
    card_path(copy).write_text(card_path(weights).read_text())
    return copy


def test_truncated_weights_are_refused(weights: Path, tmp_path: Path) -> None:
    copy = copied(weights, tmp_path)
    copy.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(WeightsError, match="truncated or altered"):
        build_peaks(copy)


def test_weights_of_another_component_are_refused(weights: Path) -> None:
    with pytest.raises(WeightsError, match=r"structure-encoder 'cspnet'.*expected those of the encoder 'peaks'"):
        build_peaks(weights.with_name("tiny_structure.safetensors"))
    with pytest.raises(WeightsError, match="encoder 'peaks'"):
        default_registry().build(ComponentKind.ENCODER, "cnn", {"weights": str(weights)})


def test_a_card_of_a_newer_format_is_refused(weights: Path, tmp_path: Path) -> None:
    copy = copied(weights, tmp_path)
    card_path(copy).write_text(json.dumps({**json.loads(card_path(weights).read_text()), "format": 99}))
    with pytest.raises(WeightsError, match="update pxrdgen"):
        build_peaks(copy)


def test_a_card_that_tells_of_another_network_is_refused(weights: Path, tmp_path: Path) -> None:
    copy = copied(weights, tmp_path)
    card = read_card(copy)
    card_path(copy).write_text(replace_options(card.model_dump_json(), hidden=48))
    with pytest.raises(WeightsError, match="do not fit their own card"):
        build_peaks(copy)


def replace_options(text: str, **options: object) -> str:
    document = json.loads(text)
    document["options"] |= options
    return json.dumps(document)


def test_an_option_that_differs_from_that_of_the_weights_is_refused(weights: Path) -> None:
    assert build_peaks(weights, hidden=32) is not None
    with pytest.raises(OptionError, match="hidden=64"):
        build_peaks(weights, hidden=64)


def test_an_unknown_name_is_answered_with_a_suggestion(packed: Path) -> None:
    spec = spec_of("peaks", "cspnet", packed)
    assert spec.contrastive is not None
    wrong = spec.contrastive.structure_encoder.model_copy(update={"plugin": "cspent"})
    broken = spec.model_copy(update={"contrastive": spec.contrastive.model_copy(update={"structure_encoder": wrong})})
    with pytest.raises(UnknownComponentError, match="cspnet"):
        runs.build(broken)


@pytest.mark.parametrize("structure", list(STRUCTURE_ENCODERS))
def test_an_element_beyond_the_tables_is_named(structure: str, corpus: Corpus) -> None:
    group = corpus.groups[2]
    crystals = group.crystals(torch.arange(2))
    odd = replace(crystals, species=torch.full_like(crystals.species, 105))
    encoder = default_registry().build(ComponentKind.STRUCTURE_ENCODER, structure, STRUCTURE_ENCODERS[structure])
    with pytest.raises(StructureError, match="Db"):
        encoder.encode(odd)


def test_a_spec_of_an_encoder_is_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(
        "kind: encoder\ncomponent: {plugin: peaks}\ncorpus: {path: x.npz}\ncontrastive: {temperatur: 1}\n"
    )
    with pytest.raises(OptionError, match="temperature"):
        read_training_spec(tmp_path / "spec.yaml")


def test_a_step_needs_no_more_than_the_options_say(corpus: Corpus, packed: Path, tmp_path: Path) -> None:
    """The loop's options are the same for every kind of component."""
    task = runs.build(spec_of("peaks", "cspnet", packed))
    options = TrainingOptions(atoms=32, per_step=2, warmup=2, steps=2, threads=1)
    assert fit(task, corpus, tmp_path, options).crystals > 2
