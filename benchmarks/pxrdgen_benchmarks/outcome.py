"""A suite's result on disk: a report, tables as markdown and CSV, figures, every record as parquet."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pxrdgen.interfaces.task import Task
from pxrdgen_benchmarks.record import Record, flat
from pxrdgen_benchmarks.suite_result import SuiteResult
from pxrdgen_benchmarks.suite_tables import failure_table, published_table, timing_table
from pxrdgen_benchmarks.tables import Table
from pxrdgen_benchmarks.task import reporting

#: the file that says what was run, for cards.
ABOUT = "about.json"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The files of a suite, as written: a page with all tables, then everything, by the folder it lies in."""

    report: Path
    files: tuple[tuple[str, Path], ...]


def write_outcome(result: SuiteResult, task: Task, folder: Path) -> Outcome:
    """Write all files of a result; tables and figures of an earlier outcome are replaced."""
    tables = all_tables(result, task)
    for name in ("tables", "figures"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for old in (folder / name).iterdir():
            old.unlink()
    for name, table in tables.items():
        (folder / "tables" / f"{name}.md").write_text(table.markdown() + "\n", "utf-8")
        (folder / "tables" / f"{name}.csv").write_text(table.csv(), "utf-8")
    figures = reporting(task).figures(result) if result.measured else {}
    for name, draw in figures.items():
        draw(folder / "figures" / f"{name}.png")
    single = [folder / "report.md", folder / "suite.yml", folder / ABOUT]
    single[0].write_text(report_text(result, tables, [f"{name}.png" for name in figures]), "utf-8")
    single[1].write_text(yaml.safe_dump(result.suite.model_dump(mode="json"), sort_keys=False), "utf-8")
    single[2].write_text(json.dumps(about_run(result), indent=1), "utf-8")
    if records := [record for variant in result.variants for record in variant.records]:
        single.append(write_parquet(records, folder / "records.parquet"))
    inside = [(name, path) for name in ("tables", "figures") for path in sorted((folder / name).iterdir())]
    return Outcome(report=single[0], files=(*inside, *(("", path) for path in single)))


def about_run(result: SuiteResult) -> dict[str, Any]:
    """What a card needs beyond the records; plain JSON."""
    suite = result.suite
    return {
        "suite": suite.name,
        "title": suite.title or suite.name,
        "task": suite.task,
        "data": suite.data,
        "selection": result.selection,
        "headline": suite.headline,
        "specs": {variant.label: dict(variant.spec) for variant in result.variants if not variant.error},
        "components": {variant.label: dict(variant.versions) for variant in result.variants if not variant.error},
        "failures": {variant.label: variant.error for variant in result.variants if variant.error},
        "weights": dict(result.weights),
        "spec_sha256": result.spec_sha256,
        "data_sha256": result.data_sha256,
        "hardware": hardware(),
        "versions": versions(),
    }


def all_tables(result: SuiteResult, task: Task) -> dict[str, Table]:
    """The task's own, then published rows, failures and seconds, where there are any."""
    tables = dict(reporting(task).tables(result)) if result.measured else {}
    if result.suite.published:
        tables["published"] = published_table(result.suite.published)
    tables["failures"] = failure_table(result)
    tables["seconds"] = timing_table(result)
    return {name: table for name, table in tables.items() if table.rows}


def report_text(result: SuiteResult, tables: Mapping[str, Table], figures: Sequence[str]) -> str:
    """Everything on one page."""
    suite = result.suite
    chosen = [f"Cases: {result.selection}."] if result.selection else []
    parts = [f"# {suite.title or suite.name}", *(f"- {note}" for note in (*chosen, *suite.notes))]
    parts += [table.markdown() for table in tables.values()]
    parts += [f"![{name}](figures/{name})" for name in figures]
    about = {"task": suite.task, "specs sha256": result.spec_sha256, "data sha256": result.data_sha256}
    about |= {"hardware": hardware(), **versions()}
    parts.append("\n".join(f"- {name}: {value}" for name, value in about.items()))
    return "\n\n".join(parts) + "\n"


def versions() -> dict[str, str]:
    """Of what numbers depend on; the commit where the source is that of a repository."""
    from importlib import metadata

    found = {"python": platform.python_version()}
    if commit := _commit():
        found["commit"] = commit
    for name in ("pxrdgen", "torch", "numpy", "pymatgen"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _commit() -> str:
    """``e185c95``, with ``-dirty`` where files have changed; empty outside a repository."""
    git = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--exclude", "*"]
    try:
        return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def hardware() -> str:
    """One line."""
    import os

    return f"{platform.machine()}, {os.cpu_count()} cores, one thread a case"


def write_parquet(records: Sequence[Record], path: Path) -> Path:
    """One row a record; values become columns."""
    import pyarrow
    import pyarrow.parquet

    rows = [flat(record) for record in records]
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: _column([row.get(name) for row in rows]) for name in names}
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    return path


def _column(values: list[Any]) -> list[Any]:
    """Of one type: text where types are mixed, floats where whole and broken numbers are."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float} and len(kinds) == 2:
        return [None if value is None else float(value) for value in values]
    return [None if value is None else str(value) for value in values] if len(kinds) > 1 else values
