"""How well space groups are ranked when cell and composition are known.

``python -m pxrdgen_benchmarks.space_group_rank run --out ranks.jsonl`` ranks the groups of crystals whose pattern is
simulated, ``... table ranks.jsonl`` says where the truth came. The truth is the symmetry of the crystal at 0.01 A, for
the last row also what it has at 0.05 A.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from pxrdgen_benchmarks.cases import Column, SimulatedCase, simulated_cases
from pxrdgen_benchmarks.metrics import Count, wilson
from pxrdgen_benchmarks.subsets import Entry, interleaved, load_entries, load_subset, shared_folder
from pxrdgen_benchmarks.tables import Table, percent

if TYPE_CHECKING:
    from pxrdgen.values.crystal import Crystal
    from pxrdgen_solver.space_group.values import RankedGroups

app = typer.Typer(help="Where the true space group comes among those ranked.", no_args_is_help=True)

#: A, of the symmetry that counts as the truth, and of the looser one that also counts for the group.
TOLERANCE, LOOSE_TOLERANCE = 0.01, 0.05
#: a rank that stands for "not in the list".
NOWHERE = 10_000
#: atoms of the crystals of a random draw, and its seed.
SMALLEST, LARGEST, DRAW_SEED = 5, 52, 7


@dataclass(frozen=True, kw_only=True)
class GroupRow:
    """Ranks, from 0.

    Args:
        id, column: of the case.
        num_atoms, space_group: of the crystal, the latter at 0.01 A.
        extinction: rank of the true extinction class.
        group: of the true group in its true place.
        group_loose: of that or of the symmetry at 0.05 A, whichever is better.
        extinction_loose: of the extinction class of either.
        probability: of the true group.
        symbol: the first-ranked extinction symbol.
        candidates: groups ranked.
        cpu_s: seconds of ranking.
    """

    id: str
    column: str
    num_atoms: int
    space_group: int
    extinction: int
    extinction_loose: int
    group: int
    group_loose: int
    probability: float
    symbol: str
    candidates: int
    cpu_s: float

    @property
    def key(self) -> tuple[str, str]:
        """Names the row."""
        return (self.id, self.column)


@app.command()
def run(
    out: Annotated[Path, typer.Option("--out", "-o", help="JSON lines; continued if it exists.")],
    subset: Annotated[
        str, typer.Option(help="A committed subset, or 'random' for a draw from the val split.")
    ] = "random",
    crystals: Annotated[int, typer.Option(help="How many.")] = 100,
    columns: Annotated[list[Column] | None, typer.Option("--column", help="clean, perturbed; repeatable.")] = None,
) -> None:
    """Rank the groups of crystals and write a row for each."""
    entries = val_entries(crystals) if subset == "random" else interleaved(load_entries(load_subset(subset)))[:crystals]
    done = {row.key for row in read_rows(out)} if out.exists() else set()
    cases = simulated_cases(entries, columns or [Column.PERTURBED, Column.CLEAN])
    for case in cases:
        if case.key in done:
            continue
        row = ranked_row(case)
        with out.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(asdict(row)) + "\n")
        typer.echo(f"{row.id} {row.column}: class {row.extinction + 1}, group {row.group + 1} of {row.candidates}")


@app.command()
def table(results: Annotated[list[Path], typer.Argument(help="files written by run")]) -> None:
    """Rates with 95 % intervals."""
    rows = [row for path in results for row in read_rows(path)]
    typer.echo(rank_table(rows).markdown())


def val_entries(count: int, *, sizes: tuple[int, int] = (SMALLEST, LARGEST), seed: int = DRAW_SEED) -> list[Entry]:
    """Crystals of the val split with ``sizes`` atoms (both ends included), drawn by seed; longer draws start alike."""
    from pxrdgen_learning.data.dataset_sources import read_dataset

    dataset = read_dataset(shared_folder() / "crystals.parquet").dataset
    atoms = np.diff(dataset.offsets)
    eligible = np.flatnonzero((dataset.split == "val") & (atoms >= sizes[0]) & (atoms <= sizes[1]))
    chosen = np.random.default_rng(seed).permutation(eligible)[:count]
    return [
        Entry(index=place, crystal=crystal.sorted_by_species(), space_group=int(dataset.space_group[row]), bucket="")
        for place, row in enumerate(chosen.tolist())
        for crystal in [dataset[row]]
    ]


def ranked_row(case: SimulatedCase) -> GroupRow:
    """Rank the groups of one case and look up the truth."""
    from pxrdgen_crystallography.decomposition.decompose import decompose
    from pxrdgen_crystallography.preparation import prepare
    from pxrdgen_solver.question.problem import build_problem
    from pxrdgen_solver.space_group.rank import rank_space_groups

    question = case.question()
    prepared = prepare(question.pattern)
    problem = build_problem(question.pattern, question.composition, cell=question.cell, z=question.z)
    decomposition = decompose(
        prepared.pattern.two_theta,
        prepared.pattern.intensity,
        prepared.pattern.uncertainty,
        prepared.background,
        prepared.instrument,
        problem.basis,
        background_su=prepared.background_su,
    )
    started = time.process_time()
    ranked = rank_space_groups(prepared, problem, decomposition)
    seconds = time.process_time() - started
    # the problem's reduced cell need not be the one that the exact cell reduces to
    reduction = np.linalg.inv(problem.to_user)
    truth = replace(
        case.truth,
        basis=reduction @ case.truth.basis,
        frac_coords=case.truth.frac_coords @ np.linalg.inv(reduction) % 1.0,
    )
    number, strict = _rows_of_truth(truth, TOLERANCE, ranked, decomposition.basis)
    _, loose = _rows_of_truth(truth, LOOSE_TOLERANCE, ranked, decomposition.basis)
    return GroupRow(
        id=case.id,
        column=case.column,
        num_atoms=len(case.truth),
        space_group=number,
        extinction=_class_rank(strict, ranked),
        extinction_loose=_class_rank([*strict, *loose], ranked),
        group=min(strict, default=NOWHERE),
        group_loose=min([*strict, *loose], default=NOWHERE),
        probability=float(sum(ranked[row].probability for row in strict)),
        symbol=ranked.classes[0].symbol,
        candidates=len(ranked),
        cpu_s=round(seconds, 3),
    )


def _rows_of_truth(
    truth: Crystal, tolerance: float, ranked: RankedGroups, basis: np.ndarray[Any, np.dtype[np.float64]]
) -> tuple[int, list[int]]:
    """The crystal's group at a tolerance, and which ranked candidates are that group in its place."""
    from pxrdgen.errors import SymmetryError
    from pxrdgen_crystallography.space_groups.placements import Placement, place, same_placements
    from pxrdgen_crystallography.space_groups.subgroups import lattice_symmetry
    from pxrdgen_crystallography.symmetry.symmetrise import find_symmetry

    try:
        symmetry = find_symmetry(truth, tolerance)
    except SymmetryError:
        return 0, []
    true = Placement(
        space_group=symmetry.space_group,
        to_conventional=np.rint(symmetry.to_standard).astype(np.int64),
        rotations=symmetry.rotations,
        translations=symmetry.translations,
        metric=basis @ basis.T,
    )
    placed = [place(entry.space_group, entry.to_conventional, basis) for entry in ranked]
    same = same_placements(true, placed, lattice_symmetry(basis))
    return symmetry.number, [row for row, hit in enumerate(same) if hit]


def _class_rank(rows: Sequence[int], ranked: RankedGroups) -> int:
    """Rank of the best extinction class that holds one of these candidates."""
    wanted = {id(ranked[row]) for row in rows}
    for rank, entry in enumerate(ranked.classes):
        if any(id(member) in wanted for member in entry.members):
            return rank
    return NOWHERE


#: what is counted, in the order of the table.
QUESTIONS: tuple[tuple[str, Callable[[GroupRow], bool]], ...] = (
    ("true extinction symbol first", lambda row: row.extinction < 1),
    ("true extinction symbol in the first 5", lambda row: row.extinction < 5),
    ("true group first", lambda row: row.group < 1),
    ("true group in the first 10", lambda row: row.group < 10),
    ("true group, or that at 0.05 A, in the first 10", lambda row: row.group_loose < 10),
)


def rank_table(rows: Sequence[GroupRow]) -> Table:
    """Share, 95 % interval and n by column."""
    columns = list(dict.fromkeys(row.column for row in rows))
    lines = []
    for text, hit in QUESTIONS:
        cells = []
        for column in columns:
            own = [row for row in rows if row.column == column]
            cells.append(percent(wilson(Count(hits=sum(map(hit, own)), n=len(own)))))
        lines.append((text, *cells))
    seconds = [np.median([row.cpu_s for row in rows if row.column == column]) for column in columns]
    worst = [max(row.cpu_s for row in rows if row.column == column) for column in columns]
    lines.append(("CPU seconds, median / worst", *(f"{m:.2f} / {w:.2f}" for m, w in zip(seconds, worst, strict=True))))
    return Table(title="space groups, cell known", header=("", *columns), rows=tuple(lines))


def read_rows(path: Path) -> list[GroupRow]:
    """Rows of a results file; a line cut short is skipped."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            content: Mapping[str, Any] = json.loads(line)
        except json.JSONDecodeError:
            continue
        rows.append(GroupRow(**content))
    return rows


if __name__ == "__main__":
    app()
