"""Crystal structures from CIF files (Hall, Allen & Brown 1991, doi:10.1107/S010876739101067X), and plain CIFs out.

Only ordered crystals are read: every site is one element, fully occupied. Symmetry operations listed in the file win
over its space-group symbol, and each is held against the cell, the formula and Z. Where a symbol leaves the origin
open, its choice is told by the contents: atoms lie on special positions and apart.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import CellError, StructureError
from pxrdgen.values.cell import UnitCell
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.elements import SYMBOLS
from pxrdgen_files.cif_contents import Contents, contents_of, element_of
from pxrdgen_files.cif_symmetry import NUMBERS, operation_choices, string_of

FloatArray = NDArray[np.float64]

#: Limits on foreign files.
MAX_BYTES = 5 * 2**20
MAX_ATOMS = 2000
#: Images of one site closer than this (A) are the same atom on a special position.
SAME_ATOM = 0.15
#: Atoms of different sites closer than this (A) are a mistake.
TOO_CLOSE = 0.4
#: Of two origins the second is taken where its shortest distance is longer by this factor.
_CLEARLY = 1.1

_CELL_NAMES = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
_CELL_TAGS = tuple(f"_cell_{name}" for name in _CELL_NAMES)


@dataclass(frozen=True, kw_only=True)
class _Site:
    """One line of the atom-site loop; ``u_iso`` is nan when not given."""

    label: str
    number: int
    position: FloatArray
    u_iso: float


def read_cif(path: str | Path, *, block: str | None = None) -> Crystal:
    """The crystal of a CIF file: all atoms of the cell it describes, in the file's setting.

    Of several structures the first, or that of the data block named.

    Raises:
        StructureError: no such file, too large, not a CIF, no cell, no atoms, disorder, an unknown element, atoms on
            top of each other, more than 2000 atoms.
        CellError: the cell's lengths or angles are impossible.
    """
    path = Path(path)
    return read_cif_text(_text_of(path), name=path.stem, block=block)


def structures_note(path: str | Path, block: str | None = None) -> str:
    """A sentence naming the structures of a CIF of several, of which one is read; else nothing.

    Raises:
        StructureError: as :func:`read_cif`.
    """
    found = _blocks_with_atoms(_text_of(Path(path)), Path(path).name)
    if len(found) < 2 or block is not None:
        return ""
    names = ", ".join(entry.name for entry in found[:20])
    return (
        f"{Path(path).name} holds {len(found)} structures ({names}): {found[0].name} is read; --block chooses another"
    )


def _text_of(path: Path) -> str:
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
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def read_cif_text(text: str, *, name: str = "", block: str | None = None) -> Crystal:
    """The crystal of a CIF given as text; of several data blocks, the one named, else the first that holds atoms.

    Raises:
        StructureError, CellError: as :func:`read_cif`.
    """
    label = name or "the CIF"
    if len(text) > MAX_BYTES:
        raise StructureError(f"got {len(text) / 2**20:.1f} MiB of CIF text, expected at most {MAX_BYTES // 2**20} MiB")
    blocks = _blocks_with_atoms(text, label)
    wanted = None if block is None else block.removeprefix("data_").casefold()
    chosen = next((entry for entry in blocks if wanted in (None, entry.name.casefold())), None)
    if chosen is None:
        names = ", ".join(entry.name for entry in blocks[:20])
        raise StructureError(f"got the block {block!r}, which {label} has not; expected one of {names}")
    cell = _cell_of(chosen, label)
    contents = contents_of(chosen)
    sites = _sites_of(chosen, cell, contents, label)
    failures: list[StructureError] = []
    unlike: list[Crystal] = []
    for rank in operation_choices(chosen, cell, label):
        found: list[Crystal] = []
        for operations in rank:
            try:
                found.append(_expand(sites, operations, cell, label, name))
            except _OverlapError as error:
                failures.append(error)
        admitted = [crystal for crystal in found if contents.admit(crystal)]
        if admitted:
            return _likeliest(admitted)
        unlike += [_likeliest(found)] if found else []
    if unlike:
        return unlike[0]
    raise StructureError(str(failures[0]))


def _likeliest(crystals: Sequence[Crystal]) -> Crystal:
    """Of one list of sites about several origins: the fewest atoms, since a special position is no accident of the
    origin, and of as few the first, unless another keeps its atoms clearly further apart."""
    fewest = min(len(crystal) for crystal in crystals)
    left = [crystal for crystal in crystals if len(crystal) == fewest]
    if len(left) == 1:
        return left[0]
    distances = [_shortest(crystal) for crystal in left]
    best = max(range(len(left)), key=distances.__getitem__)
    return left[best] if distances[best] > _CLEARLY * distances[0] else left[0]


def _shortest(crystal: Crystal) -> float:
    """The shortest distance (A) between two atoms, periodic images included."""
    shifts = np.array(list(itertools.product((-1, 0, 1), repeat=3)), dtype=np.float64) @ crystal.basis
    delta = crystal.frac_coords[:, None] - crystal.frac_coords[None]
    cartesian = ((delta - np.round(delta)) @ crystal.basis).reshape(-1, 1, 3)
    squared = (cartesian + shifts) ** 2
    lengths = np.sqrt(squared.sum(axis=-1))
    return float(lengths[lengths > 1e-6].min())


class _OverlapError(StructureError):
    """Atoms on top of each other: another origin choice may help."""


def _blocks_with_atoms(text: str, label: str) -> list[Any]:
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
    found = [
        block
        for block in document
        if block.find_values("_atom_site_fract_x") or block.find_values("_atom_site.fract_x")
    ]
    if found:
        return found
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


def _sites_of(block: Any, cell: UnitCell, contents: Contents, label: str) -> list[_Site]:
    """The atom-site loop, checked: elements, occupancy, coordinates."""
    import gemmi

    count = len(block.find_values("_atom_site_fract_x"))
    if count > MAX_ATOMS:
        raise StructureError(f"got {label} with {count} atom sites, expected at most {MAX_ATOMS} atoms in the cell")
    for tag in NUMBERS:  # a quoted number is CIF, but gemmi's structure wants it plain; it is not needed there
        if block.find_value(tag):
            plain = string_of(block, tag)
            block.set_pair(tag, plain if plain.isdigit() else "?")
    try:
        small = gemmi.make_small_structure_from_block(block)
    except (ValueError, RuntimeError) as error:
        raise StructureError(f"got {label}, whose atoms cannot be read ({error})") from error
    _read_anisotropic_b(block, small.sites)
    symbols = block.find_values("_atom_site_type_symbol")
    displacements = [block.find_values(f"_atom_site_{name}_iso_or_equiv") for name in "UB"]
    labels = [site.label for site in small.sites]
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
        stated = any(len(column) > row and _number(column[row]) == 0.0 for column in displacements)
        written = gemmi.cif.as_string(symbols[row]).strip() if len(symbols) == len(small.sites) else ""
        number = element_of(written, site.label, contents, labels, label)
        sites.append(_Site(label=site.label, number=number, position=position, u_iso=_u_iso(site, cell, stated=stated)))
    if not sites:
        raise StructureError(f"got {label} with an empty atom list; expected at least one atom")
    return sites


def _read_anisotropic_b(block: Any, sites: Iterable[Any]) -> None:
    """Tensors given as B = 8 pi^2 U, which gemmi leaves out, into the sites."""
    axes = ("11", "22", "33", "12", "13", "23")
    table = block.find("_atom_site_aniso_", ["label", *(f"B_{pair}" for pair in axes)])
    tensors = {row.str(0): [_number(row[column]) / (8.0 * math.pi**2) for column in range(1, 7)] for row in table}
    for site in sites:
        values = tensors.get(site.label, [])
        if values and all(math.isfinite(value) for value in values):
            for pair, value in zip(axes, values, strict=True):
                setattr(site.aniso, f"u{pair}", value)


def _u_iso(site: Any, cell: UnitCell, *, stated: bool) -> float:
    """U_iso or U_eq = (1/3) sum_ij U_ij a*_i a*_j a_i.a_j in A^2; nan when not given, 0 where the file says 0."""
    if 0.0 < site.u_iso < 1.0:
        return float(site.u_iso)
    if not site.aniso.nonzero():
        return 0.0 if stated else math.nan
    basis = cell.basis
    lengths = np.linalg.norm(np.linalg.inv(basis).T, axis=1)
    tensor = np.array(site.aniso.as_mat33().tolist(), dtype=np.float64)
    equivalent = float(np.sum(tensor * np.outer(lengths, lengths) * (basis @ basis.T)) / 3.0)
    return equivalent if 0.0 < equivalent < 1.0 else math.nan


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
    given = ~np.isnan(u_iso)
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
