"""What came out of a suite."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pxrdgen_benchmarks.record import Record
from pxrdgen_benchmarks.suite import Suite


@dataclass(frozen=True, kw_only=True)
class VariantResult:
    """One spec of a suite.

    Args:
        label: what tables call it.
        spec: resolved, plain JSON; as written when it could not be resolved.
        error: why nothing was measured, else empty.
        records: of all cases, once it is measured.
        versions: of the components it uses.
    """

    label: str
    spec: Mapping[str, Any]
    error: str = ""
    records: tuple[Record, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SuiteResult:
    """All of a suite.

    Args:
        suite: at its size.
        variants: in the order of the suite.
        columns: of the cases, in their order.
        weights: of the size buckets in the whole split; empty without them.
        selection: how the cases were chosen, in a sentence.
        spec_sha256, data_sha256: of the suite's specs and of its cases.
    """

    suite: Suite
    variants: tuple[VariantResult, ...]
    columns: tuple[str, ...]
    weights: Mapping[str, float]
    selection: str
    spec_sha256: str
    data_sha256: str

    @property
    def measured(self) -> tuple[VariantResult, ...]:
        """The variants that have records."""
        return tuple(variant for variant in self.variants if variant.records)
