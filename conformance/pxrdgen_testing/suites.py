"""Which checks belong to which kind, bound to an installed component."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from pxrdgen.errors import UnknownComponentError, nearest
from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.plugins.loading import options_model
from pxrdgen.plugins.registry import Registry, default_registry
from pxrdgen_testing.check import Check, Subject, run, titled

#: The module that holds a kind's checks, each as its tuple ``CHECKS``; imported when they are asked for.
_SUITES: Mapping[ComponentKind, str] = {
    ComponentKind.CELL_PREDICTOR: "pxrdgen_testing.cell_predictors",
    ComponentKind.CELL_SCORER: "pxrdgen_testing.cell_scorers",
    ComponentKind.ENCODER: "pxrdgen_testing.encoders",
    ComponentKind.GENERATOR: "pxrdgen_testing.generators",
    ComponentKind.READER: "pxrdgen_testing.readers",
    ComponentKind.REFINER: "pxrdgen_testing.refiners",
    ComponentKind.STRUCTURE_ENCODER: "pxrdgen_testing.structure_encoders",
}


@dataclass(frozen=True, kw_only=True)
class BoundCheck:
    """A check of one component; calling it runs it.

    Raises (when called):
        ConformanceError: the component does not conform; the message says got, expected, what to do.
    """

    title: str
    check: Check
    subject: Subject

    def __call__(self) -> None:
        """Run it."""
        run(self.check, self.subject)

    def __str__(self) -> str:
        return self.title


def covered_kinds() -> tuple[ComponentKind, ...]:
    """The kinds that have checks of their own beyond those of every component."""
    return tuple(_SUITES)


def conformance(
    kind: ComponentKind | str,
    name: str,
    options: Mapping[str, object] | None = None,
    *,
    registry: Registry | None = None,
) -> Sequence[BoundCheck]:
    """The checks of an installed component.

    Args:
        kind: ``"encoder"``, ``"generator"``, ...
        name: ``name`` or ``distribution:name``.
        options: that every instance is built with; the defaults otherwise.
        registry: where to look; what is installed otherwise.

    Raises:
        UnknownComponentError: no such kind or component.
    """
    from pxrdgen_testing import every_component

    kinds = [each.value for each in ComponentKind]
    if kind not in kinds:
        raise UnknownComponentError(
            f"got the kind {str(kind)!r}, expected one of {', '.join(kinds)}{nearest(str(kind), kinds)}"
        )
    kind = ComponentKind(kind)
    registry = registry or default_registry()
    component = registry.resolve(kind, name)
    subject = Subject(
        component=component,
        options=options_model(component),
        build=partial(registry.build, kind, component.qualified_name, dict(options or {})),
    )
    checks: tuple[Check, ...] = every_component.CHECKS
    if kind in _SUITES:
        checks += importlib.import_module(_SUITES[kind]).CHECKS
    return [BoundCheck(title=titled(check), check=check, subject=subject) for check in checks]
