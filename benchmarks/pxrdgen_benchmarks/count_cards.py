"""The card of a benchmark that counts hits: its rates with 95 % Wilson intervals, and where they came from."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from pxrdgen_benchmarks.cards import Card, Number
from pxrdgen_benchmarks.metrics import Count, wilson
from pxrdgen_benchmarks.results_file import code_digest


def rate_number(variant: str, column: str, name: str, hits: int, n: int) -> Number:
    """A rate in per cent."""
    rate = wilson(Count(hits=hits, n=n))
    return Number(
        variant=variant,
        column=column,
        name=f"{name}, %",
        value=100 * rate.share,
        low=100 * rate.low,
        high=100 * rate.high,
        n=n,
    )


def write_count_card(
    results: Sequence[Path],
    out: Path,
    numbers: Sequence[Number],
    *,
    title: str,
    task: str,
    run: Mapping[str, Any],
    order: int,
    caveats: Sequence[str] = (),
    headline: Sequence[str] | None = None,
) -> Card:
    """Write the card of finished results files."""
    from pxrdgen import __version__

    digest = hashlib.sha256(b"".join(path.read_bytes() for path in results)).hexdigest()
    card = Card(
        title=title,
        task=task,
        order=order,
        suite=task,
        data=dict(run),
        specs={},
        code=[code_digest()],
        results_sha256=digest,
        hardware=f"{platform.machine()}, one thread a case",
        versions={"pxrdgen": __version__, "python": platform.python_version()},
        numbers=list(numbers),
        headline=None if headline is None else list(headline),
        caveats=list(caveats),
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(
        yaml.safe_dump(card.model_dump(mode="json", exclude_defaults=True), sort_keys=False, width=110), "utf-8"
    )
    return card
