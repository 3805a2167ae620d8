"""How far proposed cells are off: ``python -m pxrdgen_benchmarks.cell_mape run``, then ``... table``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
import yaml

from pxrdgen.errors import OptionError
from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.values.cell import UnitCell
from pxrdgen_benchmarks.cases import Column
from pxrdgen_benchmarks.cell_choice import NUMBERS, ChoiceRow, choose
from pxrdgen_benchmarks.cell_rank import Contents, exact_cell
from pxrdgen_benchmarks.cell_setting import nearest_setting
from pxrdgen_benchmarks.results_file import ResultsFile, read_lines
from pxrdgen_benchmarks.subsets import interleaved, load_entries, load_subset
from pxrdgen_benchmarks.tables import Table

app = typer.Typer(help="Errors of proposed cells against how many were proposed.", no_args_is_help=True)

#: best of 1000 on the MP-20 test split in the logs released with PXRDGen: a, b, c (per cent), volume where logged.
#: Its FastDTW screening compared with the lines of the true cell.
RELEASED = {"truth": (1.85, 1.54, 1.39, 3.8), "fastdtw": (2.14, 1.60, 1.19, None)}
FAILED = 1.0


@app.command()
def run(
    out: Annotated[Path, typer.Option(help="Rows, JSON lines; continued if it has any.")] = Path("cells.jsonl"),
    predictor: Annotated[str, typer.Option(help="An installed cell predictor.")] = "cellnet",
    scorer: Annotated[list[str] | None, typer.Option(help="Repeatable; default: fastdtw.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE of the predictor; repeatable.")] = None,
    column: Annotated[list[Column] | None, typer.Option(help="Repeatable; default: clean.")] = None,
    contents: Annotated[Contents, typer.Option(help="What is told beside the pattern.")] = Contents.Z,
    subset: Annotated[str, typer.Option(help="Which crystals.")] = "val-120",
    limit: Annotated[int | None, typer.Option(min=1, help="Crystals in all, size buckets in turn.")] = None,
    crystals: Annotated[Path | None, typer.Option(help="Parquet or pack; default: the shared data folder's.")] = None,
) -> None:
    """Propose cells for every pattern and let every scorer choose; killed at any moment, the same command continues.

    Examples:

      python -m pxrdgen_benchmarks.cell_mape run --out cells.jsonl --set polish=false --scorer fastdtw --scorer lebail

      python -m pxrdgen_benchmarks.cell_mape run --out d.jsonl --set polish=false --set path=diffusion
    """
    from pxrdgen.plugins.registry import default_registry

    registry = default_registry()
    options = {key: yaml.safe_load(value) for key, _, value in (_setting(text) for text in set_ or ())}
    built = registry.build(ComponentKind.CELL_PREDICTOR, predictor, options)
    scorers = {name: registry.build(ComponentKind.CELL_SCORER, name) for name in scorer or ["fastdtw"]}
    entries = interleaved(load_entries(load_subset(subset), crystals))[:limit]
    described = {"predictor": predictor, "options": options, "scorers": [*scorers], "contents": contents.value}
    results: ResultsFile[ChoiceRow] = ResultsFile(path=out, run=described, parse=ChoiceRow.from_mapping)
    rows = results.open()
    done = {row.key for row in rows}
    for each in column or [Column.CLEAN]:
        for entry in entries:
            if (entry.crystal.name, str(each)) in done:
                continue
            row = choose(entry, each, built, scorers, contents=contents.value)
            results.append([row])
            rows.append(row)
            typer.echo(f"{row.id} {row.column} {row.error or dict(row.seconds)}", err=True)
    typer.echo(mape_table(rows, load_subset(subset).weights).markdown())


@app.command()
def table(
    files: Annotated[list[Path], typer.Argument(help="Files that 'run' wrote.")],
    subset: Annotated[str, typer.Option(help="Whose bucket weights to use.")] = "val-120",
) -> None:
    """The table of finished runs."""
    for path in files:
        head, rows = read_lines(path, ChoiceRow.from_mapping)
        title = f"{path.stem}: {json.dumps(head['run'])}"
        typer.echo(mape_table(rows, load_subset(subset).weights, title=title).markdown() + "\n")


def mape_table(rows: Sequence[ChoiceRow], weights: Mapping[str, float], *, title: str = "MAPE") -> Table:
    """Mean absolute error in per cent of a, b, c, V and (in degrees) of the angles, and how many cells are exact.

    Parameters are compared in the axes nearest to the true ones, and weighted to the whole split; a pattern without a
    proposal counts as 100 % off. Of what is chosen by truth, no user could have known it.
    """
    lines = []
    for column in dict.fromkeys(row.column for row in rows):
        chosen = [row for row in rows if row.column == column]
        choosers = dict.fromkeys(name for row in chosen for name in row.chosen)
        for name in choosers:
            for number in NUMBERS:
                errors = np.array([_errors(row, name, str(number)) for row in chosen])
                weight = _weights([row.bucket for row in chosen], weights)
                means = weight @ errors
                volume = float(np.median(errors[:, 3]))
                lines.append(
                    (
                        column,
                        name,
                        str(number),
                        str(len(chosen)),
                        *(f"{100 * value:.2f}" for value in means[:4]),
                        f"{means[4]:.2f}",
                        f"{100 * volume:.2f}",
                        f"{100 * means[5]:.1f}",
                    )
                )
        for name, values in RELEASED.items():
            shown = ("" if value is None else f"{value:.2f}" for value in values)
            lines.append(("released logs (other test set)", name, "1000", "9046", *shown, "", "", ""))
    return Table(
        title=title,
        header=("pattern", "chosen by", "of", "n", "a %", "b %", "c %", "V %", "angles deg", "V %, median", "exact %"),
        rows=tuple(lines),
    )


def _errors(row: ChoiceRow, chooser: str, number: str) -> tuple[float, ...]:
    """Relative errors of a, b, c, V, the mean error of the angles in degrees, and 1 where the cell is exact."""
    parameters = row.chosen.get(chooser, {}).get(number)
    if parameters is None:
        return (*(FAILED,) * 4, 90.0, 0.0)
    exact = exact_cell(UnitCell(*parameters), UnitCell(*row.cell))
    nearest = nearest_setting(UnitCell(*parameters), UnitCell(*row.cell))
    found, true = np.array(nearest.parameters), np.array(row.cell)
    volume = abs(UnitCell(*parameters).volume / UnitCell(*row.cell).volume - 1.0)
    edges = np.abs(found[:3] / true[:3] - 1.0)
    return (*edges.tolist(), volume, float(np.abs(found[3:] - true[3:]).mean()), float(exact))


def _weights(buckets: Sequence[str], weights: Mapping[str, float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """[M] weights that make the buckets count as they do in the whole split, summing to 1."""
    each = np.array([weights[bucket] / buckets.count(bucket) for bucket in buckets])
    return np.asarray(each / each.sum())


def _setting(text: str) -> tuple[str, str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise OptionError(f"got --set {text!r}, expected KEY=VALUE")
    return key, equals, value


if __name__ == "__main__":
    app()
