"""What a plugin says about each component it offers, before anything heavy is imported."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pydantic import BaseModel

from pxrdgen.errors import BrokenPluginError
from pxrdgen.interfaces.kinds import INTERFACE_VERSION, ComponentKind
from pxrdgen.values.citation import Citation

_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


class OldInterfaceWarning(UserWarning):
    """A component speaks the previous interface version; it works for now and should be updated."""


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """Whether the outside program a component needs is there, for ``pxrdgen doctor``.

    Args:
        subject: the program.
        detail: version and place, or what is wrong and how to get it.
        found: whether it can be used.
        wanted: whether the user asked for it, so that its absence is a fault and no mere lack.
    """

    subject: str
    detail: str
    found: bool
    wanted: bool = False


@dataclass(frozen=True, kw_only=True)
class ComponentRecord:
    """One component of a plugin.

    Args:
        kind: which socket it fits.
        name: how specs and commands call it: lower case, digits, ``-`` and ``_``.
        target: ``"module:Class"``, imported only when the component is built. For ``commands`` a Typer app.
        options: the pydantic model of its options, or ``"module:Model"``; that module must not import torch.
            ``None`` for a component without options, which is built as ``Class()`` plus nested components.
        interface_version: the version of :mod:`pxrdgen.interfaces` it was written for: write the number. Without it
            the plugin claims to fit whatever version it finds.
        summary: one line for ``pxrdgen plugins list``.
        provisional: the interface of this component may still change without a version step.
        diagnosis: ``"module:function"`` without arguments that returns a :class:`Diagnosis`, where the component needs
            a program that no package manager brings along.
        citations: the works it rests on, for ``pxrdgen cite`` and the results it had a part in.
        weights: installed weights that it is built with where a spec names none, if it is of no use untrained.

    Raises:
        BrokenPluginError: a name or target that cannot be used.
    """

    kind: ComponentKind
    name: str
    target: str
    options: type[BaseModel] | str | None = None
    interface_version: int = INTERFACE_VERSION
    summary: str = ""
    provisional: bool = False
    diagnosis: str | None = None
    citations: tuple[Citation, ...] = ()
    weights: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.kind, ComponentKind):
            kinds = ", ".join(ComponentKind)
            raise BrokenPluginError(f"component kind is {self.kind!r}; expected a ComponentKind, one of {kinds}")
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise BrokenPluginError(
                f"component name is {self.name!r}; expected lower-case letters, digits, '-' and '_', a letter first"
            )
        for what, value in (("target", self.target), ("options", self.options), ("diagnosis", self.diagnosis)):
            if isinstance(value, str) and not _TARGET.fullmatch(value):
                raise BrokenPluginError(f"{what} of component {self.name!r} is {value!r}; expected 'module:Name'")
        if not (isinstance(self.citations, tuple) and all(isinstance(work, Citation) for work in self.citations)):
            raise BrokenPluginError(f"citations of component {self.name!r} are no tuple of pxrdgen.values.Citation")
        if "\n" in self.summary:
            raise BrokenPluginError(f"summary of component {self.name!r} has a line break; expected one line")
