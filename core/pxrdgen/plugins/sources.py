"""Where plugins come from: entry points, or objects handed in; each is loaded alone, so a broken one stops nobody."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

import pluggy

from pxrdgen.errors import BrokenPluginError
from pxrdgen.plugins import hookspecs
from pxrdgen.plugins.components import ComponentRecord


class PluginStatus(StrEnum):
    """What became of a plugin."""

    LOADED = "loaded"
    BROKEN = "broken"
    BLOCKED = "blocked"


@dataclass(frozen=True, kw_only=True)
class PluginSource:
    """A plugin that has been found and not imported yet.

    Args:
        name: of the entry point.
        distribution: the installed distribution it belongs to.
        version: of that distribution, as it writes it.
        load: imports and returns the plugin: a module or object that implements the hook.
    """

    name: str
    distribution: str
    version: str
    load: Callable[[], object]

    @classmethod
    def of(
        cls, name: str, *records: ComponentRecord, distribution: str | None = None, version: str = "0"
    ) -> PluginSource:
        """A plugin made of records on the spot, for tests and notebooks."""
        return cls(name=name, distribution=distribution or name, version=version, load=partial(_RecordsPlugin, records))


@dataclass(frozen=True, kw_only=True)
class PluginReport:
    """What became of one plugin: its records when it loaded, its error in one sentence when it did not."""

    name: str
    distribution: str
    version: str
    status: PluginStatus
    error: str = ""
    records: tuple[ComponentRecord, ...] = ()


class _RecordsPlugin:
    """The smallest plugin: records it was given."""

    def __init__(self, records: tuple[ComponentRecord, ...]) -> None:
        self._records = records

    @hookspecs.hookimpl
    def pxrdgen_components(self) -> Iterable[ComponentRecord]:
        return self._records


def canonical(name: str) -> str:
    """A distribution's name as the packaging standard compares it: lower case, runs of ``-_.`` as one ``-``."""
    return re.sub(r"[-_.]+", "-", name).lower()


def installed_sources() -> tuple[PluginSource, ...]:
    """Every entry point of the group, sorted by distribution and name; none is imported."""
    found = importlib.metadata.entry_points(group=hookspecs.ENTRY_POINT_GROUP)
    sources = [
        PluginSource(
            name=entry.name,
            distribution=entry.dist.name if entry.dist else entry.name,
            version=entry.dist.version if entry.dist else "unknown",
            load=entry.load,
        )
        for entry in found
    ]
    return tuple(sorted(sources, key=lambda source: (canonical(source.distribution), source.name)))


def load_plugin(source: PluginSource, blocked: Collection[str] = ()) -> PluginReport:
    """Import one plugin and ask it for its records; whatever goes wrong is in the report.

    ``blocked`` holds canonical names of distributions or entry points that are not to be imported.
    """
    report = partial(PluginReport, name=source.name, distribution=source.distribution, version=source.version)
    if canonical(source.distribution) in blocked or canonical(source.name) in blocked:
        return report(status=PluginStatus.BLOCKED)
    try:
        records = _records_of(source.load(), source.name)
    except (Exception, SystemExit) as error:  # a plugin may fail in any way at all, even by leaving
        return report(status=PluginStatus.BROKEN, error=f"{type(error).__name__}: {error}")
    return report(status=PluginStatus.LOADED, records=records)


def _records_of(plugin: object, name: str) -> tuple[ComponentRecord, ...]:
    manager = pluggy.PluginManager(hookspecs.PROJECT_NAME)
    manager.add_hookspecs(hookspecs)
    manager.register(plugin, name)
    manager.check_pending()
    if not manager.hook.pxrdgen_components.get_hookimpls():
        raise BrokenPluginError("it implements no hook; expected pxrdgen_components() marked with @hookimpl")
    records = tuple(record for offered in manager.hook.pxrdgen_components() for record in offered)
    seen = set()
    for record in records:
        if not isinstance(record, ComponentRecord):
            raise BrokenPluginError(f"its hook returned {type(record).__name__} objects; expected ComponentRecord")
        if (record.kind, record.name) in seen:
            raise BrokenPluginError(f"it registers the {record.kind} {record.name!r} twice")
        seen.add((record.kind, record.name))
    return records
