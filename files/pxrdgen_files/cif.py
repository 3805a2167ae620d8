"""Crystal structures from CIF files (Hall, Allen & Brown 1991, doi:10.1107/S010876739101067X), and plain CIFs out.

Only ordered crystals are read: every site is one element, fully occupied. Symmetry operations listed in the file win
over its space-group symbol; where only a symbol is given and it leaves the origin open, the choice that keeps atoms
apart is taken.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import CellError, StructureError, nearest
from pxrdgen.values.cell import UnitCell
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.elements import ATOMIC_NUMBERS, SYMBOLS
from pxrdgen_files.cif_symmetry import operation_choices

FloatArray = NDArray[np.float64]

#: Limits on foreign files.
MAX_BYTES = 5 * 2**20
MAX_ATOMS = 2000
#: Images of one site closer than this (A) are the same atom on a special position.
SAME_ATOM = 0.15
#: Atoms of different sites closer than this (A) are a mistake.
TOO_CLOSE = 0.4

_CELL_NAMES = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
_CELL_TAGS = tuple(f"_cell_{name}" for name in _CELL_NAMES)


@dataclass(frozen=True, kw_only=True)
class _Site:
    """One line of the atom-site loop; ``u_iso`` is 0 when not given."""

    label: str
    number: int
    position: FloatArray
    u_iso: float


def read_cif(path: str | Path) -> Crystal:
    """The crystal of a CIF file: all atoms of the cell it describes, in the file's setting.

    Raises:
        StructureError: no such file, too large, not a CIF, no cell, no atoms, disorder, an unknown element, atoms on
            top of each other, more than 2000 atoms.
        CellError: the cell's lengths or angles are impossible.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise StructureError(
                f"got {path} of {size / 2**20:.1f} MiB, expected a CIF of at most {MAX_BYTES // 2**20} MiB"
            )
        data = path.read_bytes()
    except OSError as error:
        raise StructureError(f"got {path}, which cannot be read ({error.strerror}); expected a CIF file") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return read_cif_text(text, name=path.stem)


def read_cif_text(text: str, *, name: str = "") -> Crystal:
    """The crystal of a CIF given as text; of several data blocks, the first that holds atoms.

    Raises:
        StructureError, CellError: as :func:`read_cif`.
    """
    label = name or "the CIF"
    if len(text) > MAX_BYTES:
        raise StructureError(f"got {len(text) / 2**20:.1f} MiB of CIF text, expected at most {MAX_BYTES // 2**20} MiB")
    block = _block_with_atoms(text, label)
    cell = _cell_of(block, label)
    sites = _sites_of(block, cell, label)
    choices = operation_choices(block, cell, label)
    failures: list[StructureError] = []
    for operations in choices:
        try:
            return _expand(sites, operations, cell, label, name)
        except _OverlapError as error:
            failures.append(error)
    raise StructureError(str(failures[0]))


class _OverlapError(StructureError):
    """Atoms on top of each other: another origin choice may help."""


def _block_with_atoms(text: str, label: str) -> Any:
    import gemmi

    if "\0" in text or not text.strip():
        what = "binary" if text.strip() else "empty"
        raise StructureError(f"got {label}, which is {what}; expected a CIF text file")
    try:
        document = gemmi.cif.read_string(text)
    except (ValueError, RuntimeError) as error:
        reason = str(error).replace("string:", "line ", 1)
        raise StructureError(
            f"got {label}, which is not a valid CIF ({reason}); expected data_ blocks with a cell and atoms"
        ) from error
    for block in document:
        if block.find_values("_atom_site_fract_x") or block.find_values("_atom_site.fract_x"):
            return block
    raise StructureError(
        f"got {label} with {len(document)} data block(s) and no atoms; expected a loop with _atom_site_fract_x"
    )


def _number(text: str | None) -> float:
    """A CIF number without its standard uncertainty; nan for ``?``, ``.`` and nonsense."""
    import gemmi

    return math.nan if text is None else float(gemmi.cif.as_number(text))


def _cell_of(block: Any, label: str) -> UnitCell:
    values = [_number(block.find_value(tag) or block.find_value(tag.replace("_cell_", "_cell."))) for tag in _CELL_TAGS]
    missing = [tag for tag, value in zip(_CELL_TAGS, values, strict=True) if math.isnan(value)]
    if missing:
        raise StructureError(f"got {label} without {', '.join(missing)}; expected a complete unit cell")
    try:
        return UnitCell(*values)
    except CellError as error:
        raise CellError(f"in {label}: {error}") from error


def _sites_of(block: Any, cell: UnitCell, label: str) -> list[_Site]:
    """The atom-site loop, checked: elements, occupancy, coordinates."""
    import gemmi

    count = len(block.find_values("_atom_site_fract_x"))
    if count > MAX_ATOMS:
        raise StructureError(f"got {label} with {count} atom sites, expected at most {MAX_ATOMS} atoms in the cell")
    try:
        small = gemmi.make_small_structure_from_block(block)
    except (ValueError, RuntimeError) as error:
        raise StructureError(f"got {label}, whose atoms cannot be read ({error})") from error
    symbols = block.find_values("_atom_site_type_symbol")
    sites: list[_Site] = []
    for row, site in enumerate(small.sites):
        position = np.array(site.fract.tolist(), dtype=np.float64)
        if not np.isfinite(position).all():
            raise StructureError(
                f"got {label} with atom {site.label} without coordinates; give them or remove the line"
            )
        if abs(site.occ - 1.0) > 1e-3:
            raise StructureError(
                f"got {label} with atom {site.label} of occupancy {site.occ:g}: ordered crystals only; "
                "give an ordered model in which every site is one element, fully occupied"
            )
        written = gemmi.cif.as_string(symbols[row]).strip() if len(symbols) == len(small.sites) else ""
        number = _element(written, site.label, label)
        sites.append(_Site(label=site.label, number=number, position=position, u_iso=_u_iso(site, cell)))
    if not sites:
        raise StructureError(f"got {label} with an empty atom list; expected at least one atom")
    return sites


def _element(type_symbol: str, site_label: str, label: str) -> int:
    """Atomic number from the type symbol (``Fe3+``, ``O2-``); without one, from the start of the label (``FE1``)."""
    run = re.match(r"[A-Za-z]*", type_symbol or site_label)
    letters = run[0] if run else ""
    candidates = [letters] if type_symbol else [letters[:2], letters[:1]]
    for candidate in candidates:
        if candidate.capitalize() in ATOMIC_NUMBERS:
            return ATOMIC_NUMBERS[candidate.capitalize()]
    raise StructureError(
        f"got {label} with atom {site_label} of type {type_symbol or letters!r}, which is no element"
        f"{nearest(letters.capitalize(), ATOMIC_NUMBERS)}"
    )


def _u_iso(site: Any, cell: UnitCell) -> float:
    """U_iso or U_eq = (1/3) sum_ij U_ij a*_i a*_j a_i.a_j in A^2; 0 when not given."""
    if 0.0 < site.u_iso < 1.0:
        return float(site.u_iso)
    if not site.aniso.nonzero():
        return 0.0
    basis = cell.basis
    lengths = np.linalg.norm(np.linalg.inv(basis).T, axis=1)
    tensor = np.array(site.aniso.as_mat33().tolist(), dtype=np.float64)
    equivalent = float(np.sum(tensor * np.outer(lengths, lengths) * (basis @ basis.T)) / 3.0)
    return equivalent if 0.0 < equivalent < 1.0 else 0.0


def _expand(sites: Sequence[_Site], operations: Sequence[Any], cell: UnitCell, label: str, name: str) -> Crystal:
    """All atoms of the cell; images that fall together on a special position become their mean."""
    basis = cell.basis
    rotations = np.array([np.array(op.rot, dtype=np.float64) / op.DEN for op in operations])
    shifts = np.array([np.array(op.tran, dtype=np.float64) / op.DEN for op in operations])
    positions: list[FloatArray] = []
    owners: list[int] = []
    for row, site in enumerate(sites):
        images = rotations @ site.position + shifts
        orbit = _distinct(images, basis)
        positions += orbit
        owners += [row] * len(orbit)
        if len(positions) > MAX_ATOMS:
            raise StructureError(
                f"got {label} with more than {MAX_ATOMS} atoms in the cell, expected at most {MAX_ATOMS}"
            )
    coords = np.array(positions)
    _check_distances(coords, owners, sites, basis, label)
    u_iso = np.array([sites[row].u_iso for row in owners])
    given = u_iso > 0
    filled = np.where(given, u_iso, u_iso[given].mean()) if given.any() else None
    species = np.array([sites[row].number for row in owners], dtype=np.int64)
    return Crystal(species=species, frac_coords=coords, basis=basis, u_iso=filled, name=name)


def _distinct(images: FloatArray, basis: FloatArray) -> list[FloatArray]:
    """Groups of images [M, 3] closer than ``SAME_ATOM`` to their first member, as the mean of each group."""
    orbit: list[FloatArray] = []
    left = images
    while len(left):
        delta = left - left[0]
        delta -= np.round(delta)
        same = np.linalg.norm(delta @ basis, axis=1) < SAME_ATOM
        orbit.append(left[0] + delta[same].mean(axis=0))
        left = left[~same]
    return orbit


def _check_distances(
    coords: FloatArray, owners: Sequence[int], sites: Sequence[_Site], basis: FloatArray, label: str
) -> None:
    """Refuse atoms closer than ``TOO_CLOSE``, periodic images included."""
    shifts = np.array(list(itertools.product((-1, 0, 1), repeat=3)), dtype=np.float64) @ basis
    for row in range(1, len(coords)):
        delta = coords[:row] - coords[row]
        cartesian = (delta - np.round(delta)) @ basis
        near = np.abs(cartesian).max(axis=1) < TOO_CLOSE + np.abs(shifts).max()
        squared = ((cartesian[near][:, None, :] + shifts) ** 2).sum(axis=-1).min(axis=1)
        if squared.size and squared.min() < TOO_CLOSE**2:
            other = int(np.flatnonzero(near)[int(squared.argmin())])
            raise _OverlapError(
                f"got {label} with atoms {sites[owners[other]].label} and {sites[owners[row]].label} only "
                f"{math.sqrt(float(squared.min())):.2f} A apart, on top of each other; remove the duplicate, check the "
                "origin choice, and list symmetry-equivalent atoms once"
            )


def write_cif_p1(crystal: Crystal) -> str:
    """The crystal as CIF text in P1: every atom listed, no symmetry."""
    basis, coords = crystal.basis, crystal.frac_coords
    if np.linalg.det(basis) < 0:
        basis, coords = -basis, (-coords) % 1.0
    cell = UnitCell.from_basis(basis)
    block = re.sub(r"[^A-Za-z0-9_.+-]", "_", crystal.name) or "crystal"
    lines = [f"data_{block[:70]}", "_symmetry_space_group_name_H-M   'P 1'", "_symmetry_Int_Tables_number   1"]
    lines += [f"{tag}   {value:.6f}" for tag, value in zip(_CELL_TAGS, cell.parameters, strict=True)]
    lines += [f"_cell_volume   {cell.volume:.4f}", f"_chemical_formula_sum   '{crystal.formula}'", "", "loop_"]
    lines += ["_symmetry_equiv_pos_as_xyz", "'x, y, z'", "", "loop_", "_atom_site_label", "_atom_site_type_symbol"]
    lines += [f"_atom_site_fract_{axis}" for axis in "xyz"] + ["_atom_site_occupancy"]
    if crystal.u_iso is not None:
        lines.append("_atom_site_U_iso_or_equiv")
    serial = dict.fromkeys(SYMBOLS, 0)
    for row, (number, position) in enumerate(zip(crystal.species.tolist(), coords, strict=True)):
        symbol = SYMBOLS[number]
        serial[symbol] += 1
        u_iso = "" if crystal.u_iso is None else f" {crystal.u_iso[row]:.5f}"
        place = " ".join(f"{value:.6f}" for value in position)
        lines.append(f"{symbol}{serial[symbol]} {symbol} {place} 1{u_iso}")
    return "\n".join(lines) + "\n"
