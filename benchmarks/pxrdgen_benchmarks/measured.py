"""Measured patterns with known structures: ``python -m pxrdgen_benchmarks.measured``.

The solver is given formula, Z and the reference's primitive cell, and the measured pattern.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import spglib
import typer
from rich.console import Console

from pxrdgen.errors import DatasetError, OptionError, nearest
from pxrdgen.specs.pipeline import PipelineSpec, read_spec
from pxrdgen.values.composition import Composition
from pxrdgen.values.crystal import Crystal
from pxrdgen_benchmarks.cases import Case
from pxrdgen_benchmarks.command import guarded
from pxrdgen_benchmarks.progress import shown_progress
from pxrdgen_benchmarks.results_file import ResultsFile
from pxrdgen_benchmarks.row import Row
from pxrdgen_benchmarks.runner import run_cases
from pxrdgen_benchmarks.subsets import shared_folder
from pxrdgen_benchmarks.tables import Table
from pxrdgen_crystallography.symmetry.primitive import primitive
from pxrdgen_files.cif import read_cif
from pxrdgen_solver.question.question import Question

#: the column of these rows.
COLUMN = "measured"
#: patterns of the folder ``examples``.
EXAMPLES = ("brucite", "pbso4", "fluorapatite")
#: A; references come from papers with two to four decimals.
_SYMPREC = 0.05


@dataclass(frozen=True, kw_only=True)
class MeasuredCase(Case):
    """A measured pattern.

    Args:
        pattern: its file.
        radiation: a tube or a wavelength in A, for files that do not say.
    """

    pattern: Path
    radiation: str

    def question(self) -> Question:
        """Read from the file.

        Raises:
            PatternError: it cannot be.
        """
        from pxrdgen.plugins.registry import default_registry
        from pxrdgen.values.instrument import radiation_from
        from pxrdgen_files.patterns import read_pattern

        radiation, _ = radiation_from(self.radiation)
        composition, z = Composition.from_species(self.truth.species).reduced()
        pattern = read_pattern(self.pattern, registry=default_registry(), radiation=radiation)
        return Question(pattern=pattern, cell=self.truth.cell, composition=composition, z=z)


def measured_case(name: str, pattern: Path, structure: Path, radiation: str) -> MeasuredCase:
    """A case from a pattern and a CIF."""
    truth = primitive(read_cif(structure), symprec=_SYMPREC)
    size = len(truth)
    bucket = "1-8" if size <= 8 else "9-12" if size <= 12 else "13-20" if size <= 20 else "over 20"
    return MeasuredCase(
        id=name,
        column=COLUMN,
        bucket=bucket,
        truth=truth,
        space_group=space_group_number(truth),
        pattern=pattern,
        radiation=radiation,
    )


def real_cases(folder: Path, *, max_atoms: int) -> list[MeasuredCase]:
    """The patterns of ``folder`` (with its ``index.json``) that agree with their reference, smallest first.

    Raises:
        DatasetError: the folder has no index.
    """
    index = folder / "index.json"
    try:
        listed: list[dict[str, Any]] = json.loads(index.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"got {index}, which cannot be read as a list of patterns ({error})") from error
    kept = [item for item in listed if item["agrees_with_reference"] and item["atoms_in_primitive_cell"] <= max_atoms]
    kept.sort(key=lambda item: (item["atoms_in_primitive_cell"], item["name"]))
    return [
        measured_case(item["name"], folder / item["pattern"], folder / item["structure"], str(item["radiation"]))
        for item in kept
    ]


def example_case(folder: Path, name: str) -> MeasuredCase:
    """One of the shipped examples.

    Raises:
        OptionError: an unknown name.
    """
    if name not in EXAMPLES:
        raise OptionError(
            f"got the example {name!r}, expected one of {', '.join(EXAMPLES)}, or all{nearest(name, EXAMPLES)}"
        )
    return measured_case(name, folder / f"{name}_cu.xy", folder / f"{name}.cif", "CuKa")


def space_group_number(crystal: Crystal) -> int:
    """1-230 at 0.05 A, 0 where spglib finds none."""
    cell: Any = (crystal.basis, crystal.frac_coords, crystal.species)
    found = spglib.get_symmetry_dataset(cell, symprec=_SYMPREC)
    return 0 if found is None else int(found.number)


def measured_table(rows: Sequence[Row]) -> Table:
    """One line a pattern."""
    return Table(
        title="Measured patterns: formula, Z and reference cell given",
        header=(
            "pattern",
            "atoms",
            "strict",
            "published",
            "strict, any ranked",
            "strict without H",
            "verdict",
            "Rwp %",
            "Rwp without background %",
            "excess",
            "space group (true)",
            "s",
        ),
        rows=tuple(
            (
                row.id,
                str(row.num_atoms),
                _yes(row.strict),
                _yes(row.published),
                _yes(row.any_strict),
                "" if row.strict_without_h is None else _yes(row.strict_without_h),
                row.error or row.verdict,
                _number(row.r_wp, 100.0),
                _number(row.r_wp_without_background, 100.0),
                _number(row.excess),
                f"{row.space_group_found} ({row.space_group_true})",
                f"{row.seconds:.1f}",
            )
            for row in sorted(rows, key=lambda row: (row.num_atoms, row.id))
        ),
    )


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _number(value: float | None, scale: float = 1.0) -> str:
    return "" if value is None else f"{value * scale:.2f}"


def summary(rows: Sequence[Row]) -> str:
    """One line for the progress bar."""
    return f"strict {sum(row.strict for row in rows)} of {len(rows)}"


def solve_measured(
    max_atoms: Annotated[int, typer.Option(min=0, help="Largest primitive cell of data/real; 0: none.")] = 12,
    examples: Annotated[str, typer.Option(help=f"Comma-separated: {', '.join(EXAMPLES)}; or all.")] = "",
    out: Annotated[Path, typer.Option(help="Results, JSON lines; continued if it has any.")] = Path("measured.jsonl"),
    budget: Annotated[
        float | None, typer.Option(min=0.1, help="Seconds of search a case; default: the spec's.")
    ] = None,
    candidates: Annotated[int | None, typer.Option(min=1, help="Default: the spec's.")] = None,
    spec: Annotated[Path | None, typer.Option(help="Pipeline (YAML); default: everything by default.")] = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes of one thread; 0: this one.")] = 2,
) -> None:
    """Solve measured patterns one by one; killed or stopped at any moment, the same command continues.

    Examples:

      python -m pxrdgen_benchmarks.measured --max-atoms 8 --budget 20

      python -m pxrdgen_benchmarks.measured --max-atoms 0 --examples brucite,pbso4 --out examples.jsonl
    """
    pipeline = read_spec(spec) if spec is not None else PipelineSpec()
    overrides = {"budget_s": budget, "candidates": candidates}
    pipeline = pipeline.model_copy(update={name: value for name, value in overrides.items() if value is not None})
    shared = shared_folder()
    names = EXAMPLES if examples == "all" else tuple(name.strip() for name in examples.split(",") if name.strip())
    cases = real_cases(shared / "real", max_atoms=max_atoms) if max_atoms else []
    cases += [example_case(shared / "examples", name) for name in names]
    results: ResultsFile[Row] = ResultsFile(path=out, run={"measured": True, "spec": pipeline.model_dump(mode="json")})
    with shown_progress(Console(stderr=True), summary) as watch:
        rows = run_cases(cases, pipeline, results, workers=workers, watch=watch)
    typer.echo(measured_table(rows).markdown())
    for bucket in dict.fromkeys(row.bucket for row in sorted(rows, key=lambda row: row.num_atoms)):
        typer.echo(f"{bucket} atoms: {summary([row for row in rows if row.bucket == bucket])}")


def main() -> None:
    """Errors of ours are one line and their exit code."""
    guarded(lambda: typer.run(solve_measured))


if __name__ == "__main__":
    main()
