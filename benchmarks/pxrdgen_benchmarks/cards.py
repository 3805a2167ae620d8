"""Result cards: one YAML file a measured result, from which README and docs/results.md are generated.

``python -m pxrdgen_benchmarks.cards write RESULTS.jsonl CARD.yml --title ... --caveat ...`` and
``python -m pxrdgen_benchmarks.cards readme README.md``.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from pydantic import BaseModel, ConfigDict, Field

from pxrdgen_benchmarks.metrics import Count, stratified, wilson
from pxrdgen_benchmarks.results_file import read_results
from pxrdgen_benchmarks.row import Row
from pxrdgen_benchmarks.subsets import load_subset
from pxrdgen_benchmarks.tables import counted

#: cards of this repository, beside the package.
RESULTS = Path(__file__).resolve().parents[1] / "results"

app = typer.Typer(add_completion=False, help=__doc__)


class Hits(BaseModel):
    """Hits of n cases in one bucket of sizes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    published: int = Field(ge=0)
    strict: int = Field(ge=0)
    n: int = Field(ge=0)


class Number(BaseModel):
    """One number of a suite with its 95 % interval."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    variant: str
    column: str = ""
    name: str
    value: float
    low: float
    high: float
    n: int = Field(ge=1)

    def printed(self) -> str:
        """``82.7 [79, 86]`` of a rate in per cent, four digits of everything else."""
        if self.name.endswith("%"):
            return f"{self.value:.1f} [{self.low:.0f}, {self.high:.0f}]"
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}]"

    def is_called(self, name: str) -> bool:
        """Whether that is its name, with or without the unit and what follows: ``top-1`` for ``top-1 of 1000, %``."""
        return self.name == name or self.name.startswith((f"{name},", f"{name} "))


class Card(BaseModel):
    """What was run, on what, and what came out; rates are derived from the counts, never typed.

    ``headline`` names the numbers that the README shows: by default the first, for an empty list none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    task: str
    order: int = 0
    run: dict[str, Any]
    results_sha256: str
    hardware: str
    versions: dict[str, str]
    weights: dict[str, float] = Field(default_factory=dict)
    columns: dict[str, dict[str, Hits]] = Field(default_factory=dict)
    numbers: list[Number] = Field(default_factory=list)
    headline: list[str] | None = None
    spec_sha256: str = ""
    data_sha256: str = ""
    caveats: list[str] = Field(default_factory=list)

    def rates(self, column: str, matcher: str) -> str:
        """``82.7 % [79.1, 85.9]``: weighted to the whole split where there are weights, else over all cases."""
        counts = {bucket: Count(hits=getattr(hits, matcher), n=hits.n) for bucket, hits in self.columns[column].items()}
        if self.weights and set(self.weights) == set(counts):
            rate = stratified(counts, self.weights)
        else:
            rate = wilson(Count(hits=sum(c.hits for c in counts.values()), n=sum(c.n for c in counts.values())))
        return f"{100 * rate.share:.1f} [{100 * rate.low:.0f}, {100 * rate.high:.0f}]"

    def size(self, column: str) -> int:
        """Cases of a column."""
        return sum(hits.n for hits in self.columns[column].values())

    def headline_numbers(self) -> list[Number]:
        """Those that the headline names, of every spec and column."""
        names = [number.name for number in self.numbers[:1]] if self.headline is None else self.headline
        return [number for number in self.numbers if any(number.is_called(name) for name in names)]


def read_cards(folder: Path = RESULTS) -> list[Card]:
    """All cards of a folder, in their order."""
    cards = [Card.model_validate(yaml.safe_load(path.read_text("utf-8"))) for path in sorted(folder.glob("*.yml"))]
    return sorted(cards, key=lambda card: (card.order, card.title))


def card_of(
    rows: Sequence[Row], run: Mapping[str, object], *, title: str, task: str, subset: str | None, sha256: str
) -> Card:
    """The card of a finished results file."""
    from pxrdgen import __version__

    columns = {}
    for column in dict.fromkeys(row.column for row in rows):
        chosen = [row for row in rows if row.column == column]
        published, strict = counted(chosen, lambda row: row.published), counted(chosen, lambda row: row.strict)
        columns[column] = {
            bucket: Hits(published=published[bucket].hits, strict=strict[bucket].hits, n=published[bucket].n)
            for bucket in sorted(published, key=lambda label: int(label.split("-")[0]))
        }
    return Card(
        title=title,
        task=task,
        run=dict(run),
        results_sha256=sha256,
        hardware=f"{platform.machine()}, one thread a case",
        versions={"pxrdgen": __version__, "python": platform.python_version()},
        weights=dict(load_subset(subset).weights) if subset else {},
        columns=columns,
    )


@app.command()
def write(
    results: Annotated[Path, typer.Argument(help="A results file of pxrdgen_benchmarks.")],
    out: Annotated[Path, typer.Argument(help="The card to write.")],
    title: Annotated[str, typer.Option(help="Who solved: generators and refiner.")],
    task: Annotated[str, typer.Option(help="What was given.")],
    subset: Annotated[str | None, typer.Option(help="Subset whose weights turn buckets into the split.")] = None,
    order: Annotated[int, typer.Option(help="Place in the table.")] = 0,
    caveat: Annotated[
        list[str] | None, typer.Option(help="A sentence to be read with the numbers; repeatable.")
    ] = None,
) -> None:
    """Write the card of a results file."""
    run, rows = read_results(results)
    sha256 = hashlib.sha256(results.read_bytes()).hexdigest()
    card = card_of(rows, run, title=title, task=task, subset=subset, sha256=sha256)
    card = card.model_copy(update={"order": order, "caveats": caveat or []})
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(yaml.safe_dump(card.model_dump(mode="json"), sort_keys=False, width=110), "utf-8")
    typer.echo(f"wrote {out}")


@app.command()
def readme(path: Annotated[Path, typer.Argument(help="The README.")] = Path("README.md")) -> None:
    """Make the README's results and docs/results.md beside it anew from the cards."""
    from pxrdgen_benchmarks.results_pages import write_pages

    for written in write_pages(path):
        typer.echo(f"wrote the results of {written}")


if __name__ == "__main__":
    app()
