"""What all readers of this package share: from bytes to a measurement, with errors that name the file."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from pxrdgen.errors import PatternError, PxrdgenError
from pxrdgen.interfaces.reader import PatternReader
from pxrdgen.values.pattern import PowderPattern
from pxrdgen_files.measurement import MAX_FILE_BYTES, Recording, to_pattern
from pxrdgen_readers.options import ReaderOptions


class FileReader(PatternReader):
    """A reader that needs the bytes of the file and nothing else."""

    #: what reports call the format.
    title: ClassVar[str]

    def __init__(self, options: ReaderOptions | None = None) -> None:
        self.options = options or ReaderOptions()

    @abstractmethod
    def measurement(self, content: bytes) -> Recording:
        """The scans in ``content``, as stored.

        Raises:
            PatternError: the content is not of this format; says got, expected, what to do.
        """

    def read(self, path: Path) -> PowderPattern:
        """The pattern in the file.

        Raises:
            PatternError: the file cannot be opened or is no pattern of this format.
        """
        try:
            with Path(path).open("rb") as handle:
                content = handle.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            raise PatternError(f"got {path}, which cannot be opened ({error.strerror or error}); check it") from None
        if len(content) > MAX_FILE_BYTES:
            raise PatternError(
                f"got {path} of more than {MAX_FILE_BYTES >> 20} MiB, expected a pattern; export one scan"
            )
        try:
            found = self.measurement(content)
            pattern = to_pattern(found, scan=self.options.scan)
        except PxrdgenError as error:
            raise PatternError(f"{Path(path).name}, read as {self.title}: {error}") from error
        return replace(pattern, metadata={"file": Path(path).name, "format": self.title, **pattern.metadata})
