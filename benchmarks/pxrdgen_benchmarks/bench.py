"""``pxrdgen bench``: suites of measurements, ablations from a file, comparisons with intervals and tests."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pxrdgen.interfaces.tracker import Tracker

app = typer.Typer(no_args_is_help=True, help="Measure and compare: suites, ablations, tables.")


@app.command("list")
def list_suites() -> None:
    """List the suites and what a file for 'bench run' can measure.

    Examples:

      pxrdgen bench list
    """
    from pxrdgen.interfaces.kinds import ComponentKind
    from pxrdgen.plugins.registry import default_registry
    from pxrdgen_benchmarks.suite import load_suite, shipped_suites

    typer.echo("suites (pxrdgen bench run NAME --size small|full)")
    for name in shipped_suites():
        suite = load_suite(name)
        typer.echo(f"  {name:14} {len(suite.all_variants()):3d} specs  {suite.title}")
    typer.echo("\ntasks (the 'task:' of a file for pxrdgen bench run)")
    for component in default_registry().components(ComponentKind.TASK):
        typer.echo(f"  {component.record.name:14} {component.record.summary}")


@app.command("run")
def run_bench(
    suite: Annotated[str, typer.Argument(help="One of 'pxrdgen bench list', or a file of your own (YAML).")],
    size: Annotated[
        str | None,
        typer.Option("--size", help="small: minutes; full: the numbers to be quoted. Default: small; a file's: full."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder of the results; default: runs/bench/NAME-SIZE.")
    ] = None,
    workers: Annotated[int, typer.Option("--workers", min=0, help="Processes of one thread; 0: this one.")] = 2,
    dask: Annotated[
        str, typer.Option("--dask", help="Address of a dask scheduler, or 'local' for a cluster of --workers here.")
    ] = "",
    tracker: Annotated[
        str | None, typer.Option("--tracker", help="mlflow, jsonl, none or a plugin's; default: mlflow if installed.")
    ] = None,
    tracking_uri: Annotated[
        str, typer.Option("--tracking-uri", help="MLflow server or store; default: runs/mlflow/mlflow.db, SQLite.")
    ] = "",
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Crystals in all, instead of the suite's.")
    ] = None,
    crystals: Annotated[
        Path | None, typer.Option("--crystals", help="Table or pack of the crystals; default: the data folder's.")
    ] = None,
) -> None:
    r"""Run a suite, or an ablation: every combination of a grid over any plugin or option of a base spec.

    Killed or stopped at any moment, the same command continues. A file holds, for example:

      task: solve
      base: {generators: [{plugin: direct_space}], budget_s: 5}
      grid:
        generators.0.plugin: \[direct_space, flow]
        refiner.plugin: \[least_squares]
      data: {subset: val-120, columns: \[perturbed], limit: 40}

    Examples:

      pxrdgen bench run robustness

      pxrdgen bench run solve --size full --workers 8 --out runs/bench/solve

      pxrdgen bench run ablation.yml --limit 8 --tracker none

      pxrdgen bench run generators --dask tcp://head:8786 --tracking-uri http://head:5000
    """
    from rich.console import Console

    from pxrdgen_benchmarks.outcome import write_outcome
    from pxrdgen_benchmarks.parallel import Workers
    from pxrdgen_benchmarks.progress import shown_progress
    from pxrdgen_benchmarks.suite import FULL, SMALL, load_suite, read_suite
    from pxrdgen_benchmarks.suite_run import prepare_suite, run_suite
    from pxrdgen_benchmarks.tracked_suite import tracked_suite

    own = Path(suite).suffix in (".yml", ".yaml")
    size = size or (FULL if own else SMALL)
    chosen = (read_suite(Path(suite)) if own else load_suite(suite)).sized(size)
    # nothing is written before it is known that there is something to measure
    said = {"limit": limit, "crystals": None if crystals is None else str(crystals)}
    data = {**chosen.data, **{name: value for name, value in said.items() if value is not None}}
    prepared = prepare_suite(chosen.model_copy(update={"data": data}))
    teller = _tracker(tracker, tracking_uri)
    folder = out or Path("runs") / "bench" / f"{chosen.name}-{size}"
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tracked_suite(teller, prepared.suite, prepared.task, folder, size) as told,
        shown_progress(Console(stderr=True), prepared.task.headline) as watch,
    ):
        result = run_suite(
            prepared, folder, workers=Workers(count=workers, dask=dask), watch=watch, on_variant=told.log_variant
        )
        outcome = write_outcome(result, prepared.task, folder)
        told.log_outcome(result, outcome)
    typer.echo(outcome.report.read_text("utf-8"))
    typer.echo(f"{folder}: report.md, tables, figures, records.parquet", err=True)


@app.command("compare")
def compare_runs(
    first: Annotated[str, typer.Argument(metavar="A", help="Folder of a run, or FOLDER:VARIANT.")],
    second: Annotated[str, typer.Argument(metavar="B", help="The same; variants of equal name are paired.")],
    value: Annotated[
        str | None, typer.Option("--value", help="What is compared; default: what decides in this task.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the resampling.")] = 0,
) -> None:
    """Compare two runs case by case: difference with a bootstrap interval, and a paired test.

    Flags (matched or not) are tested with McNemar's exact test, numbers by flipping signs.

    Examples:

      pxrdgen bench compare runs/bench/before runs/bench/after

      pxrdgen bench compare runs/bench/x:direct_space runs/bench/x:flow --value any_strict
    """
    from pxrdgen_benchmarks.comparing import comparison_table

    typer.echo(comparison_table(first, second, value, seed=seed).markdown())


@app.command("card")
def make_card(
    folder: Annotated[Path, typer.Argument(help="Folder of a run that is done.")],
    out: Annotated[Path, typer.Argument(help="The card to write (YAML).")],
    caveat: Annotated[
        list[str] | None, typer.Option("--caveat", help="A sentence to be read with the numbers; repeatable.")
    ] = None,
    order: Annotated[int, typer.Option("--order", help="Place among the cards.")] = 50,
) -> None:
    """Write the card of a run: what was run on what, digests, versions, hardware, numbers, n, caveats.

    Examples:

      pxrdgen bench card runs/bench/ranking-full benchmarks/results/ranking.yml --caveat "120 crystals"
    """
    from pxrdgen_benchmarks.card_of_run import card_of_run

    card_of_run(folder, caveats=caveat or (), order=order).write(out)
    typer.echo(f"wrote {out}")


@app.command("pages")
def make_pages(
    readme: Annotated[Path, typer.Argument(help="The README; docs/results.md lies beside it.")] = Path("README.md"),
) -> None:
    """Make the README's results and docs/results.md anew from the cards in benchmarks/results.

    Examples:

      pxrdgen bench pages
    """
    from pxrdgen_benchmarks.results_pages import write_pages

    for written in write_pages(readme):
        typer.echo(f"wrote the results of {written}")


def _tracker(name: str | None, uri: str) -> Tracker:
    from pxrdgen_learning.training.tracking import build_tracker

    if name is None:
        name = "mlflow" if uri or importlib.util.find_spec("mlflow") else "jsonl"
    return build_tracker(name, uri)
