"""``pxrdgen cite``: what to cite."""

from __future__ import annotations

from typing import Annotated

import typer

from pxrdgen_app.references.citations import citations


def command(
    keys: Annotated[list[str] | None, typer.Argument(help="Keys of the works wanted; all without.")] = None,
    as_list: Annotated[bool, typer.Option("--list", help="Keys and reasons instead of BibTeX.")] = False,
) -> None:
    """Print what to cite, as BibTeX.

    Examples:

      pxrdgen cite > pxrdgen.bib

      pxrdgen cite pxrdgen gsas2

      pxrdgen cite --list
    """
    found = citations(keys or ())
    if as_list:
        for citation in found:
            typer.echo(f"{citation.key:10} {citation.reason}")
    else:
        typer.echo("\n\n".join(citation.bibtex for citation in found))
