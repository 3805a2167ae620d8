"""CIF out: conventional cell, symmetry operators, the asymmetric unit, and a check that it expands to what went in."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence

import gemmi
import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import StructureError, SymmetryError
from pxrdgen.values.composition import Composition
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.elements import SYMBOLS
from pxrdgen.values.space_group import SpaceGroup
from pxrdgen_crystallography.space_group_symbols import parse_space_group
from pxrdgen_crystallography.symmetry.asymmetric_unit import asymmetric_unit
from pxrdgen_files.cif_check import expansion_error

FloatArray = NDArray[np.float64]

#: How far (A) an atom read back from the text may be from where it was; rounding of printed numbers is below this.
_WRITTEN_TOLERANCE = 0.01

#: The CIF item of each agreement factor that :func:`cif_text` accepts.
R_FACTOR_ITEMS: Mapping[str, str] = {
    "r_wp": "_pd_proc_ls_prof_wR_factor",
    "r_p": "_pd_proc_ls_prof_R_factor",
    "r_exp": "_pd_proc_ls_prof_wR_expected",
    "gof": "_refine_ls_goodness_of_fit_all",
}


def cif_text(
    conventional: Crystal,
    space_group: SpaceGroup,
    *,
    cell_su: Sequence[float] | None = None,
    coordinate_su: FloatArray | None = None,
    u_iso_su: FloatArray | None = None,
    r_factors: Mapping[str, float] | None = None,
    title: str = "",
    notes: Sequence[str] = (),
) -> str:
    """A CIF with one data block.

    Args:
        conventional: all atoms of the cell, invariant under ``space_group``; its ``u_iso`` is written when known.
        space_group: the setting of that cell.
        cell_su: standard uncertainties of a b c (A) alpha beta gamma (degrees) of this cell; 0 where fixed.
        coordinate_su: [M, 3] of the fractional coordinates; 0 where fixed.
        u_iso_su: [M] of ``u_iso`` (A^2); 0 where held.
        r_factors: any of r_wp, r_p, r_exp (fractions) and gof.
        title: name of the phase.
        notes: sentences kept under ``_refine_special_details``.

    The text is read again and expanded; if that does not give the atoms that went in, all atoms are written in P 1
    with a note, and if even that fails nothing is.

    Raises:
        StructureError: no faithful CIF can be written.
    """
    remarks = tuple(notes)
    for group in (space_group, parse_space_group(1)):
        try:
            text = _text(conventional, group, cell_su, coordinate_su, u_iso_su, r_factors or {}, title, remarks)
            error = expansion_error(text, conventional)
        except SymmetryError:
            error = math.inf
        if error <= _WRITTEN_TOLERANCE:
            return text
        remarks = (*notes, f"written in P 1: the operations of {space_group.hm_symbol} do not give back all atoms")
    raise StructureError(
        f"got a crystal {conventional.formula} whose CIF does not read back as the same atoms; "
        "expected distinct atoms in a cell of usual size"
    )


def _text(
    crystal: Crystal,
    group: SpaceGroup,
    cell_su: Sequence[float] | None,
    coordinate_su: FloatArray | None,
    u_iso_su: FloatArray | None,
    r_factors: Mapping[str, float],
    title: str,
    notes: Sequence[str],
) -> str:
    document = gemmi.cif.Document()
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", title or crystal.name or crystal.formula).strip("_")
    block = document.add_new_block(name[:60] or "crystal")
    composition, units = Composition.from_species(crystal.species).reduced()
    block.set_pair("_audit_creation_method", gemmi.cif.quote("pxrdgen"))
    if title:
        block.set_pair("_pd_phase_name", gemmi.cif.quote(_ascii(title)))
    counts = " ".join(f"{SYMBOLS[z]}{n if n > 1 else ''}" for z, n in composition.counts)
    block.set_pair("_chemical_formula_sum", gemmi.cif.quote(counts))
    block.set_pair("_chemical_formula_weight", f"{composition.mass:.3f}")
    _add_cell(block, crystal, cell_su, units, composition.mass)
    block.set_pair("_space_group_IT_number", str(group.number))
    block.set_pair("_space_group_name_H-M_alt", gemmi.cif.quote(group.hm_symbol))
    block.set_pair("_space_group_name_Hall", gemmi.cif.quote(group.hall_symbol))
    block.set_pair("_space_group_crystal_system", group.crystal_system)
    for key, value in r_factors.items():
        if key in R_FACTOR_ITEMS and math.isfinite(value):
            block.set_pair(R_FACTOR_ITEMS[key], f"{value:.5f}")
    if notes:
        block.set_pair("_refine_special_details", gemmi.cif.quote(_ascii("\n".join(notes))))
    operators = block.init_loop("_space_group_symop_", ["id", "operation_xyz"])
    for number, operation in enumerate(gemmi.symops_from_hall(group.hall_symbol), start=1):
        operators.add_row([str(number), gemmi.cif.quote(operation.triplet())])
    _add_atoms(block, crystal, group, coordinate_su, u_iso_su)
    return str(document.as_string())


def _add_cell(
    block: gemmi.cif.Block, crystal: Crystal, cell_su: Sequence[float] | None, units: int, mass: float
) -> None:
    names = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
    sus = cell_su if cell_su is not None else (0.0,) * 6
    for name, value, su in zip(names, crystal.cell.parameters, sus, strict=True):
        block.set_pair(f"_cell_{name}", with_su(value, su, least=3, plain=5 if "length" in name else 4))
    block.set_pair("_cell_volume", f"{crystal.volume:.4f}")
    block.set_pair("_cell_formula_units_Z", str(units))
    block.set_pair("_exptl_crystal_density_diffrn", f"{1.66053907 * mass * units / crystal.volume:.4f}")


def _add_atoms(
    block: gemmi.cif.Block,
    crystal: Crystal,
    group: SpaceGroup,
    coordinate_su: FloatArray | None,
    u_iso_su: FloatArray | None,
) -> None:
    tags = ["label", "type_symbol", "site_symmetry_multiplicity", "fract_x", "fract_y", "fract_z", "occupancy"]
    if crystal.u_iso is not None:
        tags += ["U_iso_or_equiv", "adp_type"]
    placed = _placed_by_geometry(crystal, coordinate_su, u_iso_su)
    if placed.any():
        tags.append("calc_flag")
    loop = block.init_loop("_atom_site_", tags)
    seen: Counter[int] = Counter()
    for atom, multiplicity in zip(*asymmetric_unit(crystal, group), strict=True):
        number = int(crystal.species[atom])
        seen[number] += 1
        sus = np.zeros(3) if coordinate_su is None else np.asarray(coordinate_su, dtype=np.float64)[atom]
        # An atom on a symmetry element needs digits enough for readers to see that it lies there.
        least = 4 if multiplicity == len(group.rotations) else 5
        places = [
            with_su(value, su, least=least, plain=6) for value, su in zip(crystal.frac_coords[atom], sus, strict=True)
        ]
        row = [f"{SYMBOLS[number]}{seen[number]}", SYMBOLS[number], str(multiplicity), *places, "1"]
        if crystal.u_iso is not None:
            su = 0.0 if u_iso_su is None else float(u_iso_su[atom])
            row += [with_su(float(crystal.u_iso[atom]), su, least=4, plain=5), "Uiso"]
        if placed.any():
            row.append("calc" if placed[atom] else "d")
        loop.add_row(row)


def _placed_by_geometry(
    crystal: Crystal, coordinate_su: FloatArray | None, u_iso_su: FloatArray | None
) -> NDArray[np.bool_]:
    """[N] hydrogen without any uncertainty where the other atoms have theirs: it was not refined."""
    if coordinate_su is None or u_iso_su is None or not np.any(u_iso_su):
        return np.zeros(len(crystal), dtype=bool)
    known = np.asarray(coordinate_su).any(axis=1) | (np.asarray(u_iso_su) > 0)
    return np.asarray((crystal.species == 1) & ~known)


def with_su(value: float, su: float, *, least: int, plain: int) -> str:
    """``0.1234(12)``: the uncertainty's leading digits (2 to 19) in units of the last place; plain when it is unknown.

    Args:
        value: to print.
        su: its standard uncertainty; zero, infinite or nan means none is printed.
        least: fewest decimals, whatever the uncertainty.
        plain: decimals without an uncertainty.
    """
    if not (math.isfinite(su) and su > 0):
        return f"{value:.{plain}f}"
    decimals = math.ceil(-math.log10(su / 1.95))
    decimals = min(max(decimals + 1 if su * 10**decimals < 1.95 else decimals, least), 9)
    digits = round(su * 10**decimals)
    return f"{value:.{decimals}f}({digits})" if digits else f"{value:.{decimals}f}"


def _ascii(text: str) -> str:
    """CIF 1.1 is ASCII; whatever else was typed becomes a question mark, and text-field marks lose their meaning."""
    plain = text.replace("\r", "").encode("ascii", "replace").decode("ascii")
    return re.sub(r"(?m)^;", " ;", plain)
