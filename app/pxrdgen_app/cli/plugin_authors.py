"""``pxrdgen plugins check`` and ``pxrdgen plugins new``: for those who write plugins."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pxrdgen.errors import ConformanceError, UnknownComponentError, nearest
from pxrdgen.interfaces.kinds import ComponentKind

#: leaves with this when a component does not conform.
NOT_CONFORMING = 1


def check(
    name: Annotated[str, typer.Argument(help="A component's name, or distribution:name.")],
    kind: Annotated[
        ComponentKind | None, typer.Option("--kind", "-k", help="Where one name serves several kinds.")
    ] = None,
    options: Annotated[
        list[str] | None, typer.Option("--set", help="An option to build it with, KEY=VALUE; repeatable.")
    ] = None,
) -> None:
    """Check that a component does what components of its kind owe.

    Exit code 0 when it conforms, 1 when it does not, 2 when there is no such component.

    Examples:

      pxrdgen plugins check direct_space

      pxrdgen plugins check pxrdgen-my-encoder:my-encoder

      pxrdgen plugins check cnn --kind encoder --set width=64
    """
    import yaml

    from pxrdgen.plugins.registry import default_registry
    from pxrdgen_testing import conformance

    given = {key.strip(): yaml.safe_load(value) for key, _, value in (text.partition("=") for text in options or ())}
    registry = default_registry()
    offered = [c for c in registry.components(kind) if name in (c.record.name, c.qualified_name)]
    if not offered:
        known = sorted({component.record.name for component in registry.components(kind)})
        raise UnknownComponentError(
            f"no {kind or 'component'} {name!r} is installed; installed: {', '.join(known) or 'none'}"
            f"{nearest(name, known)}"
        )
    failed = 0
    for component in offered:
        typer.echo(f"{component.record.kind} {component.qualified_name} {component.version}")
        for bound in conformance(component.record.kind, component.qualified_name, given, registry=registry):
            try:
                bound()
            except ConformanceError as error:
                failed += 1
                typer.echo(f"  FAILED  {error}")
            else:
                typer.echo(f"  ok      {bound.title}")
    typer.echo("it conforms" if not failed else f"{failed} of the checks failed")
    if failed:
        raise typer.Exit(NOT_CONFORMING)


def new(
    name: Annotated[str, typer.Argument(help="What the component is to be called, like my-encoder.")],
    kind: Annotated[ComponentKind, typer.Option("--kind", "-k", help="What it is to be.")] = ComponentKind.ENCODER,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="New folder to write; default: pxrdgen-NAME here.")
    ] = None,
) -> None:
    """Write a plugin distribution that works as it is, to be changed into your own.

    Examples:

      pxrdgen plugins new my-encoder

      pxrdgen plugins new my-search --kind generator --out ~/my-search
    """
    from pxrdgen_testing.plugin_template.distribution import write_distribution

    folder = out or Path(f"pxrdgen-{name.replace('_', '-')}")
    for place in write_distribution(name, kind, folder):
        typer.echo(f"wrote {folder / place}")
    typer.echo(f"next: pip install -e '{folder}[test]', pxrdgen plugins check {name}, pytest {folder}")
