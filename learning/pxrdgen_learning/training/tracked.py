"""A training in a tracker: its spec as params, what the loop reports as metrics by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pxrdgen.interfaces.tracker import Tracker
from pxrdgen_learning.training.loop import LogLine
from pxrdgen_learning.training.spec import TrainingSpec
from pxrdgen_learning.training.tracking import flattened, tracked

#: experiment of all trainings.
EXPERIMENT = "pxrdgen-training"


@contextmanager
def tracked_training(tracker: Tracker, spec: TrainingSpec, folder: Path) -> Iterator[Callable[[LogLine], None]]:
    """A report for the training loop; a training that continues in its folder continues its run."""
    name = f"{spec.kind} {spec.component.plugin}"
    with tracked(tracker, f"{name} {folder.name}", key=f"{name} {folder.resolve()}", experiment=EXPERIMENT) as run:
        run.log_params(flattened(spec.model_dump(mode="json")))

        def report(line: LogLine) -> None:
            numbers = {name: float(value) for name, value in vars(line).items() if name != "step" and value is not None}
            run.log_metrics(numbers, step=line.step)

        yield report
