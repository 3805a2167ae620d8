"""Result cards: one YAML file a suite that was measured, from which README and docs/results.md are generated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field

from pxrdgen_benchmarks.metrics import Rate

#: cards of this repository, beside the package.
RESULTS = Path(__file__).resolve().parents[1] / "results"


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

    @classmethod
    def of_rate(cls, variant: str, column: str, name: str, rate: Rate) -> Number:
        """A rate in per cent."""
        share, low, high = (100 * value for value in (rate.share, rate.low, rate.high))
        return cls(variant=variant, column=column, name=f"{name}, %", value=share, low=low, high=high, n=rate.n)

    def printed(self) -> str:
        """``82.7 [79, 86]`` of a rate in per cent, four digits of everything else."""
        if self.name.endswith("%"):
            return f"{self.value:.1f} [{self.low:.0f}, {self.high:.0f}]"
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}]"

    def is_called(self, name: str) -> bool:
        """Whether that is its name, with or without the unit and what follows: ``top-1`` for ``top-1 of 1000, %``."""
        return self.name == name or self.name.startswith((f"{name},", f"{name} "))


class Card(BaseModel):
    """What was run, on what, and what came out; made from the files of a run, never typed.

    Args:
        title, suite, task: what was measured.
        order: place among the cards.
        selection: how the cases were chosen.
        data, specs: options of the data; each spec by its label, resolved, learned networks included.
        components: versions of the components of each spec.
        code: digests of the source the records came from; several if the run was continued with other code.
        results_sha256, spec_sha256, data_sha256: of the records, of the specs, of the cases and their crystals.
        hardware, versions: where it ran; ``commit`` is there where the source was a repository's.
        weights: of the size buckets in the whole split.
        numbers: with intervals and n.
        headline: names of the numbers that stand for it in the README; the first by default, an empty list for none.
        caveats: sentences to be read with the numbers.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    suite: str
    task: str
    order: int = 50
    selection: str = ""
    data: dict[str, Any]
    specs: dict[str, dict[str, Any]]
    components: dict[str, dict[str, str]] = Field(default_factory=dict)
    code: list[str] = Field(min_length=1)
    results_sha256: str
    spec_sha256: str = ""
    data_sha256: str = ""
    hardware: str
    versions: dict[str, str]
    weights: dict[str, float] = Field(default_factory=dict)
    numbers: list[Number] = Field(min_length=1)
    headline: list[str] | None = None
    caveats: list[str] = Field(default_factory=list)

    def headline_numbers(self) -> list[Number]:
        """Those that the headline names, of every spec and column."""
        names = [number.name for number in self.numbers[:1]] if self.headline is None else self.headline
        return [number for number in self.numbers if any(number.is_called(name) for name in names)]

    def write(self, path: Path) -> None:
        """As YAML."""
        path.parent.mkdir(parents=True, exist_ok=True)
        content = self.model_dump(mode="json", exclude_defaults=True)
        path.write_text(yaml.safe_dump(content, sort_keys=False, width=110), "utf-8")


def read_cards(folder: Path = RESULTS) -> list[Card]:
    """All cards of a folder, in their order."""
    cards = [Card.model_validate(yaml.safe_load(path.read_text("utf-8"))) for path in sorted(folder.glob("*.yml"))]
    return sorted(cards, key=lambda card: (card.order, card.title))
