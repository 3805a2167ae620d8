"""From a pattern to ranked unit cells: proposals of every predictor, fitted to the peaks, merged, weighed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.random import Generator

from pxrdgen.interfaces.cell_predictor import CellPredictor
from pxrdgen.interfaces.cell_scorer import CellScorer
from pxrdgen.values.cells import CellAnswer, CellHypothesis, CellProblem
from pxrdgen_crystallography.indexing.description import is_superlattice, relatives
from pxrdgen_crystallography.indexing.judge import JudgedLattice, judge_cells, without_repeats
from pxrdgen_crystallography.indexing.lines import ObservedLines, problem_lines
from pxrdgen_crystallography.lattice.volume_prior import log_volume_prior
from pxrdgen_solver.indexing.by_pattern import judge_by_pattern, volume_of
from pxrdgen_solver.indexing.present import hypothesis_of
from pxrdgen_solver.progress import Progress, report_to_nobody

#: lattices kept for scorers and the answer.
KEPT = 30
#: best lattices whose sub- and superlattices are tried too, and the smallest of them, A^3.
PROBED, SMALLEST = 3, 8.0
#: log-odds over chance that the best of all lattices reaches on random lines (at most 3 in ten trials).
BY_CHANCE = 5.0
#: nats that count as one: lines are not as independent as the likelihood takes them to be. 3 would be right on average
#: on simulated patterns of training crystals (mean probability 0.92, 0.93 right), measured ones are right less often.
TEMPERATURE = 5.0
#: how often the true cell is a multiple of the best one whose further lines drown in noise or under others; no peak
#: list can tell (10 of 219 confident first cells of validation patterns, hence 2.5-8 %).
SUPERSTRUCTURE = 0.05
#: a first cell that leaves over more than this share of the lines may be a part of the true one: it gets no more than
#: this probability. That is too careful by design: with a second phase of up to 15 %, 22 of 25 such first cells of
#: training crystals were right.
LEFT_OVER, DOUBTED = 0.08, 0.5
#: strong lines left over that make the notes speak of a second phase.
_STRONG = 0.05


def find_cells(
    problem: CellProblem,
    predictors: Mapping[str, CellPredictor],
    scorers: Mapping[str, CellScorer] | None = None,
    *,
    count: int = 10,
    rng: Generator,
    progress: Progress | None = None,
) -> CellAnswer:
    """The ``count`` likeliest cells of a pattern.

    Raises:
        CellError: there are too few peaks to find a cell.
    """
    report = progress or report_to_nobody
    lines = problem_lines(problem)
    proposals: list[CellHypothesis] = []
    for number, (name, predictor) in enumerate(predictors.items()):
        report(f"proposing cells ({name})", number / len(predictors), None)
        proposals += predictor.predict(problem, predictor.proposals, rng)
    report("fitting cells to the peaks", 0.0, None)
    judged = judge_cells([proposal.cell for proposal in proposals], lines)
    scored = sorted(((_score(entry, problem), entry) for entry in judged), key=lambda pair: -pair[0])
    kept = without_repeats([entry for _, entry in scored], KEPT)
    origins = [proposals[entry.source].origin for entry in kept]
    for number, entry in enumerate(kept[:PROBED]):
        basis = entry.description.primitive.basis
        others = judge_cells(relatives(basis, SMALLEST, problem.max_volume), lines, coarse=False)
        kept += others
        origins += [origins[number]] * len(others)
    report("fitting cells to the whole pattern", 0.0, None)
    in_order = sorted(zip(kept, origins, strict=True), key=lambda pair: -_score(pair[0], problem))
    chosen = {id(entry) for entry in without_repeats([entry for entry, _ in in_order], KEPT)}
    different = [pair for pair in in_order if id(pair[0]) in chosen]
    ranked = judge_by_pattern(different, problem, lines, lambda entry: _score(entry, problem), BY_CHANCE)
    different_again = {id(entry) for entry in without_repeats([cell.entry for cell in ranked.cells], KEPT)}
    weighed = [cell for cell in ranked.cells if id(cell.entry) in different_again]
    hypotheses = [
        replace(hypothesis_of(cell.entry, problem, lines, cell.origin), score=cell.total)
        for cell in weighed
        # what chance does better is no answer, be it by positions or with the pattern
        if max(cell.total - ranked.chance, cell.by_positions - BY_CHANCE) > 0.0
    ]
    for name, scorer in (scorers or {}).items():
        report(f"scoring cells ({name})", 0.0, None)
        added = scorer.score(problem, hypotheses)
        hypotheses = [
            replace(hypothesis, score=hypothesis.score + float(value), merits={**hypothesis.merits, name: float(value)})
            for hypothesis, value in zip(hypotheses, added, strict=True)
        ]
    hypotheses.sort(key=lambda hypothesis: -hypothesis.score)
    # formula and Z say how large the cell is
    superstructure = SUPERSTRUCTURE if problem.z is None else 0.0
    return _answer(hypotheses, lines, count, superstructure, ranked.chance)


def _score(entry: JudgedLattice, problem: CellProblem) -> float:
    return entry.weight + log_volume_prior(volume_of(entry), problem.composition, problem.z)


def _answer(
    hypotheses: Sequence[CellHypothesis], lines: ObservedLines, count: int, superstructure: float, by_chance: float
) -> CellAnswer:
    raw = np.array([by_chance, *(hypothesis.score for hypothesis in hypotheses)]) / TEMPERATURE
    share = np.exp(raw - np.logaddexp.reduce(raw))
    share[1:] *= 1.0 - superstructure
    share[0] = 1.0 - share[1:].sum()
    chance = 1.0 - float(share[1:].sum()) / (1.0 - superstructure)
    if hypotheses and _left_over(hypotheses[0], lines) > LEFT_OVER and share[1] > DOUBTED:
        share[1:] *= DOUBTED / share[1]
        share[0] = 1.0 - share[1:].sum()
    kept = [replace(hypothesis, probability=float(p)) for hypothesis, p in zip(hypotheses, share[1:], strict=True)][
        :count
    ]
    return CellAnswer(hypotheses=tuple(_related(kept)), nothing=float(share[0]), notes=_notes(kept, lines, chance))


def _left_over(hypothesis: CellHypothesis, lines: ObservedLines) -> float:
    """Share of the lines, each weighed with how sure it is the crystal's, that a cell does not explain."""
    left = np.isin(lines.two_theta, hypothesis.unindexed)
    sure = 1.0 - lines.foreign
    return float(sure[left].sum() / sure.sum())


def _related(hypotheses: Sequence[CellHypothesis]) -> list[CellHypothesis]:
    """With sub- and supercells of likelier hypotheses marked."""
    marked: list[CellHypothesis] = []
    for hypothesis in hypotheses:
        own = hypothesis.cell.basis
        relative = next(
            (
                place
                for place, other in enumerate(marked)
                if is_superlattice(own, other.cell.basis) or is_superlattice(other.cell.basis, own)
            ),
            None,
        )
        marked.append(replace(hypothesis, supercell_of=relative))
    return marked


def _notes(hypotheses: Sequence[CellHypothesis], lines: ObservedLines, nothing: float) -> tuple[str, ...]:
    if not hypotheses:
        return (
            f"no cell explains the {len(lines)} lines better than chance would; possible reasons: several phases, "
            "too few or too inaccurate lines, a wrong wavelength",
        )
    notes = []
    if nothing > 0.1:
        notes.append(f"with probability {nothing:.2f} none of the cells is right: the lines are too few to tell")
    left = np.array(hypotheses[0].unindexed)
    strong = [angle for angle in left if lines.strength[int(np.argmin(np.abs(lines.two_theta - angle)))] > _STRONG]
    if strong:
        where = ", ".join(f"{angle:.2f}" for angle in strong[:8]) + (" ..." if len(strong) > 8 else "")
        notes.append(f"strong lines that the first cell leaves over, at {where} degrees: a second phase?")
    if len(hypotheses) > 1 and math.isclose(hypotheses[0].score, hypotheses[1].score, abs_tol=1.0):
        notes.append("the first two cells explain the peaks equally well; the pattern cannot tell them apart")
    return tuple(notes)
