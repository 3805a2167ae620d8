"""What can go wrong in the worker, by the names the other side knows."""

from __future__ import annotations


class WorkerFailureError(Exception):
    """Ends the request; ``kind`` is one of the words the protocol lists, the message is one sentence."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
