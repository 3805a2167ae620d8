"""What refiners make of displaced structures: ``python -m pxrdgen_benchmarks.refinement run``, then ``... table``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from pxrdgen.errors import OptionError
from pxrdgen.interfaces.refiner import Refiner
from pxrdgen_benchmarks.command import guarded
from pxrdgen_benchmarks.refinement_cases import (
    MEASURED,
    RefinementCase,
    candidate_refinements,
    measured_refinements,
    simulated_refinements,
)
from pxrdgen_benchmarks.refinement_rows import RefinementRow, read_rows
from pxrdgen_benchmarks.refinement_run import RefinerOf, run_refinements
from pxrdgen_benchmarks.refinement_tables import (
    agreement_table,
    before_after_table,
    home_table,
    is_home,
    measured_refinement_table,
)
from pxrdgen_benchmarks.subsets import interleaved, load_entries, load_subset, shared_folder
from pxrdgen_benchmarks.tables import Table

app = typer.Typer(help="Refiners on displaced structures.", no_args_is_help=True)

#: of the polynomial, when refiners are compared on measured patterns.
MEASURED_BACKGROUND_TERMS = 12


class Part(StrEnum):
    """What is refined."""

    SIMULATED = "simulated"
    MEASURED = "measured"
    CANDIDATES = "candidates"


def cases_of(part: Part, *, subset: str = "val-120", crystals: Path | None = None) -> list[RefinementCase]:
    """The cases of one part; a beginning of the list is representative.

    Raises:
        OptionError: no such subset.
        DatasetError: the data are not there.
    """
    if part is Part.MEASURED:
        return [*measured_refinements(shared_folder() / "examples")]
    entries = interleaved(load_entries(load_subset(subset), crystals))
    return [*(simulated_refinements(entries) if part is Part.SIMULATED else candidate_refinements(entries))]


def refiner_for(name: str, options: Mapping[str, Any]) -> RefinerOf:
    """Builds the refiner of a case; measured patterns are refined with the same background and texture model by all."""
    from pxrdgen.interfaces.kinds import ComponentKind
    from pxrdgen.plugins.registry import default_registry

    axes = {model.name: model.texture_axis for model in MEASURED}
    registry = default_registry()

    @cache
    def built(axis: tuple[int, int, int] | None, measured: bool) -> Refiner:
        chosen = dict(options)
        if measured:
            model = {
                "background": "chebyshev",
                "background_terms": MEASURED_BACKGROUND_TERMS,
                "refine_texture": axis is not None,
                "texture_axis": None if axis is None else list(axis),
            }
            chosen = {**model, **chosen}
        return registry.build(ComponentKind.REFINER, name, chosen)

    return lambda case: built(axes.get(case.id) if case.part == Part.MEASURED else None, case.part == Part.MEASURED)


@app.command()
def run(
    refiner: Annotated[str, typer.Option(help="An installed refiner.")] = "least_squares",
    part: Annotated[list[Part] | None, typer.Option(help="Repeatable; default: simulated.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE of the refiner; repeatable.")] = None,
    out: Annotated[Path, typer.Option(help="Rows, JSON lines; continued if it has any.")] = Path("refinement.jsonl"),
    subset: Annotated[str, typer.Option(help="Which crystals.")] = "val-120",
    limit: Annotated[int | None, typer.Option(min=1, help="Cases of each part.")] = None,
    crystals: Annotated[Path | None, typer.Option(help="Parquet or pack; default: the shared data folder's.")] = None,
) -> None:
    """Refine every start; killed or stopped at any moment, the same command continues.

    Examples:

      python -m pxrdgen_benchmarks.refinement run --refiner least_squares --part simulated --out ours.jsonl

      python -m pxrdgen_benchmarks.refinement run --refiner gsas2 --part simulated --part measured --out gsas2.jsonl
    """
    options = {key: yaml.safe_load(value) for key, _, value in (_setting(text) for text in set_ or ())}
    refiner_of = refiner_for(refiner, options)
    parts = part or [Part.SIMULATED]
    cases = [case for each in parts for case in cases_of(each, subset=subset, crystals=crystals)[:limit]]
    done = 0

    def watch(row: RefinementRow, total: int) -> None:
        nonlocal done
        done += 1
        typer.echo(_line(row, done, total), err=True)

    head = {"refiner": refiner, "options": options, "subset": subset}
    rows = run_refinements(cases, refiner_of, out, head, watch)
    typer.echo(_markdown(_tables({refiner: rows})))


@app.command()
def table(
    results: Annotated[list[Path], typer.Argument(help="What run wrote, one file a refiner.")],
    csv: Annotated[Path | None, typer.Option(help="Folder for the tables as CSV too.")] = None,
) -> None:
    """Tables of one or more runs as markdown; with two or more, how the first agrees with each other.

    Example:

      python -m pxrdgen_benchmarks.refinement table ours.jsonl gsas2.jsonl
    """
    runs: dict[str, list[RefinementRow]] = {}
    for path in results:
        head, rows = read_rows(path)
        described = head.get("run")
        name = str(described.get("refiner", path.stem)) if isinstance(described, dict) else path.stem
        runs[name if name not in runs else f"{name} ({path.stem})"] = rows
    found = _tables(runs)
    if csv is not None:
        csv.mkdir(parents=True, exist_ok=True)
        for stem, content in found.items():
            (csv / f"{stem}.csv").write_text(content.csv(), encoding="utf-8")
    typer.echo(_markdown(found))


def _tables(runs: Mapping[str, list[RefinementRow]]) -> dict[str, Table]:
    names = list(runs)
    found = {"home": home_table(runs)}
    for other in names[1:]:
        found[f"agreement_{other}"] = agreement_table(names[0], other, runs)
    found["measured"] = measured_refinement_table(runs)
    for name, rows in runs.items():
        if any(row.part == Part.CANDIDATES for row in rows):
            found[f"before_after_{name}"] = before_after_table(rows)
    return {name: content for name, content in found.items() if content.rows}


def _markdown(tables: Mapping[str, Table]) -> str:
    return "\n\n".join(content.markdown() for content in tables.values())


def _line(row: RefinementRow, done: int, total: int) -> str:
    if row.error:
        return f"{done}/{total} {row.id} {row.group}: {row.error}"
    before, after = (f"{rms:.4f}" if rms is not None else "none" for rms in (row.rms_before, row.rms_after))
    gof = "failed" if row.gof is None else f"GOF {row.gof:.3f}"
    home = "home, " if is_home(row) else ""
    return (
        f"{done}/{total} {row.id} {row.group} {row.num_atoms} atoms: {home}RMSE {before} to {after}, {gof}, "
        f"{row.seconds:.2f} s"
    )


def _setting(text: str) -> tuple[str, str, str]:
    key, sign, value = text.partition("=")
    if not sign or not key:
        raise OptionError(f"got --set {text!r}, expected KEY=VALUE")
    return key, sign, value


def main(command: Callable[[], None] = app) -> None:
    """Errors of ours are one line and their exit code."""
    guarded(command)


if __name__ == "__main__":
    main()
