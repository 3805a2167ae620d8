"""``pxrdgen weights``: what is installed, and whether files are what their cards say."""

from __future__ import annotations

import json
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="List weights and check weights files.")


@app.command("list")
def list_weights(as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False) -> None:
    """List the installed weights with what their cards say.

    Examples:

      pxrdgen weights list

      pxrdgen weights list --json
    """
    from pxrdgen.plugins.registry import default_registry
    from pxrdgen_learning.weights.weights import read_card

    found = {name: default_registry().weights(name).path for name in _installed()}
    cards = {name: read_card(path) for name, path in found.items()}
    if as_json:
        typer.echo(json.dumps({name: card.model_dump(mode="json") for name, card in cards.items()}, indent=2))
        return
    for name, card in cards.items():
        size = found[name].stat().st_size / 2**20
        typer.echo(f"{name}: for the {card.kind} {card.component!r}, {size:.1f} MiB, up to {card.max_atoms} atoms")
        typer.echo(f"  trained on {card.data}")
        for what, numbers in (("training", card.training), ("measured", card.metrics)):
            facts = [f"{name} {value}" for name, value in numbers.items() if not isinstance(value, dict | list)]
            if facts:
                typer.echo(f"  {what}: " + ", ".join(facts))
    if not cards:
        typer.echo("no weights are installed")


@app.command()
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(help="Installed weights or .safetensors files; default: all.")
    ] = None,
) -> None:
    """Check that weights files are whole and unaltered.

    Examples:

      pxrdgen weights verify

      pxrdgen weights verify flow

      pxrdgen weights verify runs/mine.safetensors
    """
    from pxrdgen.plugins.registry import default_registry
    from pxrdgen_learning.weights.weights import verify_weights

    for name in names or _installed():
        card = verify_weights(default_registry().weights(name).path)
        typer.echo(f"{name}: whole, SHA-256 {card.sha256}")


def _installed() -> list[str]:
    """The names of installed weights; a component with options is one that says where weights lie."""
    from pxrdgen.interfaces.kinds import ComponentKind
    from pxrdgen.plugins.registry import default_registry

    components = default_registry().components(ComponentKind.WEIGHTS)
    return [component.record.name for component in components if component.record.options is None]
