"""Order among refined structures, from the pattern and the structures alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from pxrdgen.values.crystal import Crystal
from pxrdgen.values.intensity_target import IntensityTarget
from pxrdgen.values.refinement import RefinementResult
from pxrdgen_crystallography.decomposition.decompose import Decomposition
from pxrdgen_crystallography.powder_line.widths import line_widths
from pxrdgen_crystallography.structure_fit.contact_prior import ContactPenalty, with_contacts
from pxrdgen_crystallography.structure_fit.valence_prior import ValencePenalty
from pxrdgen_solver.answer.finalists import Finalist, independent_atoms

FloatArray = NDArray[np.float64]

#: R below this tells structures apart no better: an imperfect peak shape costs as much.
LEAST_R = 5e-3


@dataclass(frozen=True, kw_only=True)
class Information:
    """How much a pattern says about the structure behind it.

    Args:
        points: of the profile within a full width of a line.
        intensities: how many it can separate.
    """

    points: int
    intensities: int


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """A refined structure and what it scores.

    Args:
        finalist: what was refined.
        refinement: the fit to the whole profile.
        score: K ln(M raised by close contacts) + free ln K + the mean cost of bond valences times the independent atoms
            + the finalist's prior, lower is better: Schwarz's criterion (1978, doi:10.1214/aos/1176344136) over the K
            intensities that the pattern separates. M is the square of the weighted profile R without background, less
            what counting noise explains of it.
    """

    finalist: Finalist
    refinement: RefinementResult
    score: float


def information_in(decomposition: Decomposition, target: IntensityTarget) -> Information:
    """Of a pattern in a cell: errors of a structure are errors of intensities, which the points of a line share."""
    return Information(points=points_in_peaks(decomposition), intensities=max(target.num_groups, 2))


def points_in_peaks(decomposition: Decomposition) -> int:
    """How many points of the profile lie within a full width of a line."""
    width, _ = line_widths(np.radians(decomposition.two_theta) / 2.0, decomposition.instrument)
    low = np.searchsorted(decomposition.grid, decomposition.two_theta - width)
    high = np.searchsorted(decomposition.grid, decomposition.two_theta + width)
    marks = np.zeros(decomposition.grid.size + 1, dtype=np.int64)
    np.add.at(marks, low, 1)
    np.add.at(marks, high, -1)
    return int(np.count_nonzero(np.cumsum(marks[:-1]) > 0))


def ranked(
    finalists: Sequence[Finalist], refinements: Sequence[RefinementResult], information: Information
) -> list[Ranked]:
    """Refined structures, best first; failed refinements come last.

    Of R^2 the share (g0 / gof)^2 is noise, g0 being 1 or the best goodness of fit where the noise was overestimated;
    what is left, sqrt(2 / points) of that share at least, is error of the structure or of the model.
    """
    noise = min(1.0, *(refinement.gof for refinement in refinements)) if refinements else 1.0
    k = information.intensities
    entries = []
    for finalist, refinement in zip(finalists, refinements, strict=True):
        score = math.inf
        if math.isfinite(refinement.r_wp_without_background):
            contacts, odd = chemistry_of(finalist, refinement.crystal)
            squared = with_contacts(_misfit(refinement, noise, information.points), contacts)
            score = k * math.log(squared) + finalist.free * math.log(k) + finalist.prior
            score += odd * independent_atoms(len(refinement.crystal), finalist.symmetry)
        entries.append(Ranked(finalist=finalist, refinement=refinement, score=score))
    return sorted(entries, key=lambda entry: entry.score)


def _misfit(refinement: RefinementResult, noise: float, points: int) -> float:
    """Square of R without background and without noise."""
    squared = refinement.r_wp_without_background**2
    share = min((noise / refinement.gof) ** 2, 1.0) if refinement.gof > 0.0 else 1.0
    return squared * (1.0 - share + share * math.sqrt(2.0 / max(points, 2))) + LEAST_R**2


def without_twins(ranking: Sequence[Ranked]) -> list[Ranked]:
    """The ranking with each structure once, in its best description."""
    from pxrdgen_crystallography.symmetry.similar import merge_duplicates

    finite = [entry for entry in ranking if math.isfinite(entry.score)]
    groups = merge_duplicates([entry.refinement.crystal for entry in finite])
    return [finite[group[0]] for group in groups] + [entry for entry in ranking if not math.isfinite(entry.score)]


def chemistry_of(finalist: Finalist, refined: Crystal) -> tuple[float, float]:
    """Penalty of close contacts, and the mean cost of bond valences, of the arrangement before or after refinement.

    The smaller counts: on the whole profile nothing keeps light atoms from following the noise a little way.
    """
    pairs = [_chemistry(crystal, finalist.valence) for crystal in (finalist.crystal, refined)]
    return min(contacts for contacts, _ in pairs), min(odd for _, odd in pairs)


def _chemistry(crystal: Crystal, valences: FloatArray | None) -> tuple[float, float]:
    """Penalty of close contacts, and the mean cost of bond valences that do not add up."""
    species, basis = torch.as_tensor(crystal.species), torch.as_tensor(crystal.basis)
    coords = torch.as_tensor(crystal.frac_coords, dtype=torch.float32)[None]
    contacts = ContactPenalty(species, basis).value(coords)
    if valences is None:
        return float(contacts[0]), 0.0
    valence = torch.as_tensor(valences)
    return float(contacts[0]), float(ValencePenalty(species, valence, basis).mean_cost(coords)[0])
