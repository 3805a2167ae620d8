"""A command group that knows its commands by name and one line each, and imports only the one that is called."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import typer
import typer.core
import typer.main

from pxrdgen.errors import BrokenPluginError
from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.plugins.loading import Compatibility, Component, load_target, title
from pxrdgen.plugins.registry import default_registry
from pxrdgen_app.cli.commands import COMMANDS


class _Unloaded(typer.core.TyperCommand):
    """Stands in for a command until it is called: enough for help and completion."""

    def __init__(self, name: str, summary: str, load: Callable[[], typer.Typer]) -> None:
        super().__init__(name, help=summary)
        self.load = load


class LazyGroup(typer.core.TyperGroup):
    """The built-in commands of the table, then those that plugins bring."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names in the order of the table; plugins' after them, alphabetically."""
        del ctx
        return list(self._unloaded())

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The stand-in of a command; :meth:`resolve_command` replaces it by the real one."""
        del ctx
        row = next((row for row in COMMANDS if row.name == cmd_name), None)
        if row:  # without asking the plugins
            return _Unloaded(row.name, row.summary, row.load)
        return self._unloaded().get(cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Import the command that is called."""
        name, command, rest = super().resolve_command(ctx, args)
        if isinstance(command, _Unloaded):
            command = _load(command)
        return name, command, rest

    def _unloaded(self) -> dict[str, _Unloaded]:
        commands = {row.name: _Unloaded(row.name, row.summary, row.load) for row in COMMANDS}
        offered = default_registry().components(ComponentKind.COMMANDS)
        short_names = [component.record.name for component in offered]
        for component in offered:
            if component.compatibility is Compatibility.INCOMPATIBLE:
                continue
            short = component.record.name
            taken = short in commands or short_names.count(short) > 1
            name = component.qualified_name if taken else short
            commands[name] = _Unloaded(name, component.record.summary, partial(_plugin_app, component))
        return commands


def _plugin_app(component: Component) -> typer.Typer:
    app = load_target(component)
    if not isinstance(app, typer.Typer):
        raise BrokenPluginError(f"{title(component)} is a {type(app).__name__}; expected a typer.Typer")
    return app


def _load(command: _Unloaded) -> Any:
    app = command.load()
    is_single = len(app.registered_commands) == 1 and not app.registered_groups and app.registered_callback is None
    alone = is_single and app.registered_commands[0].name == command.name
    built: Any = typer.main.get_command(app) if alone else typer.main.get_group(app)
    if not alone:  # TyperGroup: sub-commands
        built.name = command.name
        built.help = built.help or command.help
    return built
