"""Readers of pattern files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from pxrdgen.values.pattern import PowderPattern


class PatternReader(ABC):
    """Reads one family of pattern files."""

    suffixes: ClassVar[tuple[str, ...]]

    @abstractmethod
    def sniff(self, head: bytes, suffix: str) -> float:
        """How likely a file is of this format, 0 to 1, from its first 4 KiB and its lower-case suffix."""

    @abstractmethod
    def read(self, path: Path) -> PowderPattern:
        """Read the file.

        Raises:
            PatternError: the file is not a pattern of this format; the message says what was found.
        """
