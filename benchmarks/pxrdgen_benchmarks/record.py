"""One line of a suite's results: what became of one case under one spec."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from pxrdgen.errors import DatasetError
from pxrdgen.interfaces.task import Value


@dataclass(frozen=True, kw_only=True)
class Record:
    """A failure is a record too, with ``error`` set; what it lacks counts as a miss.

    Args:
        variant: label of the spec in its suite.
        id, column, bucket, num_atoms: the case.
        seconds: the measurement took.
        error: type and message of what went wrong, else empty.
        values: what was measured, by name; not-finite numbers are ``None``.
    """

    variant: str
    id: str
    column: str = ""
    bucket: str = ""
    num_atoms: int = 0
    seconds: float = 0.0
    error: str = ""
    values: Mapping[str, Value] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, str]:
        """Names the line within a suite."""
        return (self.variant, self.id, self.column)

    def flag(self, name: str) -> bool:
        """Whether a value is there and true."""
        return bool(self.values.get(name))

    def number(self, name: str) -> float:
        """A value as a number; not a number without it."""
        value = self.values.get(name)
        return float(value) if isinstance(value, int | float) else math.nan

    def to_json(self) -> str:
        """One line."""
        plain = {name: None if isinstance(v, float) and not math.isfinite(v) else v for name, v in self.values.items()}
        content = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return json.dumps({**content, "values": plain}, allow_nan=False)

    @classmethod
    def from_mapping(cls, values: Mapping[str, object]) -> Record:
        """The record a line describes.

        Raises:
            DatasetError: a field is missing or unknown.
        """
        known, told = {entry.name for entry in fields(cls)}, values.get("values", {})
        if not {"variant", "id"} <= values.keys() <= known or not isinstance(told, dict):
            raise DatasetError(f"got the fields {', '.join(sorted(values))}, which are not a record of a suite")
        told = {name: tuple(value) if isinstance(value, list) else value for name, value in told.items()}
        return cls(**{**values, "values": told})  # type: ignore[arg-type]


def flat(record: Record) -> dict[str, Value]:
    """One row of a table: the fields, then the values."""
    content = {entry.name: getattr(record, entry.name) for entry in fields(record) if entry.name != "values"}
    return {**content, **record.values}
