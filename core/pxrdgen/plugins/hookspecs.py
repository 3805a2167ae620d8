"""The one hook a plugin implements."""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from pxrdgen.plugins.components import ComponentRecord

#: Name of the entry-point group plugins are found in.
ENTRY_POINT_GROUP = "pxrdgen.plugins"
PROJECT_NAME = "pxrdgen"

hookspec = pluggy.HookspecMarker(PROJECT_NAME)
hookimpl = pluggy.HookimplMarker(PROJECT_NAME)


@hookspec
def pxrdgen_components() -> Iterable[ComponentRecord]:  # type: ignore[empty-body]
    """Return a record for each component this plugin offers; import nothing heavy here."""
