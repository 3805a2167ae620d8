"""The command line: ``pxrdgen COMMAND``. Importing it loads no torch; each command imports what it needs."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from typing import Annotated

import typer
import typer.main

from pxrdgen import __version__
from pxrdgen.errors import InputError, PxrdgenError
from pxrdgen.plugins.components import OldInterfaceWarning
from pxrdgen_app.cli.lazy_group import LazyGroup

app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pxrdgen {__version__}")
        raise typer.Exit


@app.callback()
def pxrdgen(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """From a powder diffraction pattern to a ranked list of refined crystal structures.

    Every command answers --help with examples. Exit codes: 0 done, 1 something failed, 2 bad input,
    3 no structure fits, 130 interrupted.
    """
    del version


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave the process; errors are one message on stderr and their own exit code."""
    warnings.filterwarnings("always", category=OldInterfaceWarning)
    try:
        typer.main.get_command(app).main(args=None if arguments is None else list(arguments), prog_name="pxrdgen")
    except PxrdgenError as error:
        _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        _fail("interrupted", 130)
    except OSError as error:
        if error.filename is None:
            raise
        _fail(f"cannot use {error.filename}: {error.strerror}", InputError.exit_code)


def _fail(message: str, exit_code: int) -> None:
    typer.echo(f"pxrdgen: {message}", err=True)
    sys.exit(exit_code)
