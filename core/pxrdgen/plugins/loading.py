"""An installed component, and the imports that turn its record into a class and an options model."""

from __future__ import annotations

import importlib
import importlib.metadata
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

from pxrdgen import interfaces
from pxrdgen.errors import BrokenPluginError
from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.plugins.components import ComponentRecord
from pxrdgen.plugins.sources import canonical

#: Name in :mod:`pxrdgen.interfaces` of what a component of a kind must subclass; commands are Typer apps.
INTERFACES: Mapping[ComponentKind, str] = {
    ComponentKind.CELL_PREDICTOR: "CellPredictor",
    ComponentKind.CELL_SCORER: "CellScorer",
    ComponentKind.DENOISER: "Denoiser",
    ComponentKind.ENCODER: "PatternEncoder",
    ComponentKind.GENERATOR: "StructureGenerator",
    ComponentKind.READER: "PatternReader",
    ComponentKind.REFINER: "Refiner",
    ComponentKind.STRUCTURE_ENCODER: "StructureEncoder",
    ComponentKind.TASK: "Task",
    ComponentKind.TRACKER: "Tracker",
    ComponentKind.WEIGHTS: "Weights",
}
_UNCHECKED_IN_VERSION_1 = frozenset({ComponentKind.ENCODER, ComponentKind.STRUCTURE_ENCODER, ComponentKind.TRACKER})


class Compatibility(StrEnum):
    """How the interface version of a component compares with ours."""

    CURRENT = "current"
    OLD = "old"
    INCOMPATIBLE = "incompatible"


@dataclass(frozen=True, kw_only=True)
class Component:
    """An installed component: its record, and the distribution it came with."""

    record: ComponentRecord
    distribution: str
    version: str
    compatibility: Compatibility

    @property
    def qualified_name(self) -> str:
        """``distribution:name``, which is never ambiguous."""
        return f"{self.distribution}:{self.record.name}"


class NoOptions(BaseModel):
    """The options of a component that has none."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def options_model(component: Component) -> type[BaseModel]:
    """The pydantic model of the component's options; an empty one where it has none.

    Raises:
        BrokenPluginError: the model cannot be imported, or is no pydantic model.
    """
    model = component.record.options
    if isinstance(model, str):
        model = _import_target(component, model)
    if model is None:
        return NoOptions
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise BrokenPluginError(f"options of {title(component)} are {model!r}; expected a pydantic model")
    return model


def load_target(component: Component) -> Any:
    """Import what the record points to: a class, or for ``commands`` a Typer app.

    Raises:
        BrokenPluginError: it cannot be imported, or does not fit the interface of its kind.
    """
    target = _import_target(component, component.record.target)
    kind, old = component.record.kind, component.compatibility is Compatibility.OLD
    name = None if old and kind in _UNCHECKED_IN_VERSION_1 else INTERFACES.get(kind)
    interface = None if name is None else getattr(interfaces, name)
    if interface and not (isinstance(target, type) and issubclass(target, interface)):
        raise BrokenPluginError(
            f"{title(component)} is {component.record.target}, which is not a subclass of "
            f"pxrdgen.interfaces.{interface.__name__}"
        )
    return target


def title(component: Component) -> str:
    """How messages name a component."""
    return f"{component.record.kind} {component.qualified_name!r}"


def _import_target(component: Component, target: str) -> Any:
    module_name, _, attribute = target.partition(":")
    try:
        return getattr(importlib.import_module(module_name), attribute)
    except ImportError as error:
        raise BrokenPluginError(import_failure(component, error)) from error
    except Exception as error:
        raise BrokenPluginError(f"{title(component)}: {target} fails: {type(error).__name__}: {error}") from error


def import_failure(component: Component, error: ImportError) -> str:
    """What could not be imported, and the extra of the component's distribution that brings it, if one does."""
    message = f"{title(component)} cannot be imported: {error}"
    missing = canonical((error.name or "").partition(".")[0])
    try:
        requirements = importlib.metadata.requires(component.distribution) or []
    except importlib.metadata.PackageNotFoundError:
        return message
    for requirement in requirements:
        package = re.match(r"[\w.-]+", requirement)
        extra = re.search(r"extra == ['\"]([\w.-]+)['\"]", requirement)
        if missing and package and extra and canonical(package[0]) == missing:
            return f"{message}; pip install '{component.distribution}[{extra[1]}]'"
    return message
