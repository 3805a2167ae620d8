"""How the benchmarks' own commands end."""

from __future__ import annotations

from collections.abc import Callable

import typer

from pxrdgen.errors import PxrdgenError


def guarded(command: Callable[[], object]) -> None:
    """Run a command; errors of ours are one line and their exit code."""
    try:
        command()
    except PxrdgenError as error:
        typer.echo(f"error: {error}", err=True)
        raise SystemExit(error.exit_code) from None
