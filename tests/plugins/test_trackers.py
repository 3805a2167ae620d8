"""What is told to a tracker can be read back from it; a run that is opened again is the same run."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from pxrdgen.errors import OptionError, WorkerError
from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.interfaces.tracker import Tracker
from pxrdgen.plugins.registry import default_registry
from pxrdgen_learning.training.tracking import flattened, tracked

START_SECONDS = 200.0


def build(name: str, **options: str) -> Tracker:
    return default_registry().build(ComponentKind.TRACKER, name, options or None)


def tell(tracker: Tracker, file: Path) -> None:
    """A suite with one spec, twice, as after a kill."""
    file.write_text("id,hit\na,1\n")
    for attempt in (1, 2):
        with (
            tracked(tracker, "solve small", key="suite", experiment="bench") as suite,
            tracked(tracker, "steps=5", key="suite/steps=5", experiment="bench", parent=suite) as spec,
        ):
            spec.log_params({"generators.0.plugin": "flow", "seed": attempt})
            spec.log_metrics({"clean.strict/5-8": 0.5 * attempt, "nothing": float("nan")})
            spec.log_file(file, "tables")


def read_mlflow(uri: str) -> None:
    mlflow = pytest.importorskip("mlflow")
    client = mlflow.MlflowClient(tracking_uri=uri)
    runs = client.search_runs([client.get_experiment_by_name("bench").experiment_id])
    by_name = {run.info.run_name: run for run in runs}
    assert sorted(by_name) == ["solve small", "steps=5"]
    child = by_name["steps=5"]
    assert child.data.tags["mlflow.parentRunId"] == by_name["solve small"].info.run_id
    assert child.data.params == {"generators.0.plugin": "flow", "seed": "1"}
    assert child.data.metrics == {"clean.strict/5-8": 1.0}
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert [item.path for item in client.list_artifacts(child.info.run_id, "tables")] == ["tables/table.csv"]


def test_an_sqlite_store_lies_where_it_was_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    tell(build("mlflow", folder=str(tmp_path / "store")), tmp_path / "table.csv")
    read_mlflow(f"sqlite:///{tmp_path / 'store' / 'mlflow.db'}")
    assert list((tmp_path / "store" / "artifacts").rglob("table.csv"))
    assert list(elsewhere.iterdir()) == []


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A local MLflow server."""
    pytest.importorskip("mlflow")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{tmp_path / 'server.db'}"]
    command += ["--artifacts-destination", str(tmp_path / "kept")]
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env=environment, cwd=tmp_path, start_new_session=True
        )
    uri = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + START_SECONDS
        while not answers(f"{uri}/health"):
            assert process.poll() is None, (tmp_path / "server.log").read_text()[-2000:]
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.2)
        yield uri
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2.0) as reply:  # noqa: S310 - a loopback address made here
            return bool(reply.status == 200)
    except OSError:
        return False


def test_a_server_by_its_uri(server: str, tmp_path: Path) -> None:
    tell(build("mlflow", uri=server), tmp_path / "table.csv")
    read_mlflow(server)
    assert list((tmp_path / "kept").rglob("table.csv"))


def test_a_server_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(WorkerError, match=r"127\.0\.0\.1:9"):
        build("mlflow", uri="http://127.0.0.1:9").open("x", key="x", experiment="bench")


def test_lines_of_json(tmp_path: Path) -> None:
    tell(build("jsonl", folder=str(tmp_path / "runs")), tmp_path / "table.csv")
    (spec,) = (tmp_path / "runs" / "bench").glob("steps=5-*")
    about = json.loads((spec / "run.json").read_text())
    assert about["status"] == "finished"
    assert about["parent"].startswith("solve_small-")
    assert json.loads((spec / "params.json").read_text()) == {"generators.0.plugin": "flow", "seed": 1}
    lines = [json.loads(line) for line in (spec / "metrics.jsonl").read_text().splitlines()]
    assert [line["clean.strict/5-8"] for line in lines] == [0.5, 1.0]
    assert all("nothing" not in line for line in lines)
    assert (spec / "files" / "tables" / "table.csv").read_text() == "id,hit\na,1\n"


def test_a_run_that_breaks_off_is_marked(tmp_path: Path) -> None:
    tracker = build("jsonl", folder=str(tmp_path))
    with pytest.raises(KeyboardInterrupt), tracked(tracker, "x", key="x", experiment="bench"):
        raise KeyboardInterrupt
    (file,) = tmp_path.rglob("run.json")
    assert json.loads(file.read_text())["status"] == "failed"


def test_names_cannot_leave_the_folder(tmp_path: Path) -> None:
    tracker = build("jsonl", folder=str(tmp_path / "runs"))
    tracker.open("../../etc", key="../x", experiment="../outside").close()
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


def test_runs_of_two_trackers_do_not_mix(tmp_path: Path) -> None:
    parent = build("none").open("suite", key="a", experiment="bench")
    with pytest.raises(OptionError, match="this tracker"):
        build("jsonl", folder=str(tmp_path)).open("spec", key="b", experiment="bench", parent=parent)


def test_silence_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tell(build("none"), tmp_path / "table.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]


def test_params_are_dotted_paths() -> None:
    spec = {"generators": [{"plugin": "flow", "options": {}}], "seed": 0}
    assert flattened(spec) == {"generators.0.plugin": "flow", "generators.0.options": {}, "seed": 0}


def test_a_training_is_tracked_by_step(tmp_path: Path) -> None:
    from pxrdgen_learning.training.loop import LogLine
    from pxrdgen_learning.training.spec import CorpusOptions, TrainingSpec
    from pxrdgen_learning.training.tracked import tracked_training

    spec = TrainingSpec(component={"plugin": "flow"}, corpus=CorpusOptions(path=tmp_path / "x.npz"))
    for step in (20, 40):  # the second as after a kill
        with tracked_training(build("jsonl", folder=str(tmp_path / "runs")), spec, tmp_path / "flow") as report:
            report(
                LogLine(step=step, loss=1.0 / step, rate=1e-3, crystals_per_second=9.0, seconds=1.0, seconds_left=None)
            )
    (folder,) = (tmp_path / "runs" / "pxrdgen-training").iterdir()
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [(line["step"], line["loss"]) for line in lines] == [(20, 0.05), (40, 0.025)]
    assert "seconds_left" not in lines[0]
    params = json.loads((folder / "params.json").read_text())
    assert params["component.plugin"] == "flow"
    assert params["training.learning_rate"] == 1e-3
