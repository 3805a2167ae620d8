"""Numbers as a crystallographer prints them."""

from __future__ import annotations

import math

#: What stands where there is no number.
MISSING = "\N{EM DASH}"

#: An uncertainty below this is a parameter that was not refined.
_NEGLIGIBLE = 1e-9


def fixed(value: float | None, decimals: int) -> str:
    """``value`` with ``decimals`` places; a dash when it is missing or not finite."""
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{value:.{decimals}f}".replace("-", "\N{MINUS SIGN}")


def percent(fraction: float | None, decimals: int = 2) -> str:
    """A fraction as per cent: 0.0543 is ``"5.43 %"`` (with a no-break space)."""
    if fraction is None or not math.isfinite(fraction):
        return MISSING
    return f"{100.0 * fraction:.{decimals}f}\N{NO-BREAK SPACE}%"


def with_su(value: float | None, su: float | None, decimals: int = 4) -> str:
    """``value`` with its standard uncertainty in brackets: 5.4013, 0.0012 is ``"5.4013(12)"``.

    The uncertainty keeps two digits up to 19 and one digit above (the rule of 19 of Acta Crystallographica).
    Without a positive uncertainty the value is printed with ``decimals`` places.
    """
    if value is None or su is None or not (math.isfinite(value) and math.isfinite(su)) or su < _NEGLIGIBLE:
        return fixed(value, decimals)
    places = 1 - math.floor(math.log10(su))
    if round(su * 10**places) > 19:
        places -= 1
    if places > 0:
        return f"{fixed(value, places)}({round(su * 10**places)})"
    unit = 10**-places
    return f"{fixed(round(value / unit) * unit, 0)}({round(su / unit) * unit})"


def significant(value: float | None, digits: int = 5) -> str:
    """``value`` with ``digits`` significant digits; a dash when it is missing or not finite."""
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{value:.{digits}g}".replace("-", "\N{MINUS SIGN}")
