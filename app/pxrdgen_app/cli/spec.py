"""``pxrdgen spec``: spec files and their schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from pxrdgen.plugins.registry import default_registry
from pxrdgen.plugins.resolution import component_versions, resolve_spec
from pxrdgen.specs.pipeline import read_spec, spec_to_yaml
from pxrdgen_app.cli.spec_schema import json_schema

app = typer.Typer(no_args_is_help=True, help="Check a spec file, or print the schema of all specs.")


@app.command()
def schema() -> None:
    """Print the JSON schema of spec files, built from what is installed.

    Example:

      pxrdgen spec schema > pxrdgen.schema.json
    """
    typer.echo(json.dumps(json_schema(default_registry()), indent=2))


@app.command()
def show(
    file: Annotated[Path, typer.Argument(help="A spec file (YAML).")],
    versions: Annotated[bool, typer.Option("--versions", help="Also list who provides each component.")] = False,
) -> None:
    """Check a spec file and print it with every default written out.

    Examples:

      pxrdgen spec show my-run.yml

      pxrdgen spec show my-run.yml --versions
    """
    spec = read_spec(file)
    registry = default_registry()
    typer.echo(spec_to_yaml(resolve_spec(spec, registry)), nl=False)
    if versions:
        for component, provider in component_versions(spec, registry).items():
            typer.echo(f"# {component}: {provider}")
