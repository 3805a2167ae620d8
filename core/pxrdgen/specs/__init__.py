"""Runs as values: components by name, pipelines, and the YAML page that says them."""

from __future__ import annotations

from pxrdgen.specs.pipeline import (
    ComponentSpec,
    PipelineSpec,
    labelled,
    nested_kinds,
    read_spec,
    spec_from_yaml,
    spec_to_yaml,
)

__all__ = ["ComponentSpec", "PipelineSpec", "labelled", "nested_kinds", "read_spec", "spec_from_yaml", "spec_to_yaml"]
