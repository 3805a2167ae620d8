"""Trainings as processes: a kill at any point changes nothing, two make the weights of one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from safetensors.torch import load_file

from pxrdgen_learning.data.dataset import CrystalDataset, pack
from pxrdgen_learning.training import checkpoint

from .toy import TINY, same_files


def test_kill_9_and_going_on_gives_the_same_weights_bit_for_bit(dataset: CrystalDataset, tmp_path: Path) -> None:
    pack(dataset, tmp_path / "pack.npz")
    (tmp_path / "spec.json").write_text(json.dumps(TINY))
    _train(tmp_path, "whole")
    killed = _train(tmp_path, "killed", wait=False)
    _wait_for(lambda: len(checkpoint.checkpoints(tmp_path / "killed")) > 0, killed)
    killed.send_signal(signal.SIGKILL)
    killed.wait(timeout=20)
    reached = checkpoint.read_progress(checkpoint.checkpoints(tmp_path / "killed")[-1]).step
    assert 0 < reached < 96, "the kill came too late to test anything"
    _train(tmp_path, "killed")
    same_files(tmp_path / "whole", tmp_path / "killed")


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


def _train(folder: Path, run: str, spec: str = "spec.json", *, wait: bool = True) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "pxrdgen", "train", "generator", spec, "--out", run]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with (folder / f"{run}.txt").open("ab") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    if wait:
        assert process.wait(timeout=300) == 0, (folder / f"{run}.txt").read_text()
    return process


def _wait_for(condition, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 120
    while not condition() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
