"""Everything the solve loop wants to know of a pattern before it looks for a structure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import PatternError
from pxrdgen.values.pattern import PowderPattern
from pxrdgen.values.prepared_pattern import PreparedPattern
from pxrdgen_crystallography.one_thread import one_thread
from pxrdgen_crystallography.preparation.noise import Noise, estimate_noise
from pxrdgen_crystallography.preparation.peaks import PeakSearch, search_peaks
from pxrdgen_crystallography.preparation.repair import repair
from pxrdgen_crystallography.preparation.spectral_lines import notes_on_spectral_lines

FloatArray = NDArray[np.float64]

#: Fewer points than this hold no peaks to fit.
MINIMUM_POINTS = 30


@one_thread()
def prepare(
    pattern: PowderPattern,
    *,
    ranges: Sequence[tuple[float, float]] = (),
    exclude: Sequence[tuple[float, float]] = (),
) -> PreparedPattern:
    """Crop, repair, and find background, peaks and widths.

    Args:
        ranges: 2theta ranges to use, degrees, their union; everything when empty.
        exclude: 2theta ranges to leave out, degrees.

    Raises:
        PatternError: a range runs backwards, or leaves too few points.
    """
    cropped = _crop(pattern, ranges, exclude)
    mended, notes = repair(cropped)
    if len(mended) < MINIMUM_POINTS:
        raise PatternError(
            f"got a pattern of {len(mended)} points, expected at least {MINIMUM_POINTS} to tell peaks from background; "
            "choose a wider range or a finer scan"
        )
    noise = estimate_noise(mended)
    search = search_peaks(mended, noise)
    said = [
        *notes,
        *([noise.note] if noise.note else []),
        *notes_on_spectral_lines(search.peaks, mended.instrument.radiation),
    ]
    said.extend(_notes_on_peaks(search))
    finished = replace(mended, instrument=search.instrument, sigma=_sigma(mended, search, noise))
    return PreparedPattern(
        pattern=finished,
        background=search.background,
        background_su=search.background_su,
        peaks=search.peaks,
        calculated=search.calculated,
        instrument=search.instrument,
        noise_source=noise.source,
        notes=tuple(said),
    )


def _crop(
    pattern: PowderPattern, ranges: Sequence[tuple[float, float]], exclude: Sequence[tuple[float, float]]
) -> PowderPattern:
    for low, high in (*ranges, *exclude):
        if not low < high:
            raise PatternError(f"got the range {low:g} to {high:g} degrees, expected the lower angle first")
    if ranges:
        inside = np.zeros(len(pattern), dtype=bool)
        for low, high in ranges:
            inside |= (pattern.two_theta >= low) & (pattern.two_theta <= high)
        pattern = pattern.selected(inside, "the range " + ", ".join(f"{low:g} to {high:g}" for low, high in ranges))
    for low, high in exclude:
        pattern = pattern.without(low, high)
    return pattern


def _sigma(pattern: PowderPattern, search: PeakSearch, noise: Noise) -> FloatArray:
    """[G] the file's sigma, else the noise model at the fitted intensity, which unlike the observed one has no bias.

    Where the fit misses a point by more than four standard deviations, the observed intensity counts.
    """
    if pattern.sigma is not None:
        return pattern.sigma
    variance = noise.variance(search.calculated)
    missed = pattern.intensity - search.calculated > 4.0 * np.sqrt(variance)
    return np.sqrt(np.where(missed, noise.variance(np.maximum(pattern.intensity, 0.0)), variance))


def _notes_on_peaks(search: PeakSearch) -> list[str]:
    if len(search.peaks) == 0:
        return [
            "no peaks stand out of the noise; is the sample crystalline, the range right, the counting time enough?"
        ]
    if len(search.peaks) < 3:
        return ["fewer than three peaks: peak widths are the instrument's defaults"]
    return []
