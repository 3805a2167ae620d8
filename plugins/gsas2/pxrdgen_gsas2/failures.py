"""Why a call to GSAS-II brought no answer: every way has a name, and says whether trying again could help."""

from __future__ import annotations

from enum import StrEnum

from pxrdgen.errors import WorkerError

#: where a user gets it.
INSTALL_PAGE = "https://advancedphotonsource.github.io/GSAS-II-tutorials/install.html"


class FailureKind(StrEnum):
    """What went wrong; the first seven are also the worker's words."""

    NOT_INSTALLED = "not_installed"
    TOO_OLD = "too_old"
    MEMORY = "memory"
    DISK_FULL = "disk_full"
    REFUSED = "refused"
    FAILED = "failed"
    INTERPRETER = "interpreter"
    TIMED_OUT = "timed_out"
    CRASHED = "crashed"
    GARBAGE = "garbage"

    @property
    def retriable(self) -> bool:
        """Whether the same call could succeed another time, with nothing changed but the machine's state."""
        return self in _RETRIABLE

    @property
    def lasting(self) -> bool:
        """Whether every other call will fail the same way."""
        return self in _LASTING


_RETRIABLE = {
    FailureKind.MEMORY,
    FailureKind.DISK_FULL,
    FailureKind.TIMED_OUT,
    FailureKind.CRASHED,
    FailureKind.GARBAGE,
}
_LASTING = {FailureKind.NOT_INSTALLED, FailureKind.TOO_OLD, FailureKind.INTERPRETER}

_WORDS = {
    FailureKind.NOT_INSTALLED: "GSAS-II is missing",
    FailureKind.TOO_OLD: "GSAS-II is too old",
    FailureKind.MEMORY: "GSAS-II ran out of memory",
    FailureKind.DISK_FULL: "the disk is full",
    FailureKind.REFUSED: "the GSAS-II worker refused the request",
    FailureKind.FAILED: "GSAS-II failed",
    FailureKind.INTERPRETER: "the Python interpreter for GSAS-II cannot be started",
    FailureKind.TIMED_OUT: "GSAS-II timed out",
    FailureKind.CRASHED: "GSAS-II crashed",
    FailureKind.GARBAGE: "GSAS-II's worker answered nonsense",
}


class Gsas2Error(WorkerError):
    """A call to GSAS-II brought no answer.

    Args:
        kind: why.
        detail: what is known besides, a few words.
    """

    def __init__(self, kind: FailureKind, detail: str) -> None:
        self.kind = kind
        ending = "; trying again may help" if kind.retriable else ""
        if kind in (FailureKind.NOT_INSTALLED, FailureKind.TOO_OLD, FailureKind.INTERPRETER):
            ending = f"; get it from {INSTALL_PAGE} and name its Python in PXRDGEN_GSAS2_PYTHON"
        super().__init__(f"{_WORDS[kind]}: {detail}{ending}" if detail else f"{_WORDS[kind]}{ending}")

    @property
    def retriable(self) -> bool:
        """Whether trying again may help."""
        return self.kind.retriable
