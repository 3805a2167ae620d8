"""How far an answer can be trusted, from the pattern and the answer alone."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from pxrdgen.solver.decompose import Decomposition
from pxrdgen.solver.ranking import Ranked
from pxrdgen.solver.values import Evidence, Verdict
from pxrdgen.symmetry.contacts import shortest_contacts

#: solved asks for all of these, probable for the second figure of each.
MAX_EXCESS = (1.25, 1.6)
MIN_GAP = (10.0, 0.0)
MIN_CONTACT = (0.65, 0.5)
MAX_UNEXPLAINED = (0.05, 0.12)
#: R without background that a structure must reach, whatever the noise.
MAX_R = (0.22, 0.35)


def evidence_for(ranking: Sequence[Ranked], decomposition: Decomposition, observed: np.ndarray) -> Evidence | None:
    """What the first of ``ranking`` rests on; ``None`` when nothing could be refined."""
    if not ranking or not math.isfinite(ranking[0].score):
        return None
    best = ranking[0]
    rivals = [entry.score for entry in ranking[1:] if math.isfinite(entry.score)]
    return Evidence(
        gof=best.refinement.gof,
        excess=best.refinement.r_wp / max(decomposition.r_wp, 1e-6),
        gap=(min(rivals) - best.score) if rivals else math.inf,
        shortest_contact=shortest_contacts(best.refinement.crystal),
        unexplained=unexplained_share(decomposition, observed),
    )


def unexplained_share(decomposition: Decomposition, observed: np.ndarray) -> float:
    """Share of the intensity above background that no line of the cell reaches, noise taken off."""
    net = observed - decomposition.background
    rest = observed - decomposition.calculated
    noise = np.sqrt(np.maximum(decomposition.background, 1e-12 * np.max(observed)))
    total = float(np.sum(np.maximum(net, 0.0)))
    return float(np.sum(np.maximum(rest - 3.0 * noise, 0.0))) / max(total, 1e-30)


def judged(evidence: Evidence | None, r_without_background: float) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict, and a sentence for each thing that spoke against a better one."""
    if evidence is None:
        return Verdict.NOT_SOLVED, ("no candidate could be refined",)
    checks = (
        (evidence.excess, MAX_EXCESS, True, "Rwp is {value:.2f} times that of a fit with free intensities"),
        (r_without_background, MAX_R, True, "Rwp without background is {value:.3f}"),
        (evidence.gap, MIN_GAP, False, "the next different structure scores only {value:.1f} worse"),
        (evidence.shortest_contact, MIN_CONTACT, False, "the shortest contact is {value:.2f} of the sum of covalent radii"),
        (evidence.unexplained, MAX_UNEXPLAINED, True, "{value:.0%} of the intensity belongs to no reflection of the cell"),
    )
    verdict, reasons = Verdict.SOLVED, []
    for value, (solved, probable), upper, sentence in checks:
        passes_solved = value <= solved if upper else value >= solved
        passes_probable = value <= probable if upper else value >= probable
        if not passes_solved:
            reasons.append(sentence.format(value=value))
            verdict = Verdict.PROBABLE if passes_probable and verdict is not Verdict.NOT_SOLVED else Verdict.NOT_SOLVED
    if not reasons:
        reasons.append(
            f"Rwp is {evidence.excess:.2f} times that of a fit with free intensities"
            + (f", and the next different structure scores {evidence.gap:.0f} worse" if math.isfinite(evidence.gap) else "")
        )
    return verdict, tuple(reasons)
