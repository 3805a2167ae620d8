"""The table of commands. To add one, write its module and add its row.

A module offers ``def command(...)``, whose parameters are Typer's, or ``app = typer.Typer()`` for a group.
It is imported when its command is called and not before, so help is instant.
"""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass

import typer

from pxrdgen.errors import PxrdgenError


@dataclass(frozen=True, kw_only=True)
class CommandRow:
    """One built-in command: its name, the module that implements it, one line for ``pxrdgen --help``."""

    name: str
    module: str
    summary: str

    def load(self) -> typer.Typer:
        """Import the module and return its command as an app.

        Raises:
            PxrdgenError: this installation lacks the module.
        """
        if importlib.util.find_spec(self.module) is None:
            raise PxrdgenError(f"'pxrdgen {self.name}' is not part of this installation (no module {self.module})")
        module = importlib.import_module(self.module)
        app = getattr(module, "app", None)
        if not isinstance(app, typer.Typer):
            app = typer.Typer(add_completion=False)
            app.command(self.name)(module.command)
        return app


COMMANDS = (
    CommandRow(name="solve", module="pxrdgen_app.cli.solve", summary="Find the structure behind a powder pattern."),
    CommandRow(name="index", module="pxrdgen_app.cli.index", summary="Find the unit cell behind a powder pattern."),
    CommandRow(name="refine", module="pxrdgen_app.cli.refine", summary="Fit a known structure to a powder pattern."),
    CommandRow(name="demo", module="pxrdgen_app.cli.demo", summary="Solve an example pattern that comes along."),
    CommandRow(name="inspect", module="pxrdgen_app.cli.inspect", summary="Show what a pattern file holds."),
    CommandRow(name="simulate", module="pxrdgen_app.cli.simulate", summary="Calculate the powder pattern of a CIF."),
    CommandRow(name="data", module="pxrdgen_app.cli.data", summary="Fetch, prepare and check tables of crystals."),
    CommandRow(name="train", module="pxrdgen_app.cli.train", summary="Train components and write weights."),
    CommandRow(name="weights", module="pxrdgen_app.cli.weights", summary="List weights and check weights files."),
    CommandRow(
        name="plugins", module="pxrdgen_app.cli.plugins", summary="List the installed components and their options."
    ),
    CommandRow(
        name="spec", module="pxrdgen_app.cli.spec", summary="Check a spec file, or print the schema of all specs."
    ),
    CommandRow(name="doctor", module="pxrdgen_app.cli.doctor", summary="Check this installation."),
    CommandRow(name="cite", module="pxrdgen_app.cli.cite", summary="Print what to cite, as BibTeX."),
)
