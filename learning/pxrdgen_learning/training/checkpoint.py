"""Checkpoints: safetensors and JSON in a folder that appears by one rename, so a kill never leaves half of one."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from pxrdgen.errors import TrainingError
from pxrdgen_learning.training.averaging import WeightAverage
from pxrdgen_learning.training.batch import Rows
from pxrdgen_learning.weights.restore import lasting_tensors

_NAME = re.compile(r"step-(\d{8})")


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a run stands. Randomness is drawn per step from the run's seed, so no generator state is kept.

    Args:
        step: steps done.
        epoch, position: the epoch under way and the steps done in it.
        crystals: crystals seen, each as often as it was.
        seconds: time spent training.
        loss: running mean of the loss.
    """

    step: int = 0
    epoch: int = 0
    position: int = 0
    crystals: int = 0
    seconds: float = 0.0
    loss: float = 1.0


def checkpoints(folder: Path) -> list[Path]:
    """Complete checkpoints in a run folder, oldest first."""
    return sorted(path for path in folder.glob("step-*") if _NAME.fullmatch(path.name))


def save(
    folder: Path, progress: Progress, network: nn.Module, average: WeightAverage, optimizer: torch.optim.Optimizer
) -> Path:
    """Write a checkpoint; returns its folder."""
    from safetensors.torch import save_file

    final = folder / f"step-{progress.step:08d}"
    partial = folder / f".partial-{final.name}-{os.getpid()}"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    save_file(
        {name: value.detach().contiguous() for name, value in lasting_tensors(network).items()},
        partial / "network.safetensors",
    )
    save_file(average.values(), partial / "average.safetensors")
    save_file(_optimizer_tensors(network, optimizer), partial / "optimizer.safetensors")
    (partial / "progress.json").write_text(json.dumps(vars(progress)))
    for path in partial.iterdir():
        with path.open("rb") as handle:
            os.fsync(handle.fileno())
    shutil.rmtree(final, ignore_errors=True)
    partial.rename(final)
    return final


def load(path: Path, network: nn.Module, average: WeightAverage, optimizer: torch.optim.Optimizer) -> Progress:
    """Restore everything a step depends on.

    Raises:
        TrainingError: the checkpoint is not of this network.
    """
    from safetensors.torch import load_file

    try:
        weights = load_file(path / "network.safetensors")
        with torch.no_grad():
            for name, value in lasting_tensors(network).items():
                if value.shape != weights[name].shape:
                    raise ValueError(f"{name} is {list(weights[name].shape)}, expected {list(value.shape)}")
                value.copy_(weights[name])
        average.load(load_file(path / "average.safetensors"))
        _restore_optimizer(network, optimizer, load_file(path / "optimizer.safetensors"))
        return read_progress(path)
    except (KeyError, RuntimeError, OSError, ValueError) as error:
        raise TrainingError(
            f"got the checkpoint {path}, which does not fit this network ({error}); start a new run"
        ) from error


def read_progress(path: Path) -> Progress:
    """Where the run of a checkpoint stood."""
    return Progress(**json.loads((path / "progress.json").read_text()))


def keep_bad_step(folder: Path, step: int, seed: int, micro: Sequence[Rows]) -> Path:
    """Write down which crystals a step that went wrong was made of; with the seed it can be made again."""
    path = folder / f"bad-step-{step:08d}.json"
    crystals = [{"size": rows.size, "rows": rows.rows.tolist()} for rows in micro]
    path.write_text(json.dumps({"step": step, "seed": seed, "micro_batches": crystals}))
    return path


def prune(folder: Path, *, keep_last: int, keep_every: int) -> None:
    """Delete all but the newest ``keep_last`` and the multiples of ``keep_every``."""
    for path in checkpoints(folder)[:-keep_last]:
        if int(path.name.removeprefix("step-")) % keep_every:
            shutil.rmtree(path)


def _optimizer_tensors(network: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for name, parameter in network.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            tensors[f"{key}:{name}"] = torch.as_tensor(value).detach().contiguous()
    return tensors


def _restore_optimizer(network: nn.Module, optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    for name, parameter in network.named_parameters():
        state = {
            key: tensors[f"{key}:{name}"].to(parameter.device)
            for key in ("step", "exp_avg", "exp_avg_sq")
            if f"{key}:{name}" in tensors
        }
        if state:
            optimizer.state[parameter] = state
