"""How often the exact cell is found from the pattern: ``python -m pxrdgen_benchmarks.cell_rank run``, ``... table``.

Exact: :meth:`pymatgen.core.Lattice.find_mapping` at 1 % and 1 degree with determinant 1, primitive cells. Apart from
those are the lattices that a powder pattern cannot tell from the true one, since both have the same lines (Mighell &
Santoro 1975, doi:10.1107/S0021889875010862).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from pxrdgen.errors import PxrdgenError
from pxrdgen.specs.pipeline import ComponentSpec, PipelineSpec, read_spec
from pxrdgen.values.cell import UnitCell
from pxrdgen.values.cells import CellAnswer
from pxrdgen.values.pattern import PowderPattern
from pxrdgen_benchmarks.cards import Number
from pxrdgen_benchmarks.cases import Case, Column, simulated_cases
from pxrdgen_benchmarks.command import guarded
from pxrdgen_benchmarks.count_cards import rate_number, write_count_card
from pxrdgen_benchmarks.measured import EXAMPLES, example_case, real_cases
from pxrdgen_benchmarks.metrics import Count, wilson
from pxrdgen_benchmarks.results_file import ResultsFile, read_lines
from pxrdgen_benchmarks.subsets import interleaved, load_entries, load_subset, shared_folder
from pxrdgen_benchmarks.tables import Table, percent
from pxrdgen_crystallography.time_limit import time_limit

app = typer.Typer(help="Where the exact cell comes among those found in the pattern.", no_args_is_help=True)

#: a rank that stands for "not in the list".
NOWHERE = 10_000
#: tolerances of "exact".
LENGTH_TOLERANCE, ANGLE_TOLERANCE = 0.01, 1.0
#: degrees within which lines of two lattices are the same.
SAME_LINE = 0.02
#: seconds after which a pattern is a miss.
TIME_LIMIT = 600.0
SYSTEMS = ("triclinic", "monoclinic", "orthorhombic", "tetragonal", "trigonal", "hexagonal", "cubic")
_LAST_GROUP = (2, 15, 74, 142, 167, 194, 230)


class Contents(StrEnum):
    """What is told of the crystal beside its pattern."""

    Z = "z"
    FORMULA = "formula"
    NOTHING = "nothing"


@dataclass(frozen=True, kw_only=True)
class CellRow:
    """One pattern.

    Args:
        id, column: of the case.
        num_atoms, space_group: of the crystal.
        volume: of its primitive cell, A^3.
        rank: of the exact cell, from 0.
        alike: of the exact cell or one that has the same lines.
        first: probability of the first cell.
        nothing: probability that none is right.
        found: the first cell (primitive).
        peaks: in the list.
        cpu_s: seconds of preparing and indexing.
        error: what went wrong.
    """

    id: str
    column: str
    num_atoms: int
    space_group: int
    volume: float
    rank: int = NOWHERE
    alike: int = NOWHERE
    first: float = 0.0
    nothing: float = 1.0
    found: tuple[float, ...] = field(default=())
    peaks: int = 0
    cpu_s: float = 0.0
    error: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """Names the row within a run."""
        return (self.id, self.column)

    @property
    def system(self) -> str:
        """Crystal system of the space group."""
        return SYSTEMS[int(np.searchsorted(_LAST_GROUP, max(self.space_group, 1)))]

    def to_json(self) -> str:
        """One line of text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> CellRow:
        """What :meth:`to_json` wrote."""
        return cls(**{**values, "found": tuple(values["found"])})


def exact_cell(found: UnitCell, truth: UnitCell) -> bool:
    """Whether two primitive cells span the same lattice within 1 % and 1 degree."""
    from pymatgen.core.lattice import Lattice

    if abs(found.volume / truth.volume - 1.0) > 0.1:
        return False
    mapping = Lattice(found.basis).find_mapping(Lattice(truth.basis), ltol=LENGTH_TOLERANCE, atol=ANGLE_TOLERANCE)
    return mapping is not None and abs(abs(float(np.linalg.det(mapping[2]))) - 1.0) < 0.01


def same_lines(found: UnitCell, truth: UnitCell, wavelength: float, high: float) -> bool:
    """Whether both lattices have lines at the same angles up to ``high`` degrees, within 0.02 degrees.

    The found lattice is scaled to the first line of the true one before: a difference of scale is no other lattice.
    """
    ours, theirs = (_angles(cell, wavelength, high) for cell in (found, truth))
    if ours.size == 0 or theirs.size == 0:
        return False
    ratio = np.sin(np.radians(theirs[0] / 2.0)) / np.sin(np.radians(ours[0] / 2.0))
    if abs(ratio - 1.0) > LENGTH_TOLERANCE:
        return False
    ours = np.degrees(2.0 * np.arcsin(np.minimum(ratio * np.sin(np.radians(ours / 2.0)), 1.0)))
    inside = high - 0.1
    one, other = (
        np.abs(first[:, None] - second[None, :]).min(axis=1)[first < inside] < SAME_LINE
        for first, second in ((ours, theirs), (theirs, ours))
    )
    return bool(one.all() and other.all())


def _angles(cell: UnitCell, wavelength: float, high: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    from pxrdgen_crystallography.decomposition.lines import bragg_angles, lines_of, reciprocal_metric_of

    basis = cell.basis
    lines = lines_of(basis, wavelength, 1.0, high)
    return bragg_angles(lines.hkl[lines.first], reciprocal_metric_of(basis), wavelength) if len(lines) else np.zeros(0)


#: a pattern, its formula and Z (either may be withheld) to cells; raises PxrdgenError when it refuses.
Indexer = Callable[[PowderPattern, str | None, int | None], CellAnswer]


def rank_cell(case: Case, indexer: Indexer, contents: Contents) -> CellRow:
    """One row; whatever goes wrong is a miss with its reason."""
    row = CellRow(
        id=case.id,
        column=case.column,
        num_atoms=len(case.truth),
        space_group=case.space_group,
        volume=case.truth.cell.volume,
    )
    question = case.question()
    formula = None if contents is Contents.NOTHING else question.composition.formula
    z = question.z if contents is Contents.Z else None
    started = time.process_time()
    try:
        with time_limit(TIME_LIMIT):
            answer = indexer(question.pattern, formula, z)
    except (PxrdgenError, TimeoutError) as error:
        spent = time.process_time() - started
        return CellRow(**{**asdict(row), "error": f"{type(error).__name__}: {error}", "cpu_s": round(spent, 2)})
    spent = time.process_time() - started
    cells = [hypothesis.cell for hypothesis in answer.hypotheses]
    truth, pattern = case.truth.cell, question.pattern
    exact = [exact_cell(cell, truth) for cell in cells]
    wavelength, high = pattern.instrument.radiation.wavelength, min(float(pattern.two_theta[-1]), 90.0)
    alike = [same or same_lines(cell, truth, wavelength, high) for same, cell in zip(exact, cells, strict=True)]
    return CellRow(
        **{
            **asdict(row),
            "rank": exact.index(True) if any(exact) else NOWHERE,
            "alike": alike.index(True) if any(alike) else NOWHERE,
            "first": (answer.hypotheses[0].probability or 0.0) if cells else 0.0,
            "nothing": answer.nothing,
            "found": cells[0].parameters if cells else (),
            "peaks": int(answer.hypotheses[0].merits.get("lines", 0)) if cells else 0,
            "cpu_s": round(spent, 2),
        }
    )


def pxrdgen_indexer(spec: PipelineSpec) -> Indexer:
    """``pxrdgen.index`` with the predictors of a spec."""
    import pxrdgen

    def indexed(pattern: PowderPattern, formula: str | None, z: int | None) -> CellAnswer:
        return pxrdgen.index(pattern, formula, z=z, spec=spec)

    return indexed


def raw_indexer(spec: PipelineSpec) -> Indexer:
    """The predictors of a spec in their own order, with nothing of ours behind them: how others rank."""
    from pxrdgen.interfaces.kinds import ComponentKind
    from pxrdgen.plugins.registry import default_registry
    from pxrdgen.values.cells import CellProblem
    from pxrdgen_crystallography.formula.parse import parse_formula
    from pxrdgen_crystallography.preparation import prepare

    registry = default_registry()
    predictors = [registry.build(ComponentKind.CELL_PREDICTOR, part) for part in spec.cell_predictors]

    def indexed(pattern: PowderPattern, formula: str | None, z: int | None) -> CellAnswer:
        composition = None if formula is None else parse_formula(formula)[0]
        problem = CellProblem(prepared=prepare(pattern), composition=composition, z=z)
        found = [
            hypothesis for each in predictors for hypothesis in each.predict(problem, 10, np.random.default_rng(0))
        ]
        return CellAnswer(hypotheses=tuple(found), nothing=0.0)

    return indexed


def rank_table(rows: Sequence[CellRow], weights: Mapping[str, float] | None = None) -> Table:
    """Top-1 and top-5 by column and crystal system."""
    del weights
    lines = []
    for column in dict.fromkeys(row.column for row in rows):
        for system in (*SYSTEMS, "all"):
            chosen = [row for row in rows if row.column == column and system in (row.system, "all")]
            if chosen:
                lines.append((column, system, *_figures(chosen)))
    return Table(
        title="Exact cells",
        header=(
            "pattern",
            "system",
            "n",
            "top-1 %",
            "top-5 %",
            "or same lines: top-1 %",
            "top-5 %",
            "refused",
            "CPU s",
        ),
        rows=tuple(lines),
    )


def _figures(rows: Sequence[CellRow]) -> tuple[str, ...]:
    def rate(hits: int) -> str:
        return percent(wilson(Count(hits=hits, n=len(rows))))

    return (
        str(len(rows)),
        rate(sum(row.rank == 0 for row in rows)),
        rate(sum(row.rank < 5 for row in rows)),
        rate(sum(row.alike == 0 for row in rows)),
        rate(sum(row.alike < 5 for row in rows)),
        str(sum(bool(row.error) or not row.found for row in rows)),
        f"{float(np.median([row.cpu_s for row in rows])):.1f}",
    )


@app.command()
def run(
    out: Annotated[Path, typer.Option(help="Rows, JSON lines; continued if it has any.")] = Path("cell_ranks.jsonl"),
    column: Annotated[list[Column] | None, typer.Option(help="Repeatable; default: clean and perturbed.")] = None,
    measured: Annotated[bool, typer.Option("--measured", help="The measured patterns instead.")] = False,
    contents: Annotated[Contents, typer.Option(help="What is told beside the pattern.")] = Contents.NOTHING,
    predictor: Annotated[list[str] | None, typer.Option(help="Repeatable; default: the spec's.")] = None,
    spec: Annotated[Path | None, typer.Option(help="Pipeline (YAML); default: everything by default.")] = None,
    raw: Annotated[bool, typer.Option("--raw", help="The predictors' own order, not fitted or weighed here.")] = False,
    subset: Annotated[str, typer.Option(help="Which crystals.")] = "val-120",
    stride: Annotated[int, typer.Option(min=1, help="Every which crystal of each size bucket.")] = 1,
    limit: Annotated[int | None, typer.Option(min=1, help="Crystals in all, size buckets in turn.")] = None,
) -> None:
    """Index every pattern; killed at any moment, the same command continues.

    Examples:

      python -m pxrdgen_benchmarks.cell_rank run --column clean --limit 30 --out ranks.jsonl

      python -m pxrdgen_benchmarks.cell_rank run --measured --predictor gsas2 --raw --out gsas2.jsonl
    """
    pipeline = read_spec(spec) if spec is not None else PipelineSpec()
    if predictor:
        pipeline = pipeline.model_copy(
            update={"cell_predictors": tuple(ComponentSpec(plugin=name) for name in predictor)}
        )
    cases: list[Case]
    if measured:
        shared = shared_folder()
        cases = [*real_cases(shared / "real", max_atoms=20)]
        cases += [example_case(shared / "examples", name) for name in EXAMPLES]
    else:
        entries = interleaved(load_entries(load_subset(subset)), stride=stride, limit=limit)
        cases = [*simulated_cases(entries, column or (Column.CLEAN, Column.PERTURBED))]
    described = {
        "cell_predictors": [part.model_dump(mode="json") for part in pipeline.cell_predictors],
        "cell_scorers": [part.model_dump(mode="json") for part in pipeline.cell_scorers],
        "contents": contents.value,
        **({"raw": True} if raw else {}),
    }
    results: ResultsFile[CellRow] = ResultsFile(path=out, run=described, parse=CellRow.from_mapping)
    rows = results.open()
    done = {row.key for row in rows}
    indexer = raw_indexer(pipeline) if raw else pxrdgen_indexer(pipeline)
    for case in cases:
        if case.key in done:
            continue
        row = rank_cell(case, indexer, contents)
        results.append([row])
        rows.append(row)
        place = "-" if row.rank == NOWHERE else row.rank + 1
        typer.echo(f"{row.id} {row.column} {row.system}: {place} ({row.cpu_s:.1f} s) {row.error}", err=True)
    typer.echo(rank_table(rows).markdown())


@app.command()
def table(files: Annotated[list[Path], typer.Argument(help="Files that 'run' wrote.")]) -> None:
    """Tables of results files, finished or not, as markdown.

    Example:

      python -m pxrdgen_benchmarks.cell_rank table ranks.jsonl
    """
    for path in files:
        head, rows = read_lines(path, CellRow.from_mapping)
        typer.echo(f"{path.stem}: {json.dumps(head['run'])}\n\n{rank_table(rows).markdown()}\n")


@app.command()
def card(
    files: Annotated[list[Path], typer.Argument(help="Files that 'run' wrote, one for each thing told.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The card to write.")],
    caveat: Annotated[
        list[str] | None, typer.Option(help="A sentence to be read with the numbers; repeatable.")
    ] = None,
) -> None:
    """Write the card of finished runs.

    Example:

      python -m pxrdgen_benchmarks.cell_rank card ranks.jsonl with_formula.jsonl --out benchmarks/results/cells.yml
    """
    heads, numbers = [], []
    for path in files:
        head, rows = read_lines(path, CellRow.from_mapping)
        heads.append(head["run"])
        numbers += rank_numbers(f"told: {head['run']['contents']}", rows)
    write_count_card(
        files,
        out,
        numbers,
        title="Unit cell found from the pattern (exact: 1 %, 1 degree)",
        task="cell_rank",
        run={"runs": heads},
        order=30,
        headline=["exact top-1"],
        caveats=caveat or (),
    )


def rank_numbers(variant: str, rows: Sequence[CellRow]) -> list[Number]:
    """Rates of exact cells by column, over all systems and by system."""
    found = []
    for column in dict.fromkeys(row.column for row in rows):
        for system in ("all", *SYSTEMS):
            own = [row for row in rows if row.column == column and system in (row.system, "all")]
            for places in (1, 5):
                label = f"exact top-{places}" if system == "all" else f"{system}: exact top-{places}"
                if own:
                    found.append(rate_number(variant, column, label, sum(row.rank < places for row in own), len(own)))
    return found


def main() -> None:
    """Errors of ours are one line and their exit code."""
    guarded(app)


if __name__ == "__main__":
    main()
