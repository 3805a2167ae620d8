"""The one door for components: what is installed, by kind and name, built from options."""

from __future__ import annotations

import functools
import os
import warnings
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, overload

from pydantic import BaseModel

from pxrdgen import interfaces
from pxrdgen.errors import (
    AmbiguousComponentError,
    BrokenPluginError,
    IncompatiblePluginError,
    OptionError,
    PxrdgenError,
    UnknownComponentError,
    nearest,
)
from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.interfaces.weights import BuiltT, Weights
from pxrdgen.plugins.components import OldInterfaceWarning
from pxrdgen.plugins.loading import Compatibility, Component, import_failure, load_target, options_model, title
from pxrdgen.plugins.sources import PluginReport, PluginSource, PluginStatus, canonical, installed_sources, load_plugin
from pxrdgen.plugins.trained_options import combined, difference, without_weights
from pxrdgen.specs.component import ComponentSpec, nested_kinds
from pxrdgen.specs.validation import validated

#: Comma-separated names of distributions or entry points that are not to be loaded.
DISABLE_VARIABLE = "PXRDGEN_DISABLE_PLUGINS"

#: Components nest in components (an encoder in a generator); deeper than this, defaults are chasing their own tail.
_MAX_DEPTH = 8
#: what the name of a weights file ends with, as opposed to that of installed weights.
WEIGHTS_SUFFIX = ".safetensors"


@dataclass(frozen=True, kw_only=True)
class Settled:
    """What a spec stands for: a component, the options it is built with and, where it has any, its weights."""

    component: Component
    options: BaseModel
    weights: Weights | None = None
    weights_name: str = ""

    def filled(self, make: Callable[[], BuiltT], *, fixed: bool = False) -> BuiltT:
        """What ``make`` builds from the options, with the weights in it."""
        if self.weights is None:
            return make()
        record = self.component.record
        return self.weights.restored(record.kind, record.name, make, fixed=fixed)


#: how a component is named, and the options it is given.
Name = str | ComponentSpec
Given = BaseModel | Mapping[str, object] | None


class Registry:
    """The components of a set of plugins.

    Args:
        plugins: where they come from; nothing else is looked at.
        blocked: names of distributions or entry points that are not imported.
        interface_version: the version spoken here; the one before it still works, with a warning.
    """

    def __init__(
        self,
        plugins: Iterable[PluginSource] = (),
        *,
        blocked: Iterable[str] = (),
        interface_version: int = interfaces.INTERFACE_VERSION,
    ) -> None:
        self._interface_version = interface_version
        self._by_kind: dict[ComponentKind, list[Component]] = defaultdict(list)
        refused = {canonical(name.strip()) for name in blocked if name.strip()}
        self._reports = tuple(self._admit(load_plugin(source, refused)) for source in plugins)

    @classmethod
    def from_entry_points(cls) -> Registry:
        """What is installed, less what the environment variable ``PXRDGEN_DISABLE_PLUGINS`` names."""
        return cls(installed_sources(), blocked=os.environ.get(DISABLE_VARIABLE, "").split(","))

    @property
    def plugins(self) -> tuple[PluginReport, ...]:
        """What became of each plugin: loaded, broken (with its error) or blocked."""
        return self._reports

    def components(self, kind: ComponentKind | None = None) -> tuple[Component, ...]:
        """The components of one kind or of all, incompatible ones included, sorted by kind and name."""
        kinds = ComponentKind if kind is None else (kind,)
        return tuple(
            component
            for each in kinds
            for component in sorted(self._by_kind.get(each, ()), key=lambda c: (c.record.name, c.distribution))
        )

    def resolve(self, kind: ComponentKind, name: str) -> Component:
        """The component called ``name`` or ``distribution:name``.

        Raises:
            UnknownComponentError, AmbiguousComponentError, IncompatiblePluginError: as they say.
        """
        distribution, _, short = name.rpartition(":")
        found = [
            component
            for component in self.components(kind)
            if component.record.name == short and canonical(distribution) in ("", canonical(component.distribution))
        ]
        if not found:
            raise UnknownComponentError(self._unknown(kind, name))
        usable = [component for component in found if component.compatibility is not Compatibility.INCOMPATIBLE]
        if not usable:
            raise IncompatiblePluginError(self._incompatible(found[0]))
        if len(usable) > 1:
            names = " or ".join(repr(component.qualified_name) for component in usable)
            raise AmbiguousComponentError(f"{kind} {name!r} is offered by {len(usable)} plugins; write {names}")
        if usable[0].compatibility is Compatibility.OLD:
            warnings.warn(
                f"{self._incompatible(usable[0])} It still works; support ends two minor releases after the change.",
                OldInterfaceWarning,
                stacklevel=2,
            )
        return usable[0]

    def options(
        self, kind: ComponentKind, name: str, values: BaseModel | Mapping[str, object] | None = None
    ) -> BaseModel:
        """``values`` as the component's options model, checked.

        Raises:
            OptionError: unknown or invalid options, with path and nearest name.
        """
        return _checked_options(self.resolve(kind, name), name, values)

    @overload
    def build(
        self, kind: Literal[ComponentKind.GENERATOR], name: Name, options: Given = None, **dependencies: object
    ) -> interfaces.StructureGenerator: ...

    @overload
    def build(
        self, kind: Literal[ComponentKind.ENCODER], name: Name, options: Given = None, **dependencies: object
    ) -> interfaces.PatternEncoder: ...

    @overload
    def build(
        self, kind: Literal[ComponentKind.STRUCTURE_ENCODER], name: Name, options: Given = None, **dependencies: object
    ) -> interfaces.StructureEncoder: ...

    @overload
    def build(
        self, kind: Literal[ComponentKind.REFINER], name: Name, options: Given = None, **dependencies: object
    ) -> interfaces.Refiner: ...

    @overload
    def build(
        self, kind: Literal[ComponentKind.READER], name: Name, options: Given = None, **dependencies: object
    ) -> interfaces.PatternReader: ...

    @overload
    def build(
        self, kind: Literal[ComponentKind.WEIGHTS], name: Name, options: Given = None, **dependencies: object
    ) -> Weights: ...

    @overload
    def build(self, kind: ComponentKind, name: Name, options: Given = None, **dependencies: object) -> Any: ...

    def build(self, kind: ComponentKind, name: Name, options: Given = None, **dependencies: object) -> Any:
        """An instance: ``Class(options, **nested, **dependencies)``; without ``options`` for a component without any.

        Fields of the options that are :class:`~pxrdgen.specs.component.ComponentSpec` are built first and passed by the
        field's name; a dependency given here takes the place of the nested component of that name. A whole spec may be
        given for the name; the weights it names, or that the component comes with, are loaded once all is built.

        Raises:
            UnknownComponentError, AmbiguousComponentError, IncompatiblePluginError: from :meth:`resolve`.
            OptionError: from :meth:`options`.
            WeightsError: from the weights.
            BrokenPluginError: the component cannot be imported, or its constructor fails.
        """
        spec = name if isinstance(name, ComponentSpec) else ComponentSpec(plugin=name)
        return self._build(kind, spec, spec.options if options is None else options, dependencies, depth=0)

    def settle(self, kind: ComponentKind, spec: ComponentSpec, *, untrained: bool = False) -> Settled:
        """What ``spec`` stands for: a component, the options it is built with and the weights it gets.

        Args:
            kind, spec: the component.
            untrained: it gets weights only where the spec names them, not those it comes with.

        Raises:
            UnknownComponentError, AmbiguousComponentError, IncompatiblePluginError: the component, or its weights.
            OptionError: from :meth:`options`, or an option differs from that of the weights.
            WeightsError: the weights have no usable card, or are of another component.
        """
        return self._settle(kind, spec, spec.options, untrained=untrained)

    def weights(self, name: str) -> Weights:
        """Installed weights by name, or those of a ``.safetensors`` file.

        Raises:
            UnknownComponentError: none of that name are installed.
            WeightsError: a path to nothing.
        """
        if name.endswith(WEIGHTS_SUFFIX):
            return self.build(ComponentKind.WEIGHTS, "file", {"path": name})
        return self.build(ComponentKind.WEIGHTS, name)

    def parts(self, options: BaseModel, *, given: Container[str] = (), depth: int = 0) -> dict[str, Any]:
        """The components nested in ``options`` but for those ``given``, built, by the name of their field."""
        return {
            field: self._build_nested(kind, getattr(options, field), depth + 1)
            for field, kind in nested_kinds(type(options)).items()
            if field not in given
        }

    def _build(
        self,
        kind: ComponentKind,
        spec: ComponentSpec,
        options: BaseModel | Mapping[str, object],
        dependencies: Mapping[str, object],
        depth: int,
    ) -> Any:
        if depth > _MAX_DEPTH:
            raise OptionError(
                f"{kind} {spec.plugin!r} is nested more than {_MAX_DEPTH} deep; does a default name itself?"
            )
        settled = self._settle(kind, spec, options)
        return settled.filled(lambda: self._instance(settled, dependencies, depth), fixed=spec.fixed)

    def _instance(self, settled: Settled, dependencies: Mapping[str, object], depth: int) -> Any:
        component = settled.component
        nested = self.parts(settled.options, given=dependencies, depth=depth)
        target = load_target(component)
        arguments = () if component.record.options is None else (settled.options,)
        try:
            return target(*arguments, **nested, **dependencies)
        except PxrdgenError:
            raise
        except ImportError as error:
            raise BrokenPluginError(import_failure(component, error)) from error
        except Exception as error:
            raise BrokenPluginError(f"{title(component)} cannot be built: {type(error).__name__}: {error}") from error

    def _build_nested(self, kind: ComponentKind, value: object, depth: int) -> Any:
        if isinstance(value, ComponentSpec):
            return self._build(kind, value, value.options, {}, depth)
        if isinstance(value, list | tuple):
            return tuple(self._build_nested(kind, each, depth) for each in value)
        return value

    def _settle(
        self,
        kind: ComponentKind,
        spec: ComponentSpec,
        options: BaseModel | Mapping[str, object],
        *,
        untrained: bool = False,
    ) -> Settled:
        component = self.resolve(kind, spec.plugin)
        values, said = _weights_apart(component, options)
        given = _checked_options(component, spec.plugin, values)
        name = spec.weights or said or ("" if untrained else component.record.weights)
        if not name:
            return Settled(component=component, options=given)
        weights = self.weights(name)
        card, _ = _weights_apart(component, weights.options(kind, component.record.name))
        where = f"card of the weights {name!r}: options"
        trained = without_weights(_checked_options(component, spec.plugin, card, where), self._check)
        odd = difference(given, trained, self._check)
        if odd is not None:
            path, ours, theirs = odd
            raise OptionError(
                f"got {path}={ours!r} for the {kind} {spec.plugin!r}, which differs from that of the weights {name!r}, "
                f"{theirs!r}; leave it out"
            )
        return Settled(component=component, options=combined(given, trained), weights=weights, weights_name=name)

    def _check(self, kind: ComponentKind, spec: ComponentSpec) -> BaseModel:
        component = self.resolve(kind, spec.plugin)
        return _checked_options(component, spec.plugin, _weights_apart(component, spec.options)[0])

    def _admit(self, report: PluginReport) -> PluginReport:
        for record in report.records:
            for other in self._by_kind[record.kind]:
                same_home = canonical(other.distribution) == canonical(report.distribution)
                if same_home and other.record.name == record.name:
                    error = f"another plugin of {report.distribution} already offers the {record.kind} {record.name!r}"
                    return replace(report, status=PluginStatus.BROKEN, error=error, records=())
        for record in report.records:
            component = Component(
                record=record,
                distribution=report.distribution,
                version=report.version,
                compatibility=self._compatibility(record.interface_version),
            )
            self._by_kind[record.kind].append(component)
        return report

    def _compatibility(self, version: int) -> Compatibility:
        if version == self._interface_version:
            return Compatibility.CURRENT
        return Compatibility.OLD if version == self._interface_version - 1 else Compatibility.INCOMPATIBLE

    def _incompatible(self, component: Component) -> str:
        return (
            f"{title(component)} was written for interface version {component.record.interface_version}, "
            f"this pxrdgen speaks {self._interface_version}; update {component.distribution} or pxrdgen."
        )

    def _unknown(self, kind: ComponentKind, name: str) -> str:
        known = [component.record.name for component in self.components(kind)]
        qualified = [component.qualified_name for component in self.components(kind)]
        listed = ", ".join(sorted(set(known))) if known else "none"
        broken = [report.name for report in self._reports if report.status is not PluginStatus.LOADED]
        hint = f" (not loaded: {', '.join(broken)}; see pxrdgen plugins list)" if broken else ""
        guess = nearest(name, qualified if ":" in name else known)
        return f"no {kind} {name!r} is installed; installed: {listed}{guess}{hint}"


def _weights_apart(
    component: Component, options: BaseModel | Mapping[str, Any]
) -> tuple[BaseModel | Mapping[str, Any], str]:
    """Options without ``weights``, where specs said them before :class:`ComponentSpec` did, and those weights."""
    if isinstance(options, BaseModel) or "weights" in options_model(component).model_fields:
        return options, ""
    rest = dict(options)
    return rest, str(rest.pop("weights", ""))


@functools.cache
def default_registry() -> Registry:
    """The registry of what is installed, built once a process."""
    return Registry.from_entry_points()


def _checked_options(
    component: Component, name: str, values: BaseModel | Mapping[str, object] | None, where: str = ""
) -> BaseModel:
    model = options_model(component)
    where = where or f"{component.record.kind} {name!r}: options"
    if not isinstance(values, BaseModel):
        return validated(model, values or {}, where)
    if not isinstance(values, model):
        raise OptionError(f"{where} are a {type(values).__name__}; expected {model.__name__} or a mapping")
    return values
