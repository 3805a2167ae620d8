"""A page of YAML from anywhere: the one lock in front of specs, suites and training specs."""

from __future__ import annotations

from pathlib import Path

import yaml

from pxrdgen.errors import OptionError

#: A spec is a page of text; anything larger is something else.
MAX_PAGE_BYTES = 256 * 1024
#: deeper nesting than any spec has.
_MAX_DEPTH = 40


def load_page(text: str, what: str) -> dict[str, object]:
    """The fields of a page; none of an empty one.

    Args:
        text: YAML.
        what: it should be, for messages: ``the spec``.

    Raises:
        OptionError: the text is too large, no YAML, uses aliases, nests too deep, or is no mapping.
    """
    if len(text.encode("utf-8", errors="replace")) > MAX_PAGE_BYTES:
        raise OptionError(f"{what} is larger than {MAX_PAGE_BYTES // 1024} KiB; expected a page of YAML")
    try:
        _refuse_bombs(text, what)
        document = yaml.safe_load(text)
    except OptionError:
        raise
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date in month 13
        raise OptionError(f"{what} is not valid YAML: {error}") from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise OptionError(f"{what} is a {type(document).__name__}; expected fields, each with a value")
    return document


def read_page(path: Path, what: str) -> dict[str, object]:
    """The fields of the page in a file.

    Raises:
        OptionError: the file cannot be read, or :func:`load_page` refuses its text.
    """
    try:
        with path.open("rb") as stream:
            text = stream.read(MAX_PAGE_BYTES + 1).decode("utf-8")
    except OSError as error:
        raise OptionError(f"cannot read {what} {path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise OptionError(f"{what} {path} is not text; expected YAML in UTF-8") from None
    return load_page(text, f"{what} {path}")


def _refuse_bombs(text: str, what: str) -> None:
    """Ten lines of aliases expand into gigabytes, and deep nesting takes the parser minutes; a page needs neither."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise OptionError(f"{what} uses a YAML alias (*name); write the value out instead")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise OptionError(f"{what} is nested more than {_MAX_DEPTH} deep")
