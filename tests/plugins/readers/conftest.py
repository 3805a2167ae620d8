"""The readers that are installed, and text or bytes read by them."""

from __future__ import annotations

from pathlib import Path

import pytest

import pxrdgen_readers
from pxrdgen.plugins.registry import Registry
from pxrdgen.plugins.sources import PluginSource, PluginStatus
from pxrdgen.values.pattern import PowderPattern
from pxrdgen_files.patterns import read_pattern


@pytest.fixture(scope="module")
def registry() -> Registry:
    source = PluginSource(name="readers", distribution="pxrdgen", version="0", load=lambda: pxrdgen_readers)
    built = Registry([source])
    assert built.plugins[0].status is PluginStatus.LOADED, built.plugins[0].error
    return built


@pytest.fixture
def read(registry: Registry, tmp_path: Path):
    """Reads text or bytes as a file of the given name."""

    def read_as(content: str | bytes, name: str = "pattern.xy", **options: object) -> PowderPattern:
        path = tmp_path / name
        path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        return read_pattern(path, registry=registry, **options)

    return read_as
