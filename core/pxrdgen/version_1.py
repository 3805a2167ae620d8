"""What interface version 1 called otherwise, served with a warning for as long as its plugins are.

``pxrdgen.testing``, another name of ``pxrdgen_testing``, stays for good.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Sequence
from dataclasses import fields
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import ClassVar

from pxrdgen.interfaces.structure_generator import GeneratorAbilities, StructureGenerator

_MOVED = {
    "pxrdgen.cells": "pxrdgen.values",
    "pxrdgen.cells.values": "pxrdgen.values.cells",
    "pxrdgen.components": "pxrdgen.plugins.components",
    "pxrdgen.diffraction": "pxrdgen_crystallography.diffraction",
    "pxrdgen.hookspecs": "pxrdgen.plugins.hookspecs",
    "pxrdgen.registry": "pxrdgen.plugins.registry",
    "pxrdgen.solver": "pxrdgen.values",
    "pxrdgen.solver.intensities": "pxrdgen.values.intensity_target",
    "pxrdgen.solver.problem": "pxrdgen.values.problem",
    "pxrdgen.solver.values": "pxrdgen.values",
    "pxrdgen.tracking": "pxrdgen.interfaces.tracker",
    **{
        f"pxrdgen.{name}": f"pxrdgen.values.{name}"
        for name in ("cell", "composition", "crystal", "crystal_batch", "instrument", "pattern", "pattern_batch")
    },
}


class _Moved(MetaPathFinder, Loader):
    """Finds a module under its old name: the very module, not a second one."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Of a moved module alone."""
        del path, target
        return ModuleSpec(fullname, self) if _new_name(fullname) else None

    def exec_module(self, module: ModuleType) -> None:
        """Put the module that moved in the place of the empty one."""
        old, new = module.__name__, _new_name(module.__name__)
        if old in _MOVED:
            warnings.warn(f"{old} is {new} since interface version 2", DeprecationWarning, stacklevel=2)
        sys.modules[old] = importlib.import_module(new)


def _new_name(old: str) -> str:
    stays = old == "pxrdgen.testing" or old.startswith("pxrdgen.testing.")
    return old.replace("pxrdgen.testing", "pxrdgen_testing", 1) if stays else _MOVED.get(old, "")


def serve_old_names() -> None:
    """Let the old names be imported."""
    sys.meta_path.insert(0, _Moved())


class Generator(StructureGenerator):
    """A :class:`StructureGenerator` whose abilities are class attributes."""

    can_renoise: ClassVar[bool] = False
    proposals_per_candidate: ClassVar[int] = 1
    continues: ClassVar[bool] = False
    keeps_space_group: ClassVar[bool] = False
    costly: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        warnings.warn("Generator is StructureGenerator since interface version 2", DeprecationWarning, stacklevel=2)
        said = {each.name for each in fields(GeneratorAbilities)} & set(dir(cls))
        cls.abilities = GeneratorAbilities(**{name: getattr(cls, name) for name in said})
