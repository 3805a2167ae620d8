"""From fitted arrangements to structures: the symmetry that explains the intensities with fewest free coordinates."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from pxrdgen.values.crystal import Crystal
from pxrdgen.values.intensity_target import IntensityTarget
from pxrdgen.values.refinement import RefinementStart
from pxrdgen.values.symmetrised_crystal import SymmetrisedCrystal
from pxrdgen_crystallography.structure_fit.chemistry import Chemistry
from pxrdgen_crystallography.structure_fit.contact_prior import with_contacts
from pxrdgen_crystallography.structure_fit.coordinate_fit import fit_coordinates
from pxrdgen_crystallography.structure_fit.grouped_model import GroupedModel, GroupedParameters
from pxrdgen_crystallography.symmetry.freedom import free_coordinates, free_origin
from pxrdgen_crystallography.symmetry.symmetrise import symmetry_ladder
from pxrdgen_solver.search.pool import Pool

FloatArray = NDArray[np.float64]

#: least-squares steps in the symmetric description.
ITERATIONS = 15
#: a misfit below this is perfect for every purpose; it keeps the logarithm of a noise-free fit finite.
LEAST_MISFIT = 4e-3
#: a finalist whose misfit is so many times that of the best (or this one) cannot win on the whole profile.
HOPELESS, GOOD_MISFIT = 4.0, 0.02


@dataclass(frozen=True, kw_only=True)
class Finalist:
    """A structure worth refining on the whole profile.

    Args:
        crystal: primitive cell, atoms in the problem's order, ``u_iso`` from the grouped fit.
        symmetry: the group it is exactly invariant under; ``None`` for P1.
        free: coordinates the symmetry leaves free, origin not counted.
        misfit: of the grouped intensities.
        criterion: K ln(misfit^2 raised by close contacts) + free ln K (Schwarz 1978, doi:10.1214/aos/1176344136)
            + the cost of odd bond valences over the independent atoms; lower is better.
        origin: generator that proposed it.
        valence: [N] oxidation numbers of the atoms; ``None`` where none balance.
        prior: -2 ln of the odds that chemistry gives it beside what it was made from, where the pattern hardly tells.
    """

    crystal: Crystal
    symmetry: SymmetrisedCrystal | None
    free: int
    misfit: float
    criterion: float
    origin: str
    prior: float = 0.0
    valence: FloatArray | None = None

    def start(self) -> RefinementStart:
        """What a refiner begins with: the finalist's own coordinates under its group."""
        symmetry = None if self.symmetry is None else replace(self.symmetry, crystal=self.crystal)
        return RefinementStart(crystal=self.crystal, symmetry=symmetry, cell_fitted=True)


class Symmetriser:
    """Climbs the symmetry ladder of each candidate and keeps the rung with the lowest criterion."""

    def __init__(self, target: IntensityTarget) -> None:
        self._target = target
        self._model = GroupedModel(target)
        self._chemistry = Chemistry(target)

    def finalists(self, pool: Pool) -> list[Finalist]:
        """One finalist a candidate of the pool, best first."""
        found = [self._best_rung(pool, row) for row in range(len(pool))]
        return sorted(found, key=lambda finalist: finalist.criterion)

    def _best_rung(self, pool: Pool, row: int) -> Finalist:
        parameters = pool.fit.parameters.select(torch.tensor([row]))
        plain = self._finalist(parameters, None, pool.origin[row])
        ladder = symmetry_ladder(plain.crystal)
        if pool.constraint[row] is not None:
            # it obeys a group as it came; free of it, it may have drifted too far for the ladder to see that
            known = {symmetry.number for symmetry in ladder}
            came = symmetry_ladder(self._crystal(parameters, None))
            ladder += [symmetry for symmetry in came if symmetry.number not in known]
        found = [self._finalist(parameters, symmetry, pool.origin[row]) for symmetry in ladder if symmetry.number > 1]
        return min([plain, *found], key=lambda finalist: finalist.criterion)

    def _finalist(self, parameters: GroupedParameters, symmetry: SymmetrisedCrystal | None, origin: str) -> Finalist:
        atoms = parameters.frac_coords.shape[1]
        if symmetry is None:
            start, constraint, free = parameters, None, 3 * atoms - 3
        else:
            columns, free = free_coordinates(symmetry), freedom_of(symmetry)
            constraint = torch.as_tensor(columns, dtype=torch.float32)
            coords = torch.as_tensor(symmetry.crystal.frac_coords, dtype=torch.float32)[None]
            start = GroupedParameters(
                frac_coords=coords,
                log_scale=parameters.log_scale,
                u_iso=parameters.u_iso,
                texture=parameters.texture,
            )
        fit = fit_coordinates(
            self._model, start, iterations=ITERATIONS, chemistry=self._chemistry, constraint=constraint
        )
        groups = self._target.num_groups
        penalty = float(self._chemistry.contacts.value(fit.parameters.frac_coords)[0])
        odd = float(self._chemistry.valences.mean_cost(fit.parameters.frac_coords)[0])
        squared = with_contacts(float(fit.misfit[0]) ** 2 + LEAST_MISFIT**2, penalty)
        return Finalist(
            crystal=self._crystal(fit.parameters, symmetry),
            symmetry=symmetry,
            free=free,
            misfit=float(fit.misfit[0]),
            criterion=groups * math.log(squared) + free * math.log(groups) + odd * independent_atoms(atoms, symmetry),
            origin=origin,
            valence=self._target.valence.double().numpy() if bool(self._target.valence.any()) else None,
        )

    def _crystal(self, parameters: GroupedParameters, symmetry: SymmetrisedCrystal | None) -> Crystal:
        basis = self._target.basis.double().numpy() if symmetry is None else symmetry.crystal.basis
        return Crystal(
            species=self._target.species.numpy(),
            frac_coords=parameters.frac_coords[0].double().numpy(),
            basis=np.asarray(basis, dtype=np.float64),
            u_iso=parameters.u_iso[0][self._target.element_of].double().numpy(),
        )


def independent_atoms(atoms: int, symmetry: SymmetrisedCrystal | None) -> float:
    """Of ``atoms`` in the primitive cell, how many symmetry leaves, had they general positions."""
    return atoms / (1 if symmetry is None else symmetry.order)


def freedom_of(symmetry: SymmetrisedCrystal) -> int:
    """Coordinates the group leaves free, a floating origin not counted."""
    return max(int(free_coordinates(symmetry).shape[1] - free_origin(symmetry).shape[1]), 0)


def higher_symmetries(finalist: Finalist, refined: Crystal) -> list[Finalist]:
    """The refined structure in each group of its ladder that leaves fewer coordinates free than the finalist's."""
    found = []
    for symmetry in symmetry_ladder(refined):
        free = freedom_of(symmetry)
        if free < finalist.free:
            found.append(replace(finalist, crystal=symmetry.crystal, symmetry=symmetry, free=free))
    return found


def distinct(finalists: list[Finalist], count: int) -> list[Finalist]:
    """The first ``count`` finalists that are different structures, in order; then the most symmetric description of
    each, where it is another, for the whole profile may tell them apart better than the intensities."""
    from pxrdgen_crystallography.symmetry.similar import merge_duplicates

    shortlist = finalists[: 3 * count]
    groups = sorted(merge_duplicates([finalist.crystal for finalist in shortlist]))[:count]
    simplest = [min(group, key=lambda row: (shortlist[row].free, row)) for group in groups]
    rows = dict.fromkeys([*(group[0] for group in groups), *simplest])
    return [shortlist[row] for row in rows]


def worth_refining(finalists: list[Finalist]) -> list[Finalist]:
    """The first two, for one must be compared with something, and all others that could win."""
    if not finalists:
        return []
    limit = HOPELESS * max(min(finalist.misfit for finalist in finalists), GOOD_MISFIT)
    return finalists[:2] + [finalist for finalist in finalists[2:] if finalist.misfit <= limit]
