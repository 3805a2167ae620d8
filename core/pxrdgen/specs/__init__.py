"""Runs as values: components by name, pipelines, and the YAML page that says them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pxrdgen.lazy import door

if TYPE_CHECKING:
    from pxrdgen.specs.component import *  # noqa: F403
    from pxrdgen.specs.pipeline import *  # noqa: F403

__getattr__, _NAMES = door(
    __name__,
    {
        "pxrdgen.specs.component": "ComponentSpec labelled nested_kinds",
        "pxrdgen.specs.pipeline": "PipelineSpec read_spec spec_from_yaml spec_to_yaml",
    },
)
__all__ = [*_NAMES]
