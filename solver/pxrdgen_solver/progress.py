"""How work says how far it has come."""

from __future__ import annotations

from collections.abc import Callable

#: called with the stage, how much of it is done (0-1) and the best score so far (``None`` where there is none).
Progress = Callable[[str, float, float | None], None]


def report_to_nobody(stage: str, share: float, best: float | None = None) -> None:
    """Where nobody watches."""
    del stage, share, best
