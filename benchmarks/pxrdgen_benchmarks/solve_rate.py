"""How often the solver is right: ``python -m pxrdgen_benchmarks.solve_rate run``, then ``... table results.jsonl``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

import typer
from rich.console import Console

from pxrdgen.errors import OptionError, nearest
from pxrdgen.specs.pipeline import PipelineSpec, read_spec
from pxrdgen_benchmarks.cases import Column, simulated_cases
from pxrdgen_benchmarks.command import guarded
from pxrdgen_benchmarks.evaluate import Solver, solve_from_formula, solve_with_cell, solve_without_cell
from pxrdgen_benchmarks.progress import shown_progress
from pxrdgen_benchmarks.results_file import ResultsFile, read_results
from pxrdgen_benchmarks.row import Row
from pxrdgen_benchmarks.runner import run_cases
from pxrdgen_benchmarks.subsets import interleaved, load_entries, load_subset
from pxrdgen_benchmarks.tables import Table, match_table, space_group_table, verdict_table


class Told(StrEnum):
    """What the solver is told beside the pattern."""

    CELL = "cell"
    Z = "z"
    FORMULA = "formula"


#: who answers when the formula is told alone, with Z, or with Z and the cell.
_SOLVERS: Mapping[Told, Solver] = MappingProxyType(
    {Told.CELL: solve_with_cell, Told.Z: solve_without_cell, Told.FORMULA: solve_from_formula}
)

app = typer.Typer(help="Rates of right answers on crystals that are known.", no_args_is_help=True)


@app.command()
def run(
    columns: Annotated[
        list[str] | None,
        typer.Option(help=f"Repeatable or comma-separated: {', '.join(Column)}; or all. Default: clean and perturbed."),
    ] = None,
    told: Annotated[
        Told, typer.Option(help="The formula alone, with Z, or with Z and the cell, as PXRDGen's two settings.")
    ] = Told.CELL,
    subset: Annotated[str, typer.Option(help="Which crystals.")] = "val-120",
    out: Annotated[Path, typer.Option(help="Results, JSON lines; continued if it has any.")] = Path("results.jsonl"),
    budget: Annotated[
        float | None, typer.Option(min=0.1, help="Seconds of search a case; default: the spec's.")
    ] = None,
    candidates: Annotated[int | None, typer.Option(min=1, help="Default: the spec's.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of the solver; default: the spec's.")] = None,
    spec: Annotated[Path | None, typer.Option(help="Pipeline (YAML); default: everything by default.")] = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes of one thread; 0: this one.")] = 2,
    limit: Annotated[int | None, typer.Option(min=1, help="Crystals in all.")] = None,
    stride: Annotated[int, typer.Option(min=1, help="Every which crystal of each size bucket.")] = 1,
    crystals: Annotated[Path | None, typer.Option(help="Parquet or pack; default: the shared data folder's.")] = None,
) -> None:
    """Solve every crystal in every column; killed or stopped at any moment, the same command continues.

    Examples:

      python -m pxrdgen_benchmarks.solve_rate run --columns clean,perturbed --budget 10 --out results.jsonl

      python -m pxrdgen_benchmarks.solve_rate run --columns clean --told z --out without_cell.jsonl

      python -m pxrdgen_benchmarks.solve_rate run --columns all --limit 8 --budget 2 --out quick.jsonl
    """
    chosen = _columns(columns or [f"{Column.CLEAN},{Column.PERTURBED}"])
    pipeline = read_spec(spec) if spec is not None else PipelineSpec()
    overrides = {"budget_s": budget, "candidates": candidates, "seed": seed}
    pipeline = pipeline.model_copy(update={name: value for name, value in overrides.items() if value is not None})
    found = load_subset(subset)
    every = load_entries(found, crystals)
    entries = interleaved(every, stride=stride, limit=limit)
    described = {"subset": subset, "spec": pipeline.model_dump(mode="json")}
    if told is not Told.CELL:
        described["told"] = told.value
    results: ResultsFile[Row] = ResultsFile(path=out, run=described)
    console = Console(stderr=True)
    with shown_progress(console) as watch:
        cases, solver = simulated_cases(entries, chosen, every), _SOLVERS[told]
        rows = run_cases(cases, pipeline, results, workers=workers, solver=solver, watch=watch)
    typer.echo(_markdown((match_table(rows, found.weights), verdict_table(rows), space_group_table(rows))))


@app.command()
def table(
    results: Annotated[Path, typer.Argument(help="What run wrote.")],
    csv: Annotated[Path | None, typer.Option(help="Folder for the tables as CSV too.")] = None,
) -> None:
    """Tables of a results file, finished or not, as markdown.

    Example:

      python -m pxrdgen_benchmarks.solve_rate table results.jsonl --csv tables
    """
    head, rows = read_results(results)
    run_of = head["run"]
    if not isinstance(run_of, dict) or "subset" not in run_of:
        raise OptionError(f"got {results}, which names no subset; expected what 'run' wrote")
    tables = {
        "matches": match_table(rows, load_subset(str(run_of["subset"])).weights),
        "verdicts": verdict_table(rows),
        "space_groups": space_group_table(rows),
    }
    if csv is not None:
        csv.mkdir(parents=True, exist_ok=True)
        for name, content in tables.items():
            (csv / f"{name}.csv").write_text(content.csv(), encoding="utf-8")
    typer.echo(_markdown(tuple(tables.values())))


def _markdown(tables: tuple[Table, ...]) -> str:
    return "\n\n".join(entry.markdown() for entry in tables)


def _columns(texts: Sequence[str]) -> tuple[Column, ...]:
    """Each column once, in the order asked for.

    Raises:
        OptionError: an unknown column.
    """
    names = [name.strip() for text in texts for name in text.split(",")]
    known = [column.value for column in Column]
    for name in names:
        if name not in (*known, "all"):
            raise OptionError(
                f"got the column {name!r}, expected one of {', '.join(known)}, or all{nearest(name, known)}"
            )
    return tuple(Column) if "all" in names else tuple(Column(name) for name in dict.fromkeys(names))


def main() -> None:
    """Errors of ours are one line and their exit code."""
    guarded(app)


if __name__ == "__main__":
    main()
