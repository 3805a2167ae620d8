"""Repairs of what detectors and export programs leave in a pattern; each repair is told in a sentence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from pxrdgen.values.pattern import PowderPattern
from pxrdgen_crystallography.preparation.noise import estimate_noise

FloatArray = NDArray[np.float64]

#: Points of exactly the same value in a row that no detector delivers by chance when others scatter.
DEAD_RUN = 12
#: A point this many standard deviations above both neighbours is no diffraction.
SPIKE = 12.0


def _runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and one-past-last rows of the stretches where ``mask`` [G] holds."""
    steps = np.diff(np.concatenate([[0], mask.astype(np.int8), [0]]))
    return list(zip(np.flatnonzero(steps == 1).tolist(), np.flatnonzero(steps == -1).tolist(), strict=True))


def _degrees(pattern: PowderPattern, first: int, last: int) -> str:
    return f"{pattern.two_theta[first]:.4g}-{pattern.two_theta[last - 1]:.4g} degrees"


def without_zero_stretches(pattern: PowderPattern) -> tuple[PowderPattern, list[str]]:
    """Without stretches of intensity 0 (or below): closed shutters, beam stops, padding by export programs.

    Nothing goes when zeros are ordinary, as at very low counts or with the background already subtracted.
    """
    dead = pattern.intensity <= 0.0
    rest = pattern.intensity[~dead]
    if rest.size == 0:
        return pattern, []
    share = float(dead.mean())
    keep = np.ones(len(pattern), dtype=bool)
    notes = []
    for first, last in _runs(dead):
        at_end = first == 0 or last == len(pattern)
        # By chance a run of n zeros happens with probability share^n at each point.
        expected = len(pattern) * share ** (last - first)
        if (at_end and last - first >= 2 and float(np.median(rest)) > 5.0 * pattern_unit(rest)) or (
            last - first >= DEAD_RUN and expected < 1e-3 and share < 0.3
        ):
            keep[first:last] = False
            notes.append(f"left out {_degrees(pattern, first, last)}: {last - first} points without any intensity")
    if not notes or int(keep.sum()) < 2:
        return pattern, []
    return pattern.selected(keep, "the measured part"), notes


def pattern_unit(intensity: FloatArray) -> float:
    """The smallest step between intensities that occurs, 1 for counts."""
    levels = np.unique(intensity)
    return float(np.min(np.diff(levels))) if levels.size > 1 else 1.0


def without_dead_ends(pattern: PowderPattern) -> tuple[PowderPattern, list[str]]:
    """Without the edge of a beam stop or a detector: a steep rise at the very start, a steep fall at the very end.

    An end is dead up to where the level reaches two thirds of what follows, if it began below a third of it.
    """
    y = pattern.intensity
    window = max(3, len(pattern) // 300)
    level = median_filter(y, size=2 * window + 1, mode="nearest")
    keep = np.ones(len(pattern), dtype=bool)
    notes = []
    for backwards in (False, True):
        curve = level[::-1] if backwards else level
        head = max(10 * window, len(pattern) // 15)
        reference = float(np.quantile(curve[head : 3 * head], 0.3)) if curve.shape[0] > 4 * head else 0.0
        if reference <= 0 or np.median(curve[: window + 1]) > reference / 3.0:
            continue
        alive = np.flatnonzero(curve[:head] > reference * 2.0 / 3.0)
        # Twice the way up also leaves the rounded shoulder behind.
        count = min(2 * int(alive[0]), head) if alive.size else 0
        if count >= 3 and reference > 20.0 * pattern_unit(y):
            rows = (len(pattern) - count, len(pattern)) if backwards else (0, count)
            keep[rows[0] : rows[1]] = False
            notes.append(f"left out {_degrees(pattern, *rows)}: the end of the scan is shadowed")
    if not notes:
        return pattern, []
    return pattern.selected(keep, "the lit part"), notes


def without_spikes(pattern: PowderPattern) -> tuple[PowderPattern, list[str]]:
    """Isolated points far above (or below) all their neighbours replaced by the neighbours' median."""
    if len(pattern) < 9:
        return pattern, []
    y = pattern.intensity
    noise = estimate_noise(pattern)
    around = median_filter(y, size=7, mode="nearest")
    sigma = np.sqrt(noise.variance(np.maximum(around, 0.0)))
    beside = np.maximum(
        np.abs(np.concatenate([y[1:], y[-1:]]) - around), np.abs(np.concatenate([y[:1], y[:-1]]) - around)
    )
    # A sampled peak lifts its neighbours too: even a peak two steps wide has a third of its height beside the crest.
    odd = (np.abs(y - around) > SPIKE * sigma) & (np.abs(y - around) > 8.0 * np.maximum(beside, sigma))
    rows = np.flatnonzero(odd)
    if rows.size == 0 or rows.size > max(3, len(pattern) // 200):
        return pattern, []
    repaired = y.copy()
    repaired[rows] = around[rows]
    where = ", ".join(f"{pattern.two_theta[row]:.3f}" for row in rows[:5]) + (" ..." if rows.size > 5 else "")
    plural = "s" if rows.size > 1 else ""
    note = f"replaced {rows.size} isolated outlier{plural} by the neighbours' median, at {where} degrees"
    return replace(pattern, intensity=repaired), [note]


def without_negatives(pattern: PowderPattern) -> tuple[PowderPattern, list[str]]:
    """Lifted by a constant when subtracting a background left much of the pattern below zero; else as it is."""
    negative = pattern.intensity < 0.0
    share = float(negative.mean())
    if share == 0.0:
        return pattern, []
    if share < 0.02:
        return pattern, [f"kept {int(negative.sum())} intensities slightly below zero as they are"]
    lift = -float(np.quantile(pattern.intensity, 0.001))
    note = (
        f"added {lift:.3g} to all intensities: {100 * share:.0f} % were negative, so the background had been subtracted"
    )
    return replace(pattern, intensity=pattern.intensity + lift), [note]


def repair(pattern: PowderPattern) -> tuple[PowderPattern, tuple[str, ...]]:
    """The pattern after all repairs, and a sentence for each."""
    notes: list[str] = []
    for repair in (without_negatives, without_zero_stretches, without_dead_ends, without_spikes):
        pattern, said = repair(pattern)
        notes.extend(said)
    return pattern, tuple(notes)
