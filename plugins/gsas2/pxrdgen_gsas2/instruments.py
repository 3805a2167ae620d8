"""An instrument in the words of the worker."""

from __future__ import annotations

from pathlib import Path

from pxrdgen.values.instrument import Instrument
from pxrdgen_crystallography.scattering.radiation import check_radiation
from pxrdgen_files.instprm import read_instrument

_NUMBERS = ("zero", "displacement", "polarization", "u", "v", "w", "x", "y", "sh_l")


def instrument_request(instrument: Instrument, file: Path | None = None) -> dict[str, object]:
    """Numbers and lines; with ``file``, that file's, which GSAS-II then reads itself.

    Raises:
        InstrumentError: the file cannot be read, or the radiation is not modelled.
    """
    if file is not None:
        instrument = read_instrument(file)
    check_radiation(instrument.radiation)
    numbers: dict[str, object] = {name: float(getattr(instrument, name)) for name in _NUMBERS}
    return {
        **numbers,
        "wavelengths": list(instrument.radiation.wavelengths[:2]),
        "weights": list(instrument.radiation.weights[:2]),
        "geometry": instrument.geometry,
        "file": None if file is None else str(file.expanduser().resolve()),
    }
