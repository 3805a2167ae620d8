"""The processes that train together, and in which precision their networks run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn

from pxrdgen.errors import OptionError
from pxrdgen_learning.training.options import TrainingOptions

if TYPE_CHECKING:
    from lightning_fabric import Fabric

ItemT = TypeVar("ItemT")


@dataclass(frozen=True, kw_only=True)
class Workers:
    """This process among those of a run; every one holds the whole model and sees its share of each step.

    Args:
        fabric: launched.
    """

    fabric: Fabric

    @classmethod
    def launch(cls, options: TrainingOptions) -> Workers:
        """Start the other processes, each of which runs the same command from the beginning.

        Raises:
            OptionError: the micro-batches of a step cannot be shared out evenly, or there is no such device.
        """
        from lightning_fabric import Fabric

        if options.per_step % options.processes:
            raise OptionError(
                f"got {options.per_step} micro-batches a step for {options.processes} processes; "
                "make per_step a multiple"
            )
        if options.device == "cuda" and torch.cuda.device_count() < options.processes:
            raise OptionError(
                f"got the device cuda for {options.processes} processes, and torch sees {torch.cuda.device_count()}; "
                "train with 'device: cpu' or fewer processes"
            )
        torch.set_num_threads(options.threads)
        # for this process: its kernels are made anew for each shape, and hardly two micro-batches have the same
        torch.backends.cuda.enable_cudnn_sdp(False)
        many = options.processes > 1
        fabric = Fabric(accelerator=options.device, devices=options.processes, strategy="ddp" if many else "auto")
        fabric.launch()
        return cls(fabric=fabric)

    @property
    def is_first(self) -> bool:
        """Whether this process writes checkpoints and reports."""
        return bool(self.fabric.is_global_zero)

    @property
    def device(self) -> torch.device:
        """Where this process trains."""
        return self.fabric.device

    def share(self, items: Sequence[ItemT]) -> list[tuple[int, ItemT]]:
        """What of ``items`` is this process' to do, with their places."""
        return list(enumerate(items))[self.fabric.global_rank :: self.fabric.world_size]

    def wait(self) -> None:
        """For the others."""
        self.fabric.barrier()

    def summed(self, network: nn.Module, loss: Tensor, stops: bool) -> tuple[Tensor, bool]:
        """Add up the gradients of all processes, in place, and their losses; and whether any of them ``stops``.

        One message for everything, which is waited for, since all have to agree; parameters that some process did not
        use count as zero there.
        """
        if self.fabric.world_size == 1:
            return loss, stops
        parameters = [p for p in network.parameters() if p.requires_grad]
        numbers = torch.stack([loss, torch.full_like(loss, float(stops))])
        flat = torch.cat(
            [numbers, *[torch.zeros_like(p).flatten() if p.grad is None else p.grad.flatten() for p in parameters]]
        )
        total: Any = self.fabric.all_reduce(flat, reduce_op="sum")
        sizes = [p.numel() for p in parameters]
        for parameter, gradient in zip(parameters, total[2:].split(sizes), strict=True):
            parameter.grad = gradient.view_as(parameter).clone()
        return total[0].clone(), bool(total[1] > 0)


class MixedPrecision(nn.Module):
    """A network whose products run in bfloat16; what comes out is float32 again.

    Losses and whatever else is outside stay in float32; networks keep their geometry so with :func:`full_precision`.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *arguments: Any) -> Any:
        """As the network's."""
        with torch.autocast(next(self.network.parameters()).device.type, dtype=torch.bfloat16):
            return _as_float(self.network(*arguments))


def full_precision(like: Tensor) -> torch.autocast:
    """A context in which nothing is rounded to bfloat16, on the device of ``like``."""
    return torch.autocast(like.device.type, enabled=False)


def _as_float(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.float() if value.is_floating_point() else value
    if isinstance(value, tuple):
        parts = [_as_float(each) for each in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return value
