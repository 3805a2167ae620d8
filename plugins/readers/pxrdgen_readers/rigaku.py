"""What Rigaku's two formats share: axis, counting time, attenuator and wavelengths of one scan."""

from __future__ import annotations

from collections.abc import Sequence

from pxrdgen.errors import PatternError
from pxrdgen_files.measurement import Scan
from pxrdgen_readers.axes import axis_note
from pxrdgen_readers.rates import sigma_of_rate, unattenuated
from pxrdgen_readers.text import number_in, numbers

_SECONDS = {"deg/min": 60.0, "degree/min": 60.0, "deg/sec": 1.0, "deg/s": 1.0, "degree/sec": 1.0, "sec": None}


def counting_time(step: str, speed: str, unit: str) -> float | None:
    """Seconds a step from step (degrees) and speed in ``unit``; ``None`` where the header does not settle it."""
    width, rate, seconds = number_in(step), number_in(speed), _SECONDS.get(unit.strip().casefold())
    if width is None or rate is None or seconds is None or width <= 0 or rate <= 0:
        return None
    return width / rate * seconds


def rigaku_scan(rows: Sequence[str], axis: str, seconds: float | None, condition: str = "") -> tuple[Scan, list[str]]:
    """A scan from lines of 2theta, intensity and, mostly, an attenuator factor.

    Raises:
        PatternError: no row, rows of unlike length, not numbers, or an axis other than 2theta.
    """
    notes = [axis_note(axis)]
    split = [row.split() for row in rows]
    width = len(split[0]) if split else 0
    if width < 2 or any(len(row) != width for row in split):
        raise PatternError(f"got rows of {width} numbers or of unlike length, expected 2theta, intensity and a factor")
    table = numbers([token for row in split for token in row], "the profile").reshape(len(split), width)
    intensity = table[:, 1]
    if width > 2:
        intensity, note = unattenuated(intensity, table[:, 2])
        notes.append(note)
    sigma = sigma_of_rate(table[:, 1], seconds)
    if sigma is not None and (intensity is not table[:, 1]):
        sigma = None if (table[:, 1] == 0).any() else sigma * intensity / table[:, 1]
    scan = Scan(two_theta=table[:, 0], intensity=intensity, sigma=sigma, seconds=None, condition=condition)
    return scan, [note for note in notes if note]
