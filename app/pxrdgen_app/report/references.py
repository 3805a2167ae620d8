"""Works to cite as lines of text, from the keys that a result lists."""

from __future__ import annotations

import re

from pxrdgen.values.citation import Citation
from pxrdgen_app.references.citations import citations


def reference_text(entry: str) -> str:
    """A key of the list of citations as one line with what it is cited for; any other text as it is."""
    return next((_line(citation) for citation in citations() if citation.key == entry), entry)


def _line(citation: Citation) -> str:
    authors = _field(citation, "author").split(" and ")
    names = authors[0].split(",")[0] + (" et al." if len(authors) > 2 else "")
    if len(authors) == 2:
        names += f" & {authors[1].split(',')[0]}"
    journal = _field(citation, "journal") or _field(citation, "booktitle")
    pages = _field(citation, "pages").replace("--", "\N{EN DASH}")
    where = f"{journal} {_field(citation, 'volume')}".strip() + (f", {pages}" if pages else "")
    doi = _field(citation, "doi")
    parts = (
        f"{names} ({_field(citation, 'year')})" if _field(citation, "year") else names,
        _field(citation, "title"),
        where,
        f"doi:{doi}" if doi else _field(citation, "url"),
    )
    return f"{'. '.join(part for part in parts if part)} ({citation.reason})"


def _field(citation: Citation, name: str) -> str:
    found = re.search(rf"^\s*{name}\s*=\s*\{{(.*?)\}},?$", citation.bibtex, re.DOTALL | re.MULTILINE)
    return re.sub(r"[{}]|\s+(?=\s)", "", found[1].replace("\n", " ")) if found else ""
