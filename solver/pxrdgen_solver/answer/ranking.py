"""Order among refined structures, from the pattern and the structures alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from pxrdgen.values.refinement import RefinementResult
from pxrdgen_crystallography.decomposition.decompose import Decomposition
from pxrdgen_crystallography.powder_line.widths import line_widths
from pxrdgen_crystallography.structure_fit.contact_prior import ContactPenalty, with_contacts
from pxrdgen_solver.answer.finalists import Finalist

#: R below this tells structures apart no better: an imperfect peak shape costs as much.
LEAST_R = 5e-3


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """A refined structure and what it scores.

    Args:
        finalist: what was refined.
        refinement: the fit to the whole profile.
        score: n ln(R^2 raised by close contacts) + free ln n, lower is better: Schwarz's criterion (1978,
            doi:10.1214/aos/1176344136) with R the weighted profile R without background.
    """

    finalist: Finalist
    refinement: RefinementResult
    score: float


def points_in_peaks(decomposition: Decomposition) -> int:
    """How many points of the profile lie within a full width of a line."""
    width, _ = line_widths(np.radians(decomposition.two_theta) / 2.0, decomposition.instrument)
    low = np.searchsorted(decomposition.grid, decomposition.two_theta - width)
    high = np.searchsorted(decomposition.grid, decomposition.two_theta + width)
    marks = np.zeros(decomposition.grid.size + 1, dtype=np.int64)
    np.add.at(marks, low, 1)
    np.add.at(marks, high, -1)
    return int(np.count_nonzero(np.cumsum(marks[:-1]) > 0))


def ranked(finalists: Sequence[Finalist], refinements: Sequence[RefinementResult], points: int) -> list[Ranked]:
    """Refined structures, best first; failed refinements come last.

    ``points`` counts as much as the noise lets it: where even the best fit exceeds the counting noise g-fold, errors of
    the model are shared by neighbouring points, and n = points / g^2.
    """
    best_gof = min((refinement.gof for refinement in refinements), default=1.0)
    n = max(points / max(best_gof, 1.0) ** 2, 10.0) if math.isfinite(best_gof) else 10.0
    entries = []
    for finalist, refinement in zip(finalists, refinements, strict=True):
        r = refinement.r_wp_without_background
        score = math.inf
        if math.isfinite(r):
            squared = with_contacts(r * r + LEAST_R**2, _contact_penalty(refinement))
            score = n * math.log(squared) + finalist.free * math.log(n)
        entries.append(Ranked(finalist=finalist, refinement=refinement, score=score))
    return sorted(entries, key=lambda entry: entry.score)


def without_twins(ranking: Sequence[Ranked]) -> list[Ranked]:
    """The ranking with each structure once, in its best description."""
    from pxrdgen_crystallography.symmetry.similar import merge_duplicates

    finite = [entry for entry in ranking if math.isfinite(entry.score)]
    groups = merge_duplicates([entry.refinement.crystal for entry in finite])
    return [finite[group[0]] for group in groups] + [entry for entry in ranking if not math.isfinite(entry.score)]


def _contact_penalty(refinement: RefinementResult) -> float:
    crystal = refinement.crystal
    contacts = ContactPenalty(torch.as_tensor(crystal.species), torch.as_tensor(crystal.basis))
    return float(contacts.value(torch.as_tensor(crystal.frac_coords, dtype=torch.float32)[None])[0])
