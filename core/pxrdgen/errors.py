"""The exception tree: every failure has a type, and its message says got, expected, what to do.

PxrdgenError                       exit 1
├── InputError                     exit 2: what was given cannot be used
│   ├── PatternError               a measured pattern, its file or its range
│   ├── FormulaError               a chemical formula or the number of formula units
│   ├── CellError                  a unit cell, its centring, or a cell that cannot hold the formula
│   ├── SymmetryError              a space group, or one that fits neither cell nor formula
│   ├── StructureError             a CIF or a crystal
│   ├── InstrumentError            radiation, profile parameters or a simulation grid
│   ├── OptionError                an option of a component, or a spec
│   ├── DatasetError               a table or pack of crystals
│   ├── WeightsError               a weights file or its card
│   ├── OutputError                a folder or file that cannot be written
│   ├── UnknownComponentError      no component of that name is installed
│   └── AmbiguousComponentError    a short name that two distributions claim
├── PluginError                    exit 1: a plugin misbehaves
│   ├── BrokenPluginError          it cannot be imported, or its records are invalid
│   ├── IncompatiblePluginError    it was written for another interface version
│   └── ConformanceError           it does not do what components of its kind owe
├── TrainingError                  exit 1: training cannot go on (a loss that is not a number)
└── WorkerError                    exit 1: an outside program failed; the call may be retried
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import ClassVar


class PxrdgenError(Exception):
    """Root of all errors raised on purpose by pxrdgen; ``exit_code`` is the command line's."""

    exit_code: ClassVar[int] = 1


class InputError(PxrdgenError, ValueError):
    """What was given cannot be used."""

    exit_code: ClassVar[int] = 2


class PatternError(InputError):
    """A measured pattern, its file or its range cannot be used."""


class FormulaError(InputError):
    """A chemical formula or a number of formula units cannot be used."""


class CellError(InputError):
    """A unit cell is malformed, or cannot hold the formula."""


class SymmetryError(InputError):
    """A space group is unknown, or fits neither the cell nor the formula."""


class StructureError(InputError):
    """A crystal structure cannot be used."""


class InstrumentError(InputError):
    """Radiation, profile parameters or a simulation grid cannot be used."""


class OptionError(InputError):
    """An option of a component, or a spec, is unknown or invalid."""


class DatasetError(InputError):
    """A table or pack of crystals cannot be used."""


class WeightsError(InputError):
    """A weights file or its card is damaged, or belongs to something else."""


class OutputError(InputError):
    """A folder or file cannot be written."""


class UnknownComponentError(InputError):
    """No component of that kind and name is installed."""


class AmbiguousComponentError(InputError):
    """A short name is claimed by more than one distribution."""


class PluginError(PxrdgenError):
    """A plugin misbehaves."""


class BrokenPluginError(PluginError):
    """A plugin cannot be imported, or what it registers is invalid."""


class IncompatiblePluginError(PluginError):
    """A plugin was written for an interface version this pxrdgen does not speak."""


class ConformanceError(PluginError, AssertionError):
    """A component does not do what components of its kind owe; test runners see a failed assertion."""


class TrainingError(PxrdgenError):
    """Training cannot go on."""


class WorkerError(PxrdgenError):
    """An outside program crashed, hung or answered nonsense; the call may be retried."""


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an error message about an unknown name: ``"; did you mean 'cnn'?"`` or nothing."""
    matches = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {matches[0]!r}?" if matches else ""
