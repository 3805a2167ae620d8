"""The measured laboratory patterns that come along, with what is known of each."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from pxrdgen.errors import OptionError, nearest


@dataclass(frozen=True, kw_only=True)
class Example:
    """A measured pattern and the crystal behind it.

    Args:
        name: of the mineral.
        formula: of one formula unit.
        z: formula units in ``cell``.
        cell: a b c (A) alpha beta gamma (degrees), from the literature.
    """

    name: str
    formula: str
    z: int
    cell: tuple[float, float, float, float, float, float]

    @property
    def pattern(self) -> Path:
        """The measured pattern; its first line says where it comes from."""
        return _folder() / f"{self.name}_cu.xy"

    @property
    def reference(self) -> Path:
        """CIF of the published structure."""
        return _folder() / f"{self.name}.cif"


EXAMPLES = (
    Example(name="brucite", formula="Mg(OH)2", z=1, cell=(3.148, 3.148, 4.779, 90.0, 90.0, 120.0)),
    Example(name="pbso4", formula="PbSO4", z=4, cell=(8.482, 5.398, 6.959, 90.0, 90.0, 90.0)),
    Example(name="fluorapatite", formula="Ca5(PO4)3F", z=2, cell=(9.3717, 9.3717, 6.8859, 90.0, 90.0, 120.0)),
)


def example(name: str) -> Example:
    """The example of that name.

    Raises:
        OptionError: unknown name; the nearest is offered.
    """
    for entry in EXAMPLES:
        if entry.name == name:
            return entry
    names = [entry.name for entry in EXAMPLES]
    raise OptionError(f"got example {name!r}, expected one of {', '.join(names)}{nearest(name, names)}")


def _folder() -> Path:
    return Path(str(files("pxrdgen_app.examples")))
