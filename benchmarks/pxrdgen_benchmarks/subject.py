"""A case of a task that measures something else than one crystal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from pxrdgen.values.crystal import Crystal

What = TypeVar("What")


@dataclass(frozen=True, kw_only=True)
class Subject(Generic[What]):
    """Args: what: is measured; truth: the crystal, where there is one; the rest as of any case."""

    what: What
    column: str
    id: str = "all"
    bucket: str = "all"
    num_atoms: int = 0
    truth: Crystal | None = None
