"""The door: how plugins are found, what they say of their components, and the registry that builds these.

A plugin's author needs ``from pxrdgen.plugins import ComponentKind, ComponentRecord, hookimpl``.
"""

from __future__ import annotations

from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.plugins.components import ComponentRecord, Diagnosis
from pxrdgen.plugins.hookspecs import hookimpl
from pxrdgen.plugins.registry import Registry, default_registry
from pxrdgen.plugins.sources import PluginSource

__all__ = ["ComponentKind", "ComponentRecord", "Diagnosis", "PluginSource", "Registry", "default_registry", "hookimpl"]
