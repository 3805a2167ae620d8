"""Cell predictors and cell scorers."""

from __future__ import annotations

from collections.abc import Iterable

from pxrdgen.components import ComponentRecord
from pxrdgen.hookspecs import hookimpl


@hookimpl
def pxrdgen_components() -> Iterable[ComponentRecord]:
    """What this room offers; nothing yet."""
    return ()
