"""A stranger's encoder, in a wheel of its own, installed beside pxrdgen: listed, trained, compared with ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from pxrdgen.values.crystal import Crystal
from pxrdgen_learning.data.dataset import CrystalDataset, pack

pytest.importorskip("mlflow")
SPECS = ("pretrain.yml", "flow.yml")
ABLATION = """
name: strangers
task: retrieval
base: {structure_encoder: {plugin: cspnet, options: {width: 64, hidden: 16, layers: 1}}, steps: 3, crystals: 24}
grid:
  encoder:
  - {plugin: cnn, options: {width: 64, channels: [4, 4, 8], points: 600}}
  - {plugin: my-encoder, options: {width: 64}}
data: {gallery: 20, split: val, views: [clean]}
"""


@pytest.fixture(scope="module")
def neighbour(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """The interpreter of an environment that sees this one's packages and has the stranger's wheel beside them."""
    work = tmp_path_factory.mktemp("neighbour")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    source = work / "my-encoder"
    _run(sys.executable, "-m", "pxrdgen", "plugins", "new", "my-encoder", "--out", str(source))
    _run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(work), str(source))
    (wheel,) = work.glob("*.whl")
    environment = work / "venv"
    _run(sys.executable, "-m", "venv", "--without-pip", "--system-site-packages", str(environment))
    python = environment / "bin" / "python"
    site = Path(_run(str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    # a virtual environment made from another does not see the other's packages by itself
    for name in ("purelib", "platlib"):
        (site / f"{name}.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path(name)!r})\n")
    _run(*pip, "install", "--no-deps", "--no-index", "--target", str(site), str(wheel))
    return python


@pytest.fixture(scope="module")
def crystals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made-up crystals: 30 to train on, 20 to look for."""
    rng = np.random.default_rng(0)
    made, splits = [], ["train"] * 30 + ["val"] * 20
    for number in range(50):
        size = 2 + number % 3
        made.append(
            Crystal(
                species=np.sort(rng.choice([8, 14, 22, 38], size)),
                frac_coords=rng.random((size, 3)),
                basis=np.diag(3.0 + 2.0 * rng.random(3)) + np.tril(0.4 * rng.random((3, 3)), -1),
                name=str(number),
            )
        )
    path = tmp_path_factory.mktemp("crystals") / "pack.npz"
    pack(CrystalDataset.from_crystals(made, split=splits), path)
    return path


def test_it_is_listed_trains_and_lands_in_one_table(neighbour: Path, crystals: Path, tmp_path: Path) -> None:
    listing = json.loads(_run(str(neighbour), "-m", "pxrdgen", "plugins", "list", "--kind", "encoder", "--json"))
    names = {component["qualified_name"] for component in listing["components"]}
    assert "pxrdgen-my-encoder:my-encoder" in names
    (tmp_path / "ablation.yml").write_text(ABLATION)
    store = tmp_path / "mlflow" / "mlflow.db"
    store.parent.mkdir()
    out = tmp_path / "out"
    _run(
        *(str(neighbour), "-m", "pxrdgen", "bench", "run", "ablation.yml", "--out", str(out), "--workers", "0"),
        *("--crystals", str(crystals), "--tracker", "mlflow", "--tracking-uri", f"sqlite:///{store}"),
        cwd=tmp_path,
    )
    text = (out / "tables" / "hits.md").read_text()
    assert "my-encoder" in text
    assert "cnn" in text
    runs = _run(str(neighbour), "-c", f"{RUNS}\nshow({str(store)!r})", cwd=tmp_path)
    tracked = json.loads(runs.splitlines()[-1])
    assert {run["plugin"] for run in tracked} == {"cnn", "my-encoder"}
    assert len({run["parent"] for run in tracked}) == 1, "both are children of one suite"
    assert all(0.0 <= run["top_10"] <= 100.0 for run in tracked)


def test_it_is_pre_trained_and_used_fixed_in_a_flow(neighbour: Path, crystals: Path, tmp_path: Path) -> None:
    """By the commands and specs of the distribution's own page, made small."""
    (tmp_path / "crystals.npz").write_bytes(crystals.read_bytes())
    pretrain, flow = (
        yaml.safe_load((neighbour.parents[2] / "my-encoder" / "specs" / name).read_text()) for name in SPECS
    )
    pretrain["contrastive"]["structure_encoder"]["options"] |= {"hidden": 8, "layers": 1}
    flow["component"]["options"]["denoiser"] = {"plugin": "cspnet", "options": {"width": 8, "layers": 1}}
    for name, spec in zip(SPECS, (pretrain, flow), strict=True):
        spec["training"] = {"steps": 2, "atoms": 64, "per_step": 1, "threads": 1}
        (tmp_path / name).write_text(yaml.safe_dump(spec))
    command = (str(neighbour), "-m", "pxrdgen")
    for kind, spec, weights in (
        ("encoder", "pretrain.yml", "my-encoder-base.safetensors"),
        ("generator", "flow.yml", "flow-my-encoder.safetensors"),
    ):
        _run(*command, "train", kind, spec, "--out", f"runs/{kind}", cwd=tmp_path)
        _run(*command, "train", "export", f"runs/{kind}", weights, cwd=tmp_path)
    base = load_file(tmp_path / "my-encoder-base.safetensors")
    whole = load_file(tmp_path / "flow-my-encoder.safetensors")
    assert all(torch.equal(whole[f"encoder.{name}"], value) for name, value in base.items())
    (tmp_path / "solve.yml").write_text("generators: [{plugin: flow, weights: flow-my-encoder.safetensors}]")
    shown = yaml.safe_load(_run(*command, "spec", "show", "solve.yml", cwd=tmp_path))
    encoder = shown["generators"][0]["options"]["encoder"]
    assert encoder == {"plugin": "my-encoder", "options": {"width": 64, "octaves": 8}}


RUNS = """
import json, mlflow
def show(store):
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{store}")
    found = []
    for experiment in client.search_experiments():
        for run in client.search_runs([experiment.experiment_id]):
            parent = run.data.tags.get("mlflow.parentRunId")
            if parent:
                plugin = run.data.params["spec.encoder.plugin"]
                found.append({"plugin": plugin, "parent": parent, "top_10": run.data.metrics["clean.top_10/all"]})
    print(json.dumps(found))
"""


def _run(*command: str, cwd: Path | None = None) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout
