"""XML from strangers: no document types, no entities, lookups by local name."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from xml.parsers import expat

from pxrdgen.errors import PatternError

Element = ElementTree.Element

#: Real documents hold a hundredth of it; a tree in memory is ten times its text.
MAX_XML_BYTES = 32 * 1024 * 1024
#: A scan has one element a point at most, and few levels.
MAX_ELEMENTS, MAX_DEPTH = 600_000, 100


def parse(content: bytes, what: str) -> Element:
    """The root element; ``what`` names the document in errors.

    Raises:
        PatternError: the document has a DOCTYPE (refused: entities can be made to grow without bound), is
            larger than :data:`MAX_XML_BYTES`, or is no XML.
    """
    if len(content) > MAX_XML_BYTES:
        raise PatternError(
            f"got {what} of {len(content) >> 20} MiB, expected at most {MAX_XML_BYTES >> 20}; export one scan"
        )
    _refuse_hostile(content, what)
    try:
        return ElementTree.fromstring(content)  # noqa: S314  entities need a DOCTYPE, refused above
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise PatternError(f"got {what} that is not readable as XML ({error}); is the file complete?") from None


def _refuse_hostile(content: bytes, what: str) -> None:
    """Read through without building anything: no DOCTYPE, no entities, a sane number and depth of elements."""
    seen, depth = 0, 0

    def doctype(*_: object) -> None:
        raise PatternError(f"got {what} with a DOCTYPE, which no diffractometer writes; remove it and read again")

    def start(*_: object) -> None:
        nonlocal seen, depth
        seen, depth = seen + 1, depth + 1
        if seen > MAX_ELEMENTS or depth > MAX_DEPTH:
            raise PatternError(
                f"got {what} of more than {MAX_ELEMENTS} elements or {MAX_DEPTH} levels, expected a scan; export one"
            )

    def end(*_: object) -> None:
        nonlocal depth
        depth -= 1

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = doctype
    parser.EntityDeclHandler = doctype
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        if isinstance(error, PatternError):
            raise
        raise PatternError(f"got {what} that is not readable as XML ({error}); is the file complete?") from None


def local(element: Element) -> str:
    """The element's name without its namespace."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def children(element: Element | None, name: str) -> list[Element]:
    """Direct children of that local name."""
    return [] if element is None else [child for child in element if local(child) == name]


def child(element: Element | None, *names: str) -> Element | None:
    """The first child down a path of local names, or ``None``."""
    for name in names:
        element = next(iter(children(element, name)), None)
    return element


def descendants(element: Element, name: str) -> Iterator[Element]:
    """All elements of that local name below, in document order."""
    return (found for found in element.iter() if local(found) == name)


def text_of(element: Element | None) -> str:
    """Its text, stripped; empty for none."""
    return "" if element is None or element.text is None else element.text.strip()
