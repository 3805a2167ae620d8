"""Radiations and instruments by name, or by what a file or a user says of a wavelength."""

from __future__ import annotations

from pxrdgen.errors import InstrumentError, nearest
from pxrdgen.values.instrument import INSTRUMENTS, TUBES, Instrument, Radiation


def radiation_from(value: str | float) -> tuple[Radiation, str]:
    """A tube by name, or a wavelength in A, and a note on how it was read (empty when literal).

    A number near the weighted mean of a doublet (1.5418) is read as that doublet.
    """
    if isinstance(value, str):
        for name, tube in TUBES.items():
            if value.replace("-", "").replace("_", "").casefold() in (
                name.casefold(),
                name.casefold().removesuffix("a"),
            ):
                return tube, ""
        try:
            value = float(value)
        except ValueError:
            raise InstrumentError(
                f"got radiation {value!r}, expected a wavelength in A or one of {', '.join(TUBES)}"
                f"{nearest(str(value), TUBES)}"
            ) from None
    for name, tube in TUBES.items():
        if tube.is_doublet and abs(value - tube.mean_wavelength) < 4e-4:
            return (
                tube,
                f"{value:g} A is the mean of the {name} doublet: "
                f"read as {tube.wavelengths[0]} / {tube.wavelengths[1]} A",
            )
    return Radiation(wavelengths=(float(value),)), ""


def named_instrument(name: str) -> Instrument:
    """The shipped instrument of that name.

    Raises:
        InstrumentError: unknown name; the nearest is offered.
    """
    try:
        return INSTRUMENTS[name]
    except KeyError:
        raise InstrumentError(
            f"got instrument {name!r}, expected one of {', '.join(INSTRUMENTS)} or a .instprm file"
            f"{nearest(name, INSTRUMENTS)}"
        ) from None
