"""How far an answer can be trusted, from the pattern and the answer alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.refinement import ProfileCurves
from pxrdgen.values.solution import Evidence, Verdict
from pxrdgen_crystallography.decomposition.decompose import Decomposition
from pxrdgen_crystallography.powder_line.widths import line_widths
from pxrdgen_crystallography.symmetry.contacts import shortest_contacts
from pxrdgen_solver.answer.ranking import Ranked, chemistry_of

FloatArray = NDArray[np.float64]

#: differences below this many standard deviations of a window are noise.
NOISE = 2.0
#: standard deviations from which on a line stands out from the noise.
SEEN = 3.0


@dataclass(frozen=True, kw_only=True)
class _Check:
    """One thing a verdict asks for: a figure of the evidence against a bound for 'solved' and one for 'probable'."""

    name: str
    solved: float
    probable: float
    upper: bool
    sentence: str

    def passes(self, value: float, bound: float) -> bool:
        return value <= bound if self.upper else value >= bound


#: Bounds set on half of val-120, clean and perturbed (of 'solved', 108 of 108 are right by the strict matcher), and
#: judged on the other half (105 of 107).
CHECKS = (
    _Check(
        name="excess",
        solved=1.025,
        probable=1.4,
        upper=True,
        sentence="Rwp is {value:.2f} times that of a fit with free intensities",
    ),
    _Check(
        name="misfit",
        solved=0.06,
        probable=0.15,
        upper=True,
        sentence="{value:.1%} of the peak intensity is left over, or invented, beyond the noise",
    ),
    _Check(
        name="gap", solved=10.0, probable=0.0, upper=False, sentence="the next structure scores only {value:.1f} worse"
    ),
    _Check(
        name="shortest_contact",
        solved=0.65,
        probable=0.5,
        upper=False,
        sentence="the shortest contact is {value:.2f} of the sum of covalent radii",
    ),
    _Check(
        name="unexplained",
        solved=0.05,
        probable=0.12,
        upper=True,
        sentence="{value:.1%} of the intensity fits no reflection of the cell",
    ),
    # 144 of 146 training crystals of 3-40 atoms, perturbed, keep it by their true structures; of ten measured patterns
    # of 21-52 atoms called 'solved' without it, the seven right ones lie at 0.06-0.30, the three wrong ones at 0.47-2.0
    _Check(
        name="freedom",
        solved=0.35,
        probable=1.0,
        upper=True,
        sentence="{value:.2f} free coordinates a line that stands out from the noise: it could fit by numbers",
    ),
    # of the first finalists of 39 training crystals of 14-40 atoms, 26 of 26 right ones and 4 of 13 others keep it
    _Check(
        name="oddness",
        solved=1.5,
        probable=math.inf,
        upper=True,
        sentence="bond valences add up badly (mean cost {value:.1f}, usual below 0.5)",
    ),
)


def evidence_for(ranking: Sequence[Ranked], decomposition: Decomposition, observed: FloatArray) -> Evidence | None:
    """What the first of ``ranking`` rests on; ``None`` when nothing could be refined."""
    if not ranking or not math.isfinite(ranking[0].score):
        return None
    best = ranking[0]
    rivals = [entry.score for entry in ranking[1:] if math.isfinite(entry.score)]
    curves = best.refinement.curves
    fitted = ProfileCurves(
        two_theta=decomposition.grid,
        observed=observed,
        calculated=decomposition.calculated,
        background=decomposition.background,
        sigma=curves.sigma if curves is not None else np.ones_like(observed),
        ticks=decomposition.two_theta,
    )
    return Evidence(
        gof=best.refinement.gof,
        excess=best.refinement.r_wp / max(decomposition.r_wp, 1e-6),
        gap=(min(rivals) - best.score) if rivals else math.inf,
        shortest_contact=shortest_contacts(best.refinement.crystal),
        unexplained=misfit_share(fitted, decomposition),
        misfit=misfit_share(curves, decomposition) if curves is not None else math.inf,
        freedom=best.finalist.free / max(lines_seen(decomposition), 1),
        oddness=chemistry_of(best.finalist, best.refinement.crystal)[1],
    )


def lines_seen(decomposition: Decomposition) -> int:
    """How many lines of the cell stand out from the noise."""
    return int(np.count_nonzero(decomposition.intensity > SEEN * decomposition.intensity_su))


def misfit_share(curves: ProfileCurves, decomposition: Decomposition) -> float:
    """Share of the net intensity that windows of one full peak width leave over or invent beyond ``NOISE`` sigma.

    Summing over a window lets errors of the peak shape cancel and errors of the intensities stand.
    """
    width, _ = line_widths(np.radians(decomposition.two_theta) / 2.0, decomposition.instrument)
    step = float(np.median(np.diff(curves.two_theta)))
    size = max(round(float(np.median(width)) / step), 1)
    window = np.ones(2 * size + 1)
    difference = np.abs(np.convolve(curves.difference, window, mode="same"))
    noise = np.sqrt(np.convolve(curves.sigma**2, window, mode="same"))
    left = float(np.sum(np.maximum(difference - NOISE * noise, 0.0))) / window.size
    total = float(np.sum(np.maximum(curves.calculated - curves.background, 0.0)))
    return left / max(total, 1e-30)


def judge(evidence: Evidence | None) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict, and a sentence for each thing that spoke against a better one, or for what speaks for it."""
    if evidence is None:
        return Verdict.NOT_SOLVED, ("no candidate could be refined",)
    verdict, reasons = Verdict.SOLVED, []
    for check in CHECKS:
        value = float(getattr(evidence, check.name))
        if check.passes(value, check.solved):
            continue
        reasons.append(check.sentence.format(value=value))
        if not check.passes(value, check.probable):
            verdict = Verdict.NOT_SOLVED
        elif verdict is Verdict.SOLVED:
            verdict = Verdict.PROBABLE
    if not reasons:
        rival = f", and the next different structure scores {evidence.gap:.0f} worse"
        reasons.append(
            f"Rwp is {evidence.excess:.2f} times that of a fit with free intensities"
            + (rival if math.isfinite(evidence.gap) else "")
        )
    return verdict, tuple(reasons)
