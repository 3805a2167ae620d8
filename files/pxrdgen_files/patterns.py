"""Read a measured pattern from a file of any format an installed reader knows."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pxrdgen.errors import PatternError, PxrdgenError
from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.interfaces.reader import PatternReader
from pxrdgen.plugins.registry import Registry
from pxrdgen.values.instrument import CUKA, Radiation
from pxrdgen.values.pattern import PowderPattern, RadiationSource
from pxrdgen_files.foreign_formats import seems
from pxrdgen_files.measurement import (
    MAX_FILE_BYTES,
    with_radiation,
)

_LOG = logging.getLogger(__name__)

#: How much of a file readers sniff at.
HEAD_BYTES = 4096

#: Readers less sure than this are not tried, and a reader at least :data:`_CERTAIN` has the last word.
_UNLIKELY, _CERTAIN = 0.05, 0.95

#: Lines of file and caller that differ by less (A) are the same: programs write tubes to four decimals at least.
_SAME_WAVELENGTH = 2e-4


@dataclass(frozen=True, kw_only=True)
class _Named:
    name: str
    reader: PatternReader
    unheeded: str = ""


def read_pattern(
    path: str | os.PathLike[str],
    *,
    registry: Registry,
    radiation: Radiation | None = None,
    assumed: Radiation | None = None,
    reader: str | None = None,
    scan: int | None = None,
    column: str | None = None,
) -> PowderPattern:
    """The pattern in a file, its format told from the content.

    All readers sniff; they are tried by falling confidence until one succeeds. The wavelength is ``radiation``, else
    the file's, else ``assumed``, else Cu K-alpha; the pattern says which. What was repaired or assumed is in its notes.

    Args:
        path: the file.
        registry: where readers are found.
        radiation: the lines, whatever the file states.
        assumed: the lines, for files that do not state them.
        reader: name of the only reader to use, instead of sniffing.
        scan: of a file of several, the one to read, from 1.
        column: heading or number of the intensity's column, in a table.

    Raises:
        PatternError: no such file, empty, a folder, larger than 64 MiB, of no known format, or damaged.
        UnknownComponentError: ``reader`` is not installed.
    """
    file = Path(path)
    head = _checked_head(file)
    known = radiation or assumed
    asked = {"scan": scan, "column": column, "wavelength": None if known is None else known.wavelength}
    words = {name: value for name, value in asked.items() if value is not None}
    if reader is not None:
        pattern = _read(_built(registry, reader, words), file)
    else:
        pattern = _first_success(_by_confidence(registry, head, file.suffix.lower(), words), file, head)
    return _with_wavelength(pattern, radiation, assumed)


def _checked_head(file: Path) -> bytes:
    """The first 4 KiB of a file that can be read."""
    try:
        if not file.exists():
            near = f"; did you mean {_neighbour(file)}?" if _neighbour(file) else "; check the path"
            raise PatternError(f"got {file}, which does not exist, expected a pattern file{near}")
        if not file.is_file():
            raise PatternError(f"got {file}, which is not a file, expected a pattern file; name the file in the folder")
        size = file.stat().st_size
        if size == 0:
            raise PatternError(f"got {file}, which is empty, expected a pattern; was it copied completely?")
        if size > MAX_FILE_BYTES:
            raise PatternError(
                f"got {file} of {size >> 20} MiB, expected at most {MAX_FILE_BYTES >> 20} MiB; export one scan as xy"
            )
        with file.open("rb") as handle:
            return handle.read(HEAD_BYTES)
    except (OSError, ValueError) as error:
        if isinstance(error, PatternError):
            raise
        raise PatternError(f"got {file}, which cannot be opened ({error}); check its name and permissions") from None


def _neighbour(file: Path) -> str:
    """A file of the same stem in the same folder, or nothing."""
    folder = file.parent
    if not folder.is_dir():
        return ""
    wanted = file.stem.casefold()
    return next((entry.name for entry in sorted(folder.iterdir()) if entry.stem.casefold() == wanted), "")


def _built(registry: Registry, name: str, words: Mapping[str, object]) -> _Named:
    """The reader with those of the words that its options know; what it cannot heed is remembered."""
    known = type(registry.options(ComponentKind.READER, name)).model_fields
    heeded = {word: value for word, value in words.items() if word in known}
    left = [f"--{word}" for word in words if word not in known and word != "wavelength"]
    return _Named(name=name, reader=registry.build(ComponentKind.READER, name, heeded), unheeded=", ".join(left))


def _by_confidence(
    registry: Registry, head: bytes, suffix: str, words: Mapping[str, object]
) -> list[tuple[float, _Named]]:
    """Readers that may know the format, the likeliest first. One that fails to sniff is passed over."""
    found: list[tuple[float, _Named]] = []
    for component in registry.components(ComponentKind.READER):
        try:
            built = replace(_built(registry, component.qualified_name, words), name=component.record.name)
            found.append((float(built.reader.sniff(head, suffix)), built))
        except Exception as error:  # a stranger's reader must not stop the others
            _LOG.warning("reader %s is passed over: %s", component.qualified_name, error)
    likely = [entry for entry in found if entry[0] >= _UNLIKELY]
    return sorted(likely, key=lambda entry: (-entry[0], entry[1].name))


def _first_success(candidates: list[tuple[float, _Named]], file: Path, head: bytes) -> PowderPattern:
    first: PatternError | None = None
    for confidence, named in candidates:
        try:
            return _read(named, file)
        except PatternError as error:
            first = first or error
            if confidence >= _CERTAIN:
                break
    if foreign := seems(head):
        raise PatternError(f"got {file.name}, which {foreign}")
    if first is not None:
        raise first
    raise PatternError(
        f"got {file.name}, whose format no installed reader knows, expected xy, xye, csv, GSAS, xrdml, raw, brml, uxd, "
        "ras, rasx, asc, udf, cpi, mdi or powder CIF; export it as two columns, 2theta and intensity"
    )


def _read(named: _Named, file: Path) -> PowderPattern:
    if named.unheeded:
        raise PatternError(
            f"got {named.unheeded} for {file.name}, which the reader {named.name!r} cannot heed; leave it out"
        )
    try:
        return named.reader.read(file)
    except PatternError:
        raise
    except PxrdgenError as error:
        raise PatternError(f"{file.name}, reader {named.name!r}: {error}") from error
    except Exception as error:
        raise PatternError(
            f"got {file.name}, on which the reader {named.name!r} failed ({type(error).__name__}: {error}); "
            "is the file damaged? Export it as two columns, 2theta and intensity"
        ) from error


def _with_wavelength(pattern: PowderPattern, given: Radiation | None, assumed: Radiation | None) -> PowderPattern:
    stated = pattern.radiation_source is RadiationSource.FILE
    own = pattern.instrument.radiation
    if given is None and stated:
        return pattern
    if given is not None and stated and _same_lines(own, given):
        return pattern
    if given is not None:
        notes = [f"the file states {_words(own)}; {_words(given)} is used, as given"] if stated else []
        return with_radiation(pattern, given, RadiationSource.GIVEN, *notes)
    if assumed is not None:
        return with_radiation(pattern, assumed, RadiationSource.GIVEN)
    return with_radiation(
        pattern, CUKA, RadiationSource.ASSUMED, "the file does not state the wavelength: Cu K-alpha is assumed"
    )


def _same_lines(first: Radiation, second: Radiation) -> bool:
    """Whether two radiations are the same tube, or the same line to the last digit that is written."""
    if len(first.wavelengths) != len(second.wavelengths):
        return False
    limit = _SAME_WAVELENGTH if first.is_doublet else 1e-6
    return all(abs(one - two) < limit for one, two in zip(first.wavelengths, second.wavelengths, strict=True))


def _words(radiation: Radiation) -> str:
    return f"{' / '.join(f'{line:.6g}' for line in radiation.wavelengths)} A"


__all__ = ["MAX_FILE_BYTES", "read_pattern"]
