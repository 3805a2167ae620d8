"""Small pieces of HTML. Everything that is not markup goes through :func:`escape`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape as _escape

from pxrdgen.errors import SymmetryError
from pxrdgen.values.crystal import Crystal
from pxrdgen_app.report.formula import formula_text
from pxrdgen_crystallography.space_group_symbols import parse_space_group

_DOI = re.compile(r"\bdoi:\s?(10\.\d{4,9}/[^\s,;<>\"')]+)", re.IGNORECASE)


def escape(text: object) -> str:
    """``text`` safe between tags and in quoted attributes; control characters are dropped."""
    return _escape("".join(c for c in str(text) if c.isprintable() or c in "\n\t"), quote=True)


def formula_html(crystal: Crystal) -> str:
    """The reduced formula with subscripts."""
    return formula_words_html(formula_text(crystal))


def formula_words_html(text: str) -> str:
    """Text with digits that follow a letter or bracket set as subscripts: for a title that is a formula."""
    if not re.fullmatch(r"[A-Za-z0-9().\[\]·+\-]*", text):
        return escape(text)
    return re.sub(r"(?<=[A-Za-z)\]])(\d+)", r"<sub>\1</sub>", escape(text))


def space_group_html(symbol: str) -> str:
    """A Hermann-Mauguin symbol: italic letters, overbars, screw axes as subscripts; as given when it is not known."""
    try:
        group = parse_space_group(symbol)
    except SymmetryError:
        return escape(symbol)
    words, _, setting = group.hm_symbol.partition(":")
    parts = words.split(" ")
    if group.crystal_system == "monoclinic" and parts[1:4:2] == ["1", "1"]:
        parts = [parts[0], parts[2]]
    suffix = f'<span class="number">:{escape(setting)}</span>' if setting else ""
    return f'<span class="hm">{"".join(_symbol_word(part) for part in parts)}{suffix}</span>'


def _symbol_word(word: str) -> str:
    """``21/c`` is a twofold screw axis, ``-3`` a rotoinversion, a letter a lattice or a plane."""
    text = re.sub(r"[A-Za-z]", r"<i>\g<0></i>", word)
    text = re.sub(r"^([2346])([1-5])(?=/|$)", r"\1<sub>\2</sub>", text)
    return re.sub(r"-([1-6])", r'<span class="bar">\1</span>', text)


def citation_html(text: str) -> str:
    """A citation whose ``doi:10...`` is a plain link."""
    parts = _DOI.split(text)
    pieces = []
    for index, part in enumerate(parts):
        if index % 2:
            doi = part.rstrip(".")
            tail = part[len(doi) :]
            pieces.append(
                f'<a href="https://doi.org/{escape(doi)}" rel="noopener noreferrer">doi:{escape(doi)}</a>{tail}'
            )
        else:
            pieces.append(escape(part))
    return "".join(pieces)


def bullets(items: Iterable[str], css: str = "") -> str:
    """An unordered list of plain sentences."""
    rows = "".join(f"<li>{escape(item)}</li>" for item in items)
    return f'<ul class="{css}">{rows}</ul>' if rows else ""


def facts(pairs: Iterable[tuple[str, str]], css: str = "facts") -> str:
    """A definition list; the values are HTML already."""
    rows = "".join(f"<div><dt>{escape(name)}</dt><dd>{value}</dd></div>" for name, value in pairs)
    return f'<dl class="{css}">{rows}</dl>' if rows else ""


def table(head: Sequence[str], rows: Iterable[str], *, text_columns: int = 1, caption: str = "") -> str:
    """A table in a box that scrolls sideways on small screens; ``rows`` are whole ``<tr>`` elements.

    The first ``text_columns`` columns are set left, the others right.
    """
    cells = "".join(
        f'<th scope="col"{"" if column >= text_columns else " class=text"}>{name}</th>'
        for column, name in enumerate(head)
    )
    label = f"<caption>{escape(caption)}</caption>" if caption else ""
    return (
        f'<div class="scroll"><table>{label}<thead><tr>{cells}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    )


def row(cells: Sequence[str], *, text_columns: int = 1, attributes: str = "") -> str:
    """A table row of HTML cells."""
    inner = "".join(
        f"<td{'' if column >= text_columns else ' class=text'}>{cell}</td>" for column, cell in enumerate(cells)
    )
    return f"<tr{' ' + attributes if attributes else ''}>{inner}</tr>"
