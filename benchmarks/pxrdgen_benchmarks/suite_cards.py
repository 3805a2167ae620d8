"""The card of a suite: what was run, on what, and the numbers that came out, with n and intervals."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from pxrdgen.errors import DatasetError
from pxrdgen_benchmarks.cards import Card, Number
from pxrdgen_benchmarks.comparing import stored_variants
from pxrdgen_benchmarks.metrics import Count, stratified, wilson
from pxrdgen_benchmarks.outcome import ABOUT
from pxrdgen_benchmarks.record import Record
from pxrdgen_benchmarks.suite_run import RESULTS
from pxrdgen_benchmarks.suite_tables import counts, finite, flag
from pxrdgen_benchmarks.task import load_task, reporting


def write_suite_card(folder: Path, out: Path, *, caveats: Sequence[str] = (), order: int = 50) -> Card:
    """The card of a finished run, from the files it left.

    Raises:
        DatasetError: the folder holds no finished run.
    """
    card = suite_card(folder, caveats=caveats, order=order)
    out.parent.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(card.model_dump(mode="json", exclude_defaults=True), sort_keys=False, width=110)
    out.write_text(text, "utf-8")
    return card


def suite_card(folder: Path, *, caveats: Sequence[str] = (), order: int = 50) -> Card:
    """The same, not written.

    Raises:
        DatasetError: the folder holds no finished run.
    """
    about = _about(folder)
    task, weights = reporting(load_task(about["task"])), about["weights"]
    stored = stored_variants(folder)
    numbers = [
        number for label in about["specs"] if label in stored for number in task.numbers(stored[label].records, weights)
    ]
    failed = [f"not run: {label} ({error})" for label, error in about["failures"].items()]
    return Card(
        title=about["title"],
        task=about["task"],
        order=order,
        run={"suite": about["suite"], "data": about["data"], "specs": about["specs"], "versions": about["components"]},
        results_sha256=_results_sha256(folder),
        spec_sha256=about["spec_sha256"],
        data_sha256=about["data_sha256"],
        hardware=about["hardware"],
        versions=about["versions"],
        weights=weights,
        numbers=numbers,
        headline=about.get("headline"),
        caveats=[*caveats, *failed],
    )


def numbers_of(records: Sequence[Record], names: Sequence[str], weights: Mapping[str, float]) -> list[Number]:
    """Rates of flags (Wilson or stratified intervals) and means of numbers (bootstrap intervals), by column."""
    found = []
    for column in dict.fromkeys(record.column for record in records):
        chosen = [record for record in records if record.column == column]
        for name in names:
            if any(isinstance(record.values.get(name), bool) for record in chosen):
                by_bucket = counts(chosen, flag(name))
                full = bool(weights) and set(weights) == set(by_bucket)
                rate = stratified(by_bucket, weights) if full else wilson(_sum(list(by_bucket.values())))
                found.append(
                    Number(
                        variant=chosen[0].variant,
                        column=column,
                        name=f"{name}, %",
                        value=100 * rate.share,
                        low=100 * rate.low,
                        high=100 * rate.high,
                        n=rate.n,
                    )
                )
            elif values := finite(chosen, name):
                found.append(_mean(chosen[0].variant, column, name, values))
    return found


def _mean(variant: str, column: str, name: str, values: Sequence[float]) -> Number:
    import numpy as np

    from pxrdgen_benchmarks.comparison import bootstrap

    low, high = bootstrap(np.array(values), ["all"] * len(values), {})
    mean = sum(values) / len(values)
    return Number(variant=variant, column=column, name=f"mean {name}", value=mean, low=low, high=high, n=len(values))


def _sum(some: Sequence[Count]) -> Count:
    return Count(hits=sum(count.hits for count in some), n=sum(count.n for count in some))


def _about(folder: Path) -> dict[str, Any]:
    try:
        about: dict[str, Any] = json.loads((folder / ABOUT).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"got {folder}, which holds no finished run ({error}); run 'pxrdgen bench' on it") from error
    return about


def _results_sha256(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted((folder / RESULTS).glob("*.jsonl")):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
