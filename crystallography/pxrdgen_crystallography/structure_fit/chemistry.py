"""What is known of distances without the pattern: contacts rarely shorter than usual, bond valences that add up.

A structure of squared misfit m has the objective m + min(m, m0) (exp(v / A) - 1) + c, with c the penalty of close
contacts and v the mean cost of bond valences: over K intensities, of which A belong to an atom, K ln m + (K / A) v is
Schwarz's criterion with what chemistry says of the atoms that symmetry leaves independent. The better the pattern is
fitted, the less chemistry moves the atoms; where it is not fitted yet, chemistry says no more than at m0.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pxrdgen.values.intensity_target import IntensityTarget
from pxrdgen_crystallography.structure_fit.contact_prior import ContactPenalty, OrbitContacts
from pxrdgen_crystallography.structure_fit.orbit_model import OrbitMap
from pxrdgen_crystallography.structure_fit.valence_prior import OrbitValences, ValencePenalty

#: of the K intensities of a pattern that belong to one atom of the cell when a general position has one image:
#: K / (INTENSITIES_AN_ATOM N) is the share of the atoms that symmetry leaves independent.
INTENSITIES_AN_ATOM = 20.0
#: root of m0: right structures fit measured patterns of 21-52 atoms with misfits of 0.05 to 0.15.
FITTED = 0.1


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What chemistry makes of a misfit.

    Args:
        score: [M] root of the objective.
        matrix, gradient: [M, P, P] and [M, P] to be added to those of half the squared misfit.
    """

    score: Tensor
    matrix: Tensor
    gradient: Tensor


class Chemistry:
    """Of arrangements [M, N, 3] of a target."""

    def __init__(self, target: IntensityTarget) -> None:
        self.contacts = ContactPenalty(target.species, target.basis)
        self.valences = ValencePenalty(target.species, target.valence, target.basis)

    def objective(self, misfit: Tensor, frac_coords: Tensor) -> Objective:
        """Of misfits [M], by all coordinates."""
        return _joined(misfit, self.contacts.value_and_normal(frac_coords), self.valences.value_and_normal(frac_coords))


class OrbitChemistry:
    """Of arrangements of one assignment, by its free coordinates."""

    def __init__(self, target: IntensityTarget, orbits: OrbitMap) -> None:
        self._contacts, self._valences = OrbitContacts(target, orbits), OrbitValences(target, orbits)

    def objective(self, misfit: Tensor, free: Tensor) -> Objective:
        """Of misfits [M], by the free coordinates [M, P]."""
        return _joined(misfit, self._contacts.value_and_normal(free), self._valences.value_and_normal(free))


Normal = tuple[Tensor, Tensor, Tensor]


def _joined(misfit: Tensor, contacts: Normal, valences: Normal) -> Objective:
    least = misfit.clamp_max(FITTED) ** 2
    share = least / INTENSITIES_AN_ATOM
    return Objective(
        score=torch.sqrt(misfit**2 + least * torch.expm1(valences[0] / INTENSITIES_AN_ATOM) + contacts[0]),
        matrix=contacts[1] + share[:, None, None] * valences[1],
        gradient=contacts[2] + share[:, None] * valences[2],
    )
