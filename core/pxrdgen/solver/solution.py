"""Turning a ranked refinement into the entry a user reads: conventional cell, setting, uncertainties, warnings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pxrdgen.crystal import Crystal
from pxrdgen.elements import SYMBOLS
from pxrdgen.solver.problem import StructureProblem
from pxrdgen.solver.ranking import Ranked
from pxrdgen.solver.values import Candidate
from pxrdgen.symmetry.contacts import shortest_contacts
from pxrdgen.symmetry.conventional import to_conventional
from pxrdgen.symmetry.uncertainty import conventional_cell_su

#: contacts below this share of the sum of covalent radii are warned about.
SHORT_CONTACT = 0.75
#: an element with less than this share of the scattering (sum of Z^2) is hardly seen by X-rays.
HARDLY_SEEN = 0.01


def solution_candidate(entry: Ranked, problem: StructureProblem) -> Candidate:
    """The candidate of a refined finalist, in the user's cell and setting where they hold it."""
    refinement, symmetry = entry.refinement, entry.finalist.symmetry
    refined = refinement.crystal
    if symmetry is not None:
        symmetry = replace(symmetry, crystal=refined)
    conventional = to_conventional(refined, symmetry=symmetry, problem=problem)
    coordinate_su = refinement.coordinate_su
    cell_su = refinement.cell_su
    return Candidate(
        refinement=refinement,
        origin=entry.finalist.origin,
        space_group_number=conventional.space_group.number,
        space_group_symbol=conventional.space_group.hm_symbol,
        conventional=conventional.crystal,
        score=entry.score,
        warnings=(*conventional.notes, *_warnings(refined, entry)),
        conventional_cell_su=None if cell_su is None else conventional_cell_su(conventional, cell_su),
        conventional_coordinate_su=None if coordinate_su is None else conventional.coordinate_su(coordinate_su),
    )


def _warnings(crystal: Crystal, entry: Ranked) -> list[str]:
    found = []
    contact = shortest_contacts(crystal)
    if contact < SHORT_CONTACT:
        found.append(f"two atoms come within {contact:.2f} of the sum of their covalent radii")
    numbers, counts = np.unique(crystal.species, return_counts=True)
    weight = counts * numbers.astype(np.float64) ** 2
    for number, share in zip(numbers.tolist(), weight / weight.sum(), strict=True):
        if share < HARDLY_SEEN and len(numbers) > 1:
            found.append(
                f"{SYMBOLS[number]} gives {share:.1%} of the scattering: hardly seen, its positions are a guess"
            )
    if not entry.refinement.converged:
        found.append(f"refinement: {entry.refinement.message}")
    return found
