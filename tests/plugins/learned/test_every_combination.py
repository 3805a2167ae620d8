"""Every encoder with every generator, with and without the cell: from a spec to weights to candidates."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from pxrdgen.errors import OptionError
from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.plugins.registry import default_registry
from pxrdgen.values.crystal import Crystal
from pxrdgen_crystallography.preparation import prepare
from pxrdgen_generators.denoising_generator import DenoisingGenerator
from pxrdgen_learning.data.dataset import CrystalDataset, pack
from pxrdgen_learning.training import runs
from pxrdgen_learning.training.exporting import export
from pxrdgen_learning.training.spec import TrainingSpec
from pxrdgen_learning.views.pattern_views import patterns_from_prepared
from pxrdgen_testing.samples import pattern_of, rutile, rutile_sample

ENCODERS: dict[str, dict[str, object] | None] = {
    "none": None,
    "peaks": {"plugin": "peaks", "options": {"width": 8, "hidden": 8, "heads": 2, "seeds": 2}},
    "cnn": {"plugin": "cnn", "options": {"width": 8, "channels": [4, 4], "points": 256}},
    "transformer": {
        "plugin": "transformer",
        "options": {"width": 8, "points": 200, "hidden": 8, "layers": 1, "heads": 2, "feed_forward": 8},
    },
}
DENOISERS: dict[str, dict[str, object]] = {
    "flow": {
        "plugin": "attention",
        "options": {"width": 8, "layers": 2, "heads": 2, "peak_width": 8, "pair_hidden": 8, "pair_width": 4},
    },
    "diffusion": {"plugin": "cspnet", "options": {"width": 8, "layers": 2, "frequencies": 2}},
}


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rutile in cells of slightly different size."""
    folder = tmp_path_factory.mktemp("combinations")
    crystal = rutile()
    crystals = [
        Crystal(
            species=crystal.species,
            frac_coords=crystal.frac_coords,
            basis=(1.0 + 0.01 * number) * np.linalg.cholesky(crystal.basis @ crystal.basis.T),
            name=str(number),
        )
        for number in range(8)
    ]
    path = folder / "pack.npz"
    pack(CrystalDataset.from_crystals(crystals), path)
    return path


def trained(packed: Path, generator: str, options: dict[str, object], out: Path) -> Path:
    """Weights after two steps."""
    spec = TrainingSpec.model_validate(
        {
            "component": {"plugin": generator, "options": options},
            "corpus": {"path": str(packed), "split": ""},
            "training": {"steps": 2, "atoms": 24, "per_step": 1, "warmup": 1, "threads": 1},
        }
    )
    runs.train(spec, out / "run")
    weights = out / "tiny.safetensors"
    export(out / "run", weights)
    return weights


@pytest.mark.parametrize(
    ("generator", "encoder", "cell"), list(itertools.product(DENOISERS, ENCODERS, ("given", "generated", "either")))
)
def test_it_trains_exports_loads_and_samples(
    generator: str, encoder: str, cell: str, packed: Path, tmp_path: Path
) -> None:
    options: dict[str, object] = {"denoiser": DENOISERS[generator], "encoder": ENCODERS[encoder], "cell": cell}
    weights = trained(packed, generator, options, tmp_path)
    loaded = default_registry().build(ComponentKind.GENERATOR, generator, {"weights": str(weights), "steps": 3})
    assert isinstance(loaded, DenoisingGenerator)
    sample, rng = rutile_sample(), torch.Generator().manual_seed(0)
    if cell != "generated":
        found = loaded.generate(sample.problem, sample.target, 3, rng)
        assert found.frac_coords.shape == (3, 6, 3)
        assert bool(torch.isfinite(found.frac_coords).all())
    if cell != "given":
        grid = loaded.grid
        patterns = patterns_from_prepared([prepare(pattern_of(rutile()))], grid=grid)
        whole = loaded.with_cells(patterns, torch.as_tensor(sample.problem.species), 3, rng)
        assert whole.basis.shape == (3, 3, 3)
        assert float(torch.linalg.det(whole.basis).min()) > 1.0
    else:
        with pytest.raises(OptionError, match="trained with the cell given"):
            loaded.with_cells(
                patterns_from_prepared([prepare(pattern_of(rutile()))], grid=loaded.grid),
                torch.as_tensor(sample.problem.species),
                1,
                rng,
            )


def test_an_encoder_that_was_pre_trained_starts_the_generator(packed: Path, tmp_path: Path) -> None:
    """Fixed, its weights are those it came with; unfixed, they have moved."""
    spec = TrainingSpec.model_validate(
        {
            "kind": "encoder",
            "component": ENCODERS["peaks"],
            "corpus": {"path": str(packed), "split": ""},
            "training": {"steps": 2, "atoms": 48, "per_step": 1, "warmup": 1, "threads": 1},
            "contrastive": {"structure_encoder": {"plugin": "cspnet", "options": {"width": 8, "hidden": 8}}},
        }
    )
    runs.train(spec, tmp_path / "encoder")
    export(tmp_path / "encoder", tmp_path / "peaks.safetensors")
    before = encoder_parameters(tmp_path / "peaks.safetensors", "")
    for fixed in (True, False):
        out = tmp_path / str(fixed)
        out.mkdir()
        options: dict[str, object] = {
            "denoiser": DENOISERS["flow"],
            "encoder": {"plugin": "peaks", "options": {"weights": str(tmp_path / "peaks.safetensors")}},
            "encoder_fixed": fixed,
        }
        after = encoder_parameters(trained(packed, "flow", options, out), "encoder.")
        assert after.keys() == before.keys()
        moved = max(float((after[name] - before[name]).abs().max()) for name in before)
        assert (moved == 0.0) == fixed


def encoder_parameters(weights: Path, prefix: str) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return {name.removeprefix(prefix): value for name, value in load_file(weights).items() if name.startswith(prefix)}


def test_the_control_that_is_told_the_truth_cannot_solve(packed: Path, tmp_path: Path) -> None:
    options: dict[str, object] = {
        "denoiser": DENOISERS["flow"],
        "structure_encoder": {"plugin": "cspnet", "options": {"width": 8, "hidden": 8, "layers": 1}},
    }
    weights = trained(packed, "flow", options, tmp_path)
    control = default_registry().build(ComponentKind.GENERATOR, "flow", {"weights": str(weights), "steps": 3})
    assert isinstance(control, DenoisingGenerator)
    sample, rng = rutile_sample(), torch.Generator().manual_seed(0)
    with pytest.raises(OptionError, match="they serve benchmarks alone"):
        control.generate(sample.problem, sample.target, 2, rng)
    found = control.leaked(sample.problem, sample.target, sample.crystal, 2, rng)
    assert found.frac_coords.shape == (2, 6, 3)
