"""What was held while a scan was measured, in words that differ where scans must not be averaged."""

from __future__ import annotations

from collections.abc import Iterable

#: drives whose position makes another measurement; phi only turns the sample
_DRIVES = {"chi": "chi", "khi": "chi", "psi": "psi", "omega": "omega", "x": "x", "y": "y", "z": "z"}


def condition_of(held: Iterable[tuple[str, float | None]]) -> str:
    """``chi 5, temperature 300`` of names and values; temperatures to a degree, as regulators keep them."""
    words: dict[str, str] = {}
    for name, value in held:
        if value is None:
            continue
        key = name.strip().casefold()
        if "temp" in key:
            words["temperature"] = f"{round(value):d}" if abs(value) < 1e6 else f"{value:g}"
        elif key in _DRIVES:
            words[_DRIVES[key]] = f"{round(value, 2):g}"
    return ", ".join(f"{name} {words[name]}" for name in sorted(words))
