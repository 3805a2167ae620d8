"""One line of a results file: what became of one case."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

from pxrdgen.errors import DatasetError


@dataclass(frozen=True, kw_only=True)
class Row:
    """A failure is a row too, with ``error`` set and no match.

    Args:
        id, column, bucket, num_atoms: the case.
        published, strict: whether the first candidate is the true structure, by each matcher.
        any_published, any_strict: whether any candidate in the answer is.
        strict_without_h: the first candidate, hydrogen left out of both; ``None`` for crystals without hydrogen.
        rms: of the first candidate by the published matcher, in (V / N)^(1/3); ``None`` without a match.
        verdict: ``solved``, ``probable``, ``not solved``; empty after an error.
        gof, excess, gap, shortest_contact, unexplained, misfit, freedom: the evidence; ``None`` without it, gap also
            without a rival.
        r_wp, r_wp_without_background: of the first candidate.
        candidates: in the answer.
        rounds: of the search.
        seconds: from pattern to answer, scoring excluded.
        origin: generator of the first candidate.
        space_group_true, space_group_found: numbers, 0 where unknown.
        error: type and message of what went wrong, else empty.
    """

    id: str
    column: str
    bucket: str
    num_atoms: int
    published: bool = False
    strict: bool = False
    any_published: bool = False
    any_strict: bool = False
    strict_without_h: bool | None = None
    rms: float | None = None
    verdict: str = ""
    gof: float | None = None
    excess: float | None = None
    gap: float | None = None
    shortest_contact: float | None = None
    unexplained: float | None = None
    misfit: float | None = None
    freedom: float | None = None
    r_wp: float | None = None
    r_wp_without_background: float | None = None
    candidates: int = 0
    rounds: int = 0
    seconds: float = 0.0
    origin: str = ""
    space_group_true: int = 0
    space_group_found: int = 0
    error: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """Names the case within a run."""
        return (self.id, self.column)

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self), allow_nan=False)

    @classmethod
    def from_mapping(cls, values: Mapping[str, object]) -> Row:
        """The row a line describes.

        Raises:
            DatasetError: a field is missing or unknown.
        """
        known = {field.name for field in fields(cls)}
        if not {"id", "column", "bucket", "num_atoms"} <= values.keys() <= known:
            raise DatasetError(f"got the fields {', '.join(sorted(values))}, which are not a row of results")
        return cls(**values)  # type: ignore[arg-type]
