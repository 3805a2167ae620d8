"""Turning a ranked refinement into the entry a user reads: conventional cell, setting, uncertainties, warnings."""

from __future__ import annotations

from dataclasses import replace

from pxrdgen.values.crystal import Crystal
from pxrdgen.values.elements import SYMBOLS
from pxrdgen.values.instrument import Radiation
from pxrdgen.values.problem import StructureProblem
from pxrdgen.values.refinement import RefinementResult
from pxrdgen.values.solution import Candidate
from pxrdgen.values.symmetrised_crystal import SymmetrisedCrystal
from pxrdgen_crystallography.scattering.radiation import shares_of_scattering
from pxrdgen_crystallography.symmetry.contacts import shortest_contacts
from pxrdgen_crystallography.symmetry.conventional import to_conventional
from pxrdgen_crystallography.symmetry.uncertainty import conventional_cell_su
from pxrdgen_solver.answer.hydrogens import with_hydrogens
from pxrdgen_solver.answer.ranking import Ranked

#: contacts below this share of the sum of covalent radii are warned about.
SHORT_CONTACT = 0.75
#: an element with less than this share of the scattering is said to be hardly seen.
HARDLY_SEEN = 0.01


def solution_candidate(entry: Ranked, problem: StructureProblem) -> Candidate:
    """The candidate of a refined finalist, in the user's cell and setting where they hold it."""
    refinement, symmetry, remarks = entry.refinement, entry.finalist.symmetry, list[str]()
    hidden = problem.num_atoms - len(refinement.crystal)
    if hidden:
        refinement, symmetry, remark = with_hydrogens(refinement, symmetry, hidden)
        remarks.append(remark)
    found = refined_candidate(refinement, symmetry, problem, origin=entry.finalist.origin, score=entry.score)
    remarks += crystal_warnings(entry.refinement.crystal, problem.pattern.instrument.radiation)
    if not refinement.converged:
        remarks.append(f"refinement: {refinement.message}")
    return replace(found, warnings=(*found.warnings, *remarks))


def refined_candidate(
    refinement: RefinementResult,
    symmetry: SymmetrisedCrystal | None,
    problem: StructureProblem,
    *,
    origin: str,
    score: float,
) -> Candidate:
    """A refinement in the user's cell and setting where they hold it; its warnings are about the setting alone."""
    refined = refinement.crystal
    if symmetry is not None:
        symmetry = replace(symmetry, crystal=refined)
    conventional = to_conventional(refined, symmetry=symmetry, problem=problem)
    coordinate_su, cell_su, u_su = refinement.coordinate_su, refinement.cell_su, refinement.u_iso_su
    return Candidate(
        refinement=refinement,
        origin=origin,
        space_group_number=conventional.space_group.number,
        space_group_symbol=conventional.space_group.hm_symbol,
        conventional=conventional.crystal,
        score=score,
        warnings=conventional.notes,
        conventional_cell_su=None if cell_su is None else conventional_cell_su(conventional, cell_su),
        conventional_coordinate_su=None if coordinate_su is None else conventional.coordinate_su(coordinate_su),
        conventional_u_su=None if u_su is None else u_su[conventional.sources],
    )


def crystal_warnings(crystal: Crystal, radiation: Radiation) -> list[str]:
    """Sentences on short contacts and on elements that the radiation hardly sees."""
    found = []
    contact = shortest_contacts(crystal)
    if contact < SHORT_CONTACT:
        found.append(f"two atoms come within {contact:.2f} of the sum of their covalent radii")
    numbers, shares = shares_of_scattering(crystal.species, radiation)
    for number, share in zip(numbers.tolist(), shares, strict=True):
        if share < HARDLY_SEEN and len(numbers) > 1:
            found.append(
                f"{SYMBOLS[number]} gives {share:.1%} of the scattering: hardly seen, its positions are a guess"
            )
    return found
