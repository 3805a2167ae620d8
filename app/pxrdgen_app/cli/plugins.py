"""``pxrdgen plugins``: what is installed, the options of each component, and what authors of plugins need."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from pxrdgen.errors import BrokenPluginError, UnknownComponentError, nearest
from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.plugins.loading import Compatibility, Component, options_model
from pxrdgen.plugins.registry import Registry, default_registry
from pxrdgen.plugins.sources import PluginReport, PluginStatus
from pxrdgen_app.cli import plugin_authors

app = typer.Typer(no_args_is_help=True, help="List, check and write components.")
app.command("check")(plugin_authors.check)
app.command("new")(plugin_authors.new)

JsonFlag = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


@app.command("list")
def list_components(
    kind: Annotated[ComponentKind | None, typer.Option("--kind", "-k", help="Only this kind.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """List the installed components, and the plugins that could not be loaded with the reason.

    Examples:

      pxrdgen plugins list

      pxrdgen plugins list --kind generator

      pxrdgen plugins list --json
    """
    registry = default_registry()
    components = registry.components(kind)
    troubled = [report for report in registry.plugins if report.status is not PluginStatus.LOADED]
    if as_json:
        listing = {"components": [_facts(c) for c in components], "not_loaded": [_trouble(r) for r in troubled]}
        typer.echo(json.dumps(listing, indent=2))
        return
    _print_table(components)
    for report in troubled:
        detail = f": {report.error}" if report.error else ""
        typer.echo(f"{report.status}: plugin {report.name!r} of {report.distribution} {report.version}{detail}")


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A component's name, or distribution:name.")],
    kind: Annotated[ComponentKind | None, typer.Option("--kind", "-k", help="Only this kind.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Show a component and its options.

    Examples:

      pxrdgen plugins show direct_space

      pxrdgen plugins show pxrdgen:least_squares --json
    """
    found = _named(default_registry(), name, kind)
    if as_json:
        typer.echo(json.dumps([{**_facts(c), "options": _schema(c)} for c in found], indent=2))
        return
    for component in found:
        record = component.record
        typer.echo(f"{record.kind} {record.name}: {record.summary or 'no summary'}")
        typer.echo(f"  from {component.distribution} {component.version}, {record.target}, {_remarks(component)}")
        for line in _option_lines(component):
            typer.echo(f"  {line}")


def _named(registry: Registry, name: str, kind: ComponentKind | None) -> list[Component]:
    components = registry.components(kind)
    found = [component for component in components if name in (component.record.name, component.qualified_name)]
    if not found:
        known = sorted({component.record.name for component in components})
        what = kind or "component"
        raise UnknownComponentError(
            f"no {what} {name!r} is installed; installed: {', '.join(known) or 'none'}{nearest(name, known)}"
        )
    return found


def _print_table(components: tuple[Component, ...]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("kind", "name", "from", "what it is", "remarks", box=None, header_style="bold", pad_edge=False)
    for component in components:
        record = component.record
        source = f"{component.distribution} {component.version}"
        table.add_row(record.kind, record.name, source, record.summary, _remarks(component, quiet=True))
    if components:
        Console(soft_wrap=False).print(table, markup=False)
    else:
        typer.echo("no components are installed")


def _remarks(component: Component, *, quiet: bool = False) -> str:
    version = component.record.interface_version
    remarks = []
    if component.compatibility is not Compatibility.CURRENT or not quiet:
        remarks.append(f"interface {version} ({component.compatibility})")
    if component.record.provisional:
        remarks.append("provisional")
    return ", ".join(remarks)


def _option_lines(component: Component) -> list[str]:
    try:
        model = options_model(component)
    except BrokenPluginError as error:
        return [f"options cannot be shown: {error}"]
    if not model.model_fields:
        return ["no options"]
    lines = []
    for name, field in model.model_fields.items():
        default = (
            "required"
            if field.is_required()
            else f"default {field.get_default(call_default_factory=True, validated_data={})!r}"
        )
        lines.append(f"{name} ({default}): {field.description or ''}".rstrip(": "))
    return lines


def _schema(component: Component) -> dict[str, Any] | None:
    try:
        return options_model(component).model_json_schema()
    except BrokenPluginError:
        return None


def _facts(component: Component) -> dict[str, Any]:
    record = component.record
    return {
        "kind": record.kind.value,
        "name": record.name,
        "qualified_name": component.qualified_name,
        "distribution": component.distribution,
        "version": component.version,
        "target": record.target,
        "interface_version": record.interface_version,
        "compatibility": component.compatibility.value,
        "provisional": record.provisional,
        "summary": record.summary,
    }


def _trouble(report: PluginReport) -> dict[str, str]:
    return {
        "plugin": report.name,
        "distribution": report.distribution,
        "version": report.version,
        "status": report.status.value,
        "error": report.error,
    }
