"""Which crystals a suite is measured on, and what tasks on them have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pxrdgen_benchmarks.cases import Column, SimulatedCase, Told, simulated_cases
from pxrdgen_benchmarks.subsets import Entry, interleaved, load_entries, load_subset
from pxrdgen_benchmarks.task import ReportingTask


class CrystalData(BaseModel):
    """Options of the data of most tasks."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    subset: str = Field(default="val-120", description="a committed list of crystals")
    limit: int | None = Field(default=None, ge=1, description="crystals in all, size buckets in turn")
    stride: int = Field(default=1, ge=1, description="every which crystal of each size bucket")
    crystals: Path | None = Field(
        default=None, description="table or pack that holds them; default: the shared data folder's"
    )

    def every(self) -> list[Entry]:
        """The whole subset."""
        return load_entries(load_subset(self.subset), self.crystals)

    def chosen(self, every: Sequence[Entry]) -> list[Entry]:
        """The crystals to measure, size buckets in turn."""
        return interleaved(list(every), stride=self.stride, limit=self.limit)

    def simulated(self, columns: Iterable[Column], told: Told = Told.CELL) -> list[SimulatedCase]:
        """Each crystal in each column."""
        every = self.every()
        return simulated_cases(self.chosen(every), columns, every, told=told)

    def selected(self) -> str:
        """How the crystals were chosen, in words."""
        note = load_subset(self.subset).note
        of = f" ({note})" if note else ""
        every = "" if self.stride == 1 else f", one in {self.stride} of each size bucket"
        first = "" if self.limit is None else f", the first {self.limit} with buckets in turn"
        return f"{self.subset}{of}{every}{first}"

    def weights(self) -> Mapping[str, float]:
        """Of the size buckets in the whole split."""
        return load_subset(self.subset).weights


class CrystalTask(ReportingTask):
    """A task whose data are :class:`CrystalData`."""

    def selection(self, data: Any) -> str:
        """Of the crystals."""
        selected: str = data.selected()
        return selected

    def weights(self, data: Any) -> Mapping[str, float]:
        """Of the subset."""
        weights: Mapping[str, float] = data.weights()
        return weights
