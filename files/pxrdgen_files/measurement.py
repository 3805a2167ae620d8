"""From the scans a file holds to one valid powder pattern, with every repair said aloud.

A reader of any format fills in a :class:`Recording`; :func:`to_pattern` does what all formats need alike:
choose or stitch scans, put angles in order, merge repeated ones, refuse what is not a number.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import PatternError
from pxrdgen.values.instrument import LABORATORY, Instrument, Radiation
from pxrdgen.values.pattern import PowderPattern, RadiationSource

FloatArray = NDArray[np.float64]

#: Largest pattern file read, in bytes; real ones are a hundredth of it.
MAX_FILE_BYTES = 64 * 1024 * 1024

#: More points than any powder diffractometer writes; beyond it a file is something else.
MAX_POINTS = 500_000

#: Angles closer than this fraction of the median step are one angle measured twice.
_SAME_ANGLE = 1e-2

#: Repeats differ by less than this many times the noise, or this share of the lines above their median. Gaussian lines
#: shifted by x sigma differ by 2 Phi(x / 2) - 1 of their area: a tenth at 0.11 FWHM, 0.28 at 0.3 FWHM. Chosen by that
#: formula, not by a benchmark.
_REPEAT_NOISE, _REPEAT_SHARE = 3.0, 0.1

#: Scans named one by one in a note.
_LISTED = 12


@dataclass(frozen=True, kw_only=True)
class Scan:
    """One sweep over 2theta as the file stores it, in any order.

    Args:
        two_theta: [G] degrees.
        intensity: [G] counts, a rate or arbitrary units.
        sigma: [G] standard uncertainties; ``None`` when the file gives none.
        seconds: counting time a step, to bring counts of stitched scans to one scale; ``None`` if unknown.
        condition: what was held fixed (a temperature, a tilt); scans that differ in it are never averaged.
    """

    two_theta: FloatArray
    intensity: FloatArray
    sigma: FloatArray | None = None
    seconds: float | None = None
    condition: str = ""

    @property
    def low(self) -> float:
        """Smallest angle, in degrees."""
        return float(np.min(self.two_theta))

    @property
    def high(self) -> float:
        """Largest angle, in degrees."""
        return float(np.max(self.two_theta))


@dataclass(frozen=True, kw_only=True)
class Recording:
    """What a reader found in a file.

    Args:
        scans: at least one.
        radiation: the lines as the file states them; ``None`` when it does not.
        metadata: plain facts (sample, anode, counting time, ...).
        notes: sentences on what was assumed or repaired while reading.
    """

    scans: Sequence[Scan]
    radiation: Radiation | None = None
    metadata: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    notes: tuple[str, ...] = ()


def with_radiation(pattern: PowderPattern, radiation: Radiation, source: RadiationSource, *notes: str) -> PowderPattern:
    """The pattern with other lines, and who said so."""
    instrument = replace(LABORATORY, radiation=radiation) if radiation.is_doublet else Instrument(radiation=radiation)
    said = tuple(dict.fromkeys((*pattern.notes, *notes)))
    return replace(pattern, instrument=instrument, radiation_source=source, notes=said)


def to_pattern(recording: Recording, *, scan: int | None = None) -> PowderPattern:
    """One pattern from the scans of a file, or scan number ``scan`` of them (from 1).

    Descending scans are reversed, scans of neighbouring ranges stitched (counts brought to one counting time),
    repeated scans averaged, angles measured twice merged by the mean, points without a positive uncertainty or at
    2theta <= 0 dropped, each with a note. Negative intensities are kept.

    Raises:
        PatternError: no scan, lengths differ, a value is not a number, angles that wander, fewer than 2 points.
    """
    notes = list(recording.notes)
    scans = [_upwards(_check(scan), notes) for scan in recording.scans]
    if not scans:
        raise PatternError("got a file without a scan, expected at least one; is it a settings file?")
    if scan is not None:
        if not 1 <= scan <= len(scans):
            raise PatternError(f"got scan {scan} of a file of {_listed(scans)}; expected a number from 1")
        scans = [scans[scan - 1]]
    with np.errstate(all="ignore"):
        chosen = _chosen(scans, notes)
        two_theta, intensity, sigma = _join(chosen, notes)
        two_theta, intensity, sigma = _usable(two_theta, intensity, sigma, notes)
        two_theta, intensity, sigma = _increasing(two_theta, intensity, sigma, notes)
    metadata = MappingProxyType({key: value for key, value in recording.metadata.items() if value})
    pattern = PowderPattern(
        two_theta=two_theta,
        intensity=intensity,
        sigma=sigma,
        metadata=metadata,
        notes=tuple(dict.fromkeys(" ".join(note.split()) for note in notes)),
    )
    return (
        pattern if recording.radiation is None else with_radiation(pattern, recording.radiation, RadiationSource.FILE)
    )


def _check(scan: Scan) -> Scan:
    two_theta = np.asarray(scan.two_theta, dtype=np.float64)
    intensity = np.asarray(scan.intensity, dtype=np.float64)
    sigma = None if scan.sigma is None else np.asarray(scan.sigma, dtype=np.float64)
    points = two_theta.shape[0] if two_theta.ndim == 1 else 0
    if intensity.shape != two_theta.shape or (sigma is not None and sigma.shape != two_theta.shape):
        raise PatternError(f"got {points} angles and {intensity.size} intensities, expected as many of each")
    if not 2 <= points <= MAX_POINTS:
        raise PatternError(f"got {points} point(s), expected 2 to {MAX_POINTS}; is this a powder pattern?")
    for name, values in (("angles", two_theta), ("intensities", intensity), ("uncertainties", sigma)):
        if values is None:
            continue
        bad = np.flatnonzero(~np.isfinite(values) | (np.abs(values) > 1e30))
        if bad.size:
            raise PatternError(
                f"got {bad.size} {name} that are not finite numbers, the first at point {int(bad[0]) + 1}, expected "
                "numbers throughout; remove those points"
            )
    return replace(scan, two_theta=two_theta, intensity=intensity, sigma=sigma)


def _upwards(scan: Scan, notes: list[str]) -> Scan:
    """The scan with rising angles, if it ran downwards."""
    steps = np.diff(scan.two_theta)
    if not ((steps <= 0).all() and (steps < 0).any()):
        return scan
    notes.append("the scan runs downwards: reversed")
    sigma = None if scan.sigma is None else scan.sigma[::-1]
    return replace(scan, two_theta=scan.two_theta[::-1], intensity=scan.intensity[::-1], sigma=sigma)


def _chosen(scans: list[Scan], notes: list[str]) -> list[Scan]:
    """The scans that make up one pattern: neighbours are stitched, repeats averaged, else the first is taken."""
    if len(scans) == 1:
        return scans
    ordered = sorted(scans, key=lambda scan: (scan.low, scan.high))
    if all(_overlap(first, second) < 0.5 for first, second in itertools.pairwise(ordered)):
        notes.append(f"the file holds {len(scans)} scans of neighbouring ranges: stitched into one pattern")
        return ordered
    same = len({scan.condition for scan in scans}) == 1 and all(_same_grid(scans[0], scan) for scan in scans[1:])
    if same and all(_repeats(scans[0], scan) for scan in scans[1:]):
        notes.append(f"the file holds {len(scans)} scans of the same range: averaged")
        return scans
    notes.append(
        f"the file holds {_listed(scans)}, which make no one pattern (same range, other steps, conditions or "
        "counts): the first is used; --scan chooses another"
    )
    return scans[:1]


def _listed(scans: Sequence[Scan]) -> str:
    """Number, range and condition of each scan, the first few."""
    words = [
        f"{number}: {scan.low:g} to {scan.high:g} degrees{', ' if scan.condition else ''}{scan.condition}"
        for number, scan in enumerate(scans[:_LISTED], start=1)
    ]
    rest = ["..."] if len(scans) > _LISTED else []
    return f"{len(scans)} scan(s) ({'; '.join([*words, *rest])})"


def _overlap(first: Scan, second: Scan) -> float:
    """Shared range over the shorter of two ranges."""
    shorter = min(first.high - first.low, second.high - second.low)
    shared = min(first.high, second.high) - max(first.low, second.low)
    return shared / shorter if shorter > 0 else 1.0


def _same_grid(first: Scan, second: Scan) -> bool:
    if first.two_theta.shape != second.two_theta.shape:
        return False
    step = (first.high - first.low) / max(len(first.two_theta) - 1, 1)
    ordered = np.sort(first.two_theta), np.sort(second.two_theta)
    return bool(np.max(np.abs(ordered[0] - ordered[1])) < _SAME_ANGLE * max(step, 1e-9))


def _repeats(first: Scan, second: Scan) -> bool:
    """Whether two scans of one grid differ no more than counting explains, up to their scale.

    Where the file does not tell the condition, the counts do: lines that moved differ by far more than noise. Sums
    of |a - k b| are compared, so that drift of the beam within a few times the noise passes.
    """
    one, two = np.sort(first.intensity), np.sort(second.intensity)
    a, b = first.intensity[np.argsort(first.two_theta)], second.intensity[np.argsort(second.two_theta)]
    total = float(b.sum())
    if total <= 0 or a.sum() <= 0:
        return True
    scale = float(a.sum()) / total
    difference = float(np.abs(a - scale * b).sum())
    noise = float(np.sqrt(2.0 / np.pi * np.maximum(a + scale**2 * b, 0.0)).sum()) if _poisson(a) is not None else 0.0
    lines = float(np.abs(one - np.median(one)).sum() + scale * np.abs(two - np.median(two)).sum())
    return difference <= max(_REPEAT_NOISE * noise, _REPEAT_SHARE * lines)


def _join(scans: list[Scan], notes: list[str]) -> tuple[FloatArray, FloatArray, FloatArray | None]:
    if len(scans) == 1:
        return scans[0].two_theta, scans[0].intensity, scans[0].sigma
    times = [scan.seconds for scan in scans]
    known = [time for time in times if time is not None and time > 0]
    scale = [1.0] * len(scans)
    if len(known) == len(scans) and max(known) > 1.001 * min(known):
        scale = [max(known) / time for time in known]
        notes.append(f"scans counted {min(known):g} to {max(known):g} s a step: brought to {max(known):g} s")
    sigmas = [_counting_sigma(scan) for scan in scans]
    with_sigma = [sigma for sigma in sigmas if sigma is not None]
    return (
        np.concatenate([scan.two_theta for scan in scans]),
        np.concatenate([scan.intensity * factor for scan, factor in zip(scans, scale, strict=True)]),
        np.concatenate([sigma * factor for sigma, factor in zip(with_sigma, scale, strict=True)])
        if len(with_sigma) == len(scans)
        else None,
    )


def _counting_sigma(scan: Scan) -> FloatArray | None:
    """Sigma of the file, or of Poisson counts, needed before scans are scaled or averaged; ``None`` if unknown."""
    return scan.sigma if scan.sigma is not None else _poisson(scan.intensity)


def _poisson(intensity: FloatArray) -> FloatArray | None:
    whole = np.mean(np.abs(intensity - np.round(intensity)) < 1e-6) > 0.99
    return np.sqrt(np.maximum(intensity, 1.0)) if whole and np.max(intensity) >= 50 else None


def _usable(
    two_theta: FloatArray, intensity: FloatArray, sigma: FloatArray | None, notes: list[str]
) -> tuple[FloatArray, FloatArray, FloatArray | None]:
    """Drop points at or below 2theta = 0 and points whose uncertainty says they were not measured."""
    if sigma is not None:
        dead = sigma <= 0
        if dead.mean() > 0.5:
            notes.append("most uncertainties are not positive: the column is ignored")
            sigma = None
        elif dead.any():
            notes.append(f"{int(dead.sum())} point(s) with an uncertainty of 0 or less dropped")
            two_theta, intensity, sigma = two_theta[~dead], intensity[~dead], sigma[~dead]
    below = two_theta <= 0
    if 0 < below.mean() < 0.5:
        notes.append(f"{int(below.sum())} point(s) at or below 2theta = 0 dropped")
        two_theta, intensity = two_theta[~below], intensity[~below]
        sigma = None if sigma is None else sigma[~below]
    return two_theta, intensity, sigma


def _increasing(
    two_theta: FloatArray, intensity: FloatArray, sigma: FloatArray | None, notes: list[str]
) -> tuple[FloatArray, FloatArray, FloatArray | None]:
    """Angles strictly increasing: sorted where scans overlap, those measured twice merged by the mean."""
    steps = np.diff(two_theta)
    if (steps < 0).any():
        turns = int((steps < 0).sum())
        if turns > max(3, len(two_theta) // 20):
            raise PatternError(
                f"got angles that turn back {turns} times in {len(two_theta)} points, expected a scan; "
                "is the first column 2theta?"
            )
        notes.append(f"angles turn back {turns} time(s), as in stitched scans: sorted")
        order = np.argsort(two_theta, kind="stable")
        two_theta, intensity = two_theta[order], intensity[order]
        sigma = None if sigma is None else sigma[order]
    return _merge(two_theta, intensity, sigma, notes)


def _merge(
    two_theta: FloatArray, intensity: FloatArray, sigma: FloatArray | None, notes: list[str]
) -> tuple[FloatArray, FloatArray, FloatArray | None]:
    steps = np.diff(two_theta)
    forward = steps[steps > 1e-9]
    if not forward.size:
        raise PatternError("got one angle for all points, expected a scan over 2theta; is the first column 2theta?")
    new = np.concatenate([[True], steps > _SAME_ANGLE * float(np.median(forward))])
    if new.all():
        return two_theta, intensity, sigma
    group = np.cumsum(new) - 1
    size = np.bincount(group).astype(np.float64)
    notes.append(f"{int(len(two_theta) - len(size))} repeated angle(s) merged by the mean intensity")
    sigma = _poisson(intensity) if sigma is None else sigma
    if sigma is not None:
        sigma = np.sqrt(np.bincount(group, weights=sigma**2)) / size
    return np.bincount(group, weights=two_theta) / size, np.bincount(group, weights=intensity) / size, sigma
