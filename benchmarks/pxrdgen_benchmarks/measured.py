"""Measured patterns with known structures: formula, Z and the reference's primitive cell go with each."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import spglib

from pxrdgen.errors import DatasetError, OptionError, nearest
from pxrdgen.values.cell import UnitCell
from pxrdgen.values.composition import Composition
from pxrdgen.values.crystal import Crystal
from pxrdgen_benchmarks.cases import Case, Told
from pxrdgen_crystallography.space_group_symbols import parse_space_group
from pxrdgen_crystallography.symmetry.primitive import primitive
from pxrdgen_files.cif import read_cif
from pxrdgen_solver.question.question import Question

#: the column of these rows.
COLUMN = "measured"
#: patterns of the folder ``examples``.
EXAMPLES = ("brucite", "pbso4", "fluorapatite")
#: A; references come from papers with two to four decimals.
_SYMPREC = 0.05


@dataclass(frozen=True, kw_only=True)
class MeasuredCase(Case):
    """A measured pattern.

    Args:
        pattern: its file.
        radiation: a tube or a wavelength in A, for files that do not say.
    """

    pattern: Path
    radiation: str

    def question(self) -> Question:
        """Read from the file.

        Raises:
            PatternError: it cannot be.
        """
        from pxrdgen.plugins.registry import default_registry
        from pxrdgen_files.named_instruments import radiation_from
        from pxrdgen_files.patterns import read_pattern

        radiation, _ = radiation_from(self.radiation)
        composition, z = Composition.from_species(self.truth.species).reduced()
        pattern = read_pattern(self.pattern, registry=default_registry(), assumed=radiation)
        question = Question(pattern=pattern, cell=self.truth.cell, composition=composition, z=z)
        return with_group(question, self.truth) if self.told is Told.GROUP else question


def measured_case(name: str, pattern: Path, structure: Path, radiation: str) -> MeasuredCase:
    """A case from a pattern and a CIF."""
    truth = primitive(read_cif(structure), symprec=_SYMPREC)
    size = len(truth)
    bucket = "1-8" if size <= 8 else "9-12" if size <= 12 else "13-20" if size <= 20 else "over 20"
    return MeasuredCase(
        id=name,
        column=COLUMN,
        bucket=bucket,
        truth=truth,
        space_group=space_group_number(truth),
        pattern=pattern,
        radiation=radiation,
    )


def real_cases(folder: Path, *, max_atoms: int, min_atoms: int = 1, disagreeing: bool = False) -> list[MeasuredCase]:
    """The patterns of ``folder`` (with its ``index.json``) that agree with their reference, smallest first.

    Args:
        max_atoms, min_atoms: in the primitive cell.
        disagreeing: whether those that do not agree come too, or whose reference lacks atoms.

    Raises:
        DatasetError: the folder has no index.
    """
    index = folder / "index.json"
    try:
        listed: list[dict[str, Any]] = json.loads(index.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"got {index}, which cannot be read as a list of patterns ({error})") from error
    sized = [item for item in listed if min_atoms <= item["atoms_in_primitive_cell"] <= max_atoms]
    kept = [item for item in sized if item["agrees_with_reference"] or disagreeing]
    kept.sort(key=lambda item: (item["atoms_in_primitive_cell"], item["name"]))
    return [
        measured_case(item["name"], folder / item["pattern"], folder / _structure(item), str(item["radiation"]))
        for item in kept
    ]


def _structure(item: dict[str, Any]) -> str:
    return str(item["structure"] if "structure" in item else item["structures"][0])


def with_group(question: Question, truth: Crystal) -> Question:
    """The question in the conventional cell of its answer, whose space group, in the standard setting, is told."""
    cell: Any = (truth.basis, truth.frac_coords, truth.species)
    found: Any = spglib.get_symmetry_dataset(cell, symprec=_SYMPREC)
    conventional = UnitCell.from_basis(found.std_lattice)
    z = round((question.z or 1) * conventional.volume / truth.cell.volume)
    return replace(question, cell=conventional, z=z, space_group=parse_space_group(int(found.number)))


def example_case(folder: Path, name: str) -> MeasuredCase:
    """One of the shipped examples.

    Raises:
        OptionError: an unknown name.
    """
    if name not in EXAMPLES:
        raise OptionError(
            f"got the example {name!r}, expected one of {', '.join(EXAMPLES)}, or all{nearest(name, EXAMPLES)}"
        )
    return measured_case(name, folder / f"{name}_cu.xy", folder / f"{name}.cif", "CuKa")


def space_group_number(crystal: Crystal) -> int:
    """1-230 at 0.05 A, 0 where spglib finds none."""
    cell: Any = (crystal.basis, crystal.frac_coords, crystal.species)
    found = spglib.get_symmetry_dataset(cell, symprec=_SYMPREC)
    return 0 if found is None else int(found.number)
