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

from pxrdgen.values.crystal import Crystal
from pxrdgen_learning.data.dataset import CrystalDataset, pack

pytest.importorskip("mlflow")
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
                found.append({"plugin": plugin, "parent": parent, "top_10": run.data.metrics["clean.top_10"]})
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
