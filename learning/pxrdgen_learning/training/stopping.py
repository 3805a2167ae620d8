"""Ending a training in good order when the machine asks for it."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Self


class StopRequest:
    """Turns SIGTERM into a flag while the block runs, where the main thread allows it; blocks may be nested."""

    def __init__(self) -> None:
        self.requested = False

    def __enter__(self) -> Self:
        try:
            self._previous = signal.signal(signal.SIGTERM, self._note)
        except ValueError:
            self._previous = None
        return self

    def __exit__(self, *details: object) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGTERM, self._previous)

    def _note(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.requested = True
