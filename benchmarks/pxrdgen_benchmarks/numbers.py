"""The numbers of a card, from records: rates of flags, means of numbers, with intervals and n."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pxrdgen_benchmarks.cards import Number
from pxrdgen_benchmarks.comparison import bootstrap
from pxrdgen_benchmarks.record import Record
from pxrdgen_benchmarks.suite_tables import finite, flag, rate_of


def numbers_of(records: Sequence[Record], names: Sequence[str], weights: Mapping[str, float]) -> list[Number]:
    """Rates of flags (Wilson or stratified intervals) and means of numbers (bootstrap intervals), by column."""
    found = []
    for column in dict.fromkeys(record.column for record in records):
        chosen = [record for record in records if record.column == column]
        variant = chosen[0].variant
        for name in names:
            if any(isinstance(record.values.get(name), bool) for record in chosen):
                found.append(Number.of_rate(variant, column, name, rate_of(chosen, flag(name), weights)))
            elif values := finite(chosen, name):
                found.append(_mean(variant, column, name, values))
    return found


def _mean(variant: str, column: str, name: str, values: Sequence[float]) -> Number:
    low, high = bootstrap(np.array(values), ["all"] * len(values), {})
    mean = sum(values) / len(values)
    return Number(variant=variant, column=column, name=f"mean {name}", value=mean, low=low, high=high, n=len(values))
