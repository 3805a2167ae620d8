"""``pxrdgen train``: train components, end a training with a cooldown, write weights."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pxrdgen.errors import OptionError
from pxrdgen.interfaces.kinds import ComponentKind

if TYPE_CHECKING:
    from pxrdgen_learning.training.loop import LogLine

app = typer.Typer(no_args_is_help=True, help="Train components and write weights.")

SpecArgument = Annotated[Path, typer.Argument(help="A training spec (YAML or JSON).")]
FolderOption = Annotated[
    Path, typer.Option("--out", "-o", help="Folder for checkpoints and log; continued if it has any.")
]
HoursOption = Annotated[float, typer.Option("--hours", min=0.0, help="Stop after this time; run again to continue.")]
CooldownOption = Annotated[
    float,
    typer.Option("--cooldown", min=0.0, max=0.9, help="Share of --hours in which the rate falls to zero at the end."),
]
TrackerOption = Annotated[
    str, typer.Option("--tracker", help="Write the training down too: mlflow, jsonl or a plugin's.")
]
UriOption = Annotated[str, typer.Option("--tracking-uri", help="MLflow server or store, with --tracker mlflow.")]

#: what the command is called that trains components of a kind.
_NAMES = {
    ComponentKind.GENERATOR: "generator",
    ComponentKind.ENCODER: "encoder",
    ComponentKind.CELL_PREDICTOR: "cells",
}


def _offer(kind: ComponentKind, words: str) -> None:
    """Add the command that trains components of a kind; ``words`` are its help."""

    @app.command(_NAMES[kind], help=words)
    def command(
        spec: SpecArgument,
        out: FolderOption,
        hours: HoursOption = math.inf,
        cooldown: CooldownOption = 0.0,
        tracker: TrackerOption = "none",
        tracking_uri: UriOption = "",
    ) -> None:
        from pxrdgen_learning.training import runs
        from pxrdgen_learning.training.spec import read_training_spec
        from pxrdgen_learning.training.tracked import tracked_training
        from pxrdgen_learning.training.tracking import build_tracker

        read = read_training_spec(spec)
        if read.kind is not kind:
            advice = f"; use 'pxrdgen train {_NAMES[read.kind]}'" if read.kind in _NAMES else ""
            raise OptionError(f"got a spec of a {read.kind}, expected one of a {kind}{advice}")
        with tracked_training(build_tracker(tracker, tracking_uri), read, out) as note:

            def report(line: LogLine) -> None:
                _print(line)
                note(line)

            seconds = 3600.0 * hours
            if cooldown:
                out, progress = runs.train_and_cool_down(read, out, seconds=seconds, share=cooldown, report=report)
            else:
                progress = runs.train(read, out, max_seconds=seconds, report=report)
        typer.echo(f"{out}: {progress.step} steps, loss {progress.loss:.4f}, {progress.seconds / 60:.1f} min in all")


_offer(
    ComponentKind.GENERATOR,
    """Train a generator. Killed or stopped at any moment, the same command continues where it was.

    The learning rate stays constant; 'pxrdgen train cooldown' takes it to zero when time is up, or --cooldown does.

    Examples:

      pxrdgen train generator flow.yaml --out runs/flow --hours 2 --cooldown 0.3

      pxrdgen train cooldown runs/flow --minutes 10
    """,
)

_offer(
    ComponentKind.ENCODER,
    """Pre-train a pattern encoder against a structure encoder, so that patterns and crystals find each other.

    Examples:

      pxrdgen train encoder peaks.yaml --out runs/peaks --hours 1

      pxrdgen train cooldown runs/peaks --minutes 10
    """,
)

_offer(
    ComponentKind.CELL_PREDICTOR,
    """Train a predictor of unit cells. Like 'pxrdgen train generator', for components of kind cell-predictor.

    Examples:

      pxrdgen train cells cellnet.yaml --out runs/cellnet --hours 1

      pxrdgen train cooldown runs/cellnet --minutes 10
    """,
)


@app.command("cooldown")
def cool_down(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    minutes: Annotated[float | None, typer.Option("--minutes", min=0.01, help="About how long.")] = None,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="How many steps, instead.")] = None,
) -> None:
    """End a training: branch off the newest checkpoint and take the learning rate to zero.

    The run itself is left as it is and can go on. The result is in the folder that is printed.

    Examples:

      pxrdgen train cooldown runs/flow --minutes 10

      pxrdgen train cooldown runs/flow --steps 500
    """
    from pxrdgen_learning.training import runs

    if (minutes is None) == (steps is None):
        raise OptionError("give either --minutes or --steps")
    branch, _ = runs.cool_down(run, minutes=minutes, steps=steps, report=_print)
    typer.echo(f"{branch}")


@app.command("export")
def export_weights(
    run: Annotated[Path, typer.Argument(help="Folder of a run or a cooldown.")],
    weights: Annotated[Path, typer.Argument(help="The .safetensors file to write; its card goes beside it.")],
    metrics: Annotated[
        Path | None, typer.Option("--metrics", help="JSON object of measured numbers for the card.")
    ] = None,
    half: Annotated[bool, typer.Option("--half", help="Store numbers with 16 bits: half the size.")] = False,
) -> None:
    """Write the averaged weights of a run with a card.

    Examples:

      pxrdgen train export runs/flow/cooldown-00004000 flow.safetensors --metrics val.json
    """
    from pxrdgen_learning.training.exporting import export

    card = export(run, weights, metrics=metrics, half=half)
    typer.echo(f"{weights}: {card.kind} {card.component!r}, SHA-256 {card.sha256}")


def _print(line: LogLine) -> None:
    left = "" if line.seconds_left is None else f"  {line.seconds_left / 60:.1f} min left"
    typer.echo(
        f"step {line.step:7d}  loss {line.loss:.4f}  rate {line.rate:.2e}  "
        f"{line.crystals_per_second:.0f} crystals/s  {line.seconds / 60:.1f} min{left}"
    )
