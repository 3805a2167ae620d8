"""Powder CIF: the COMCIFS powder dictionary's loops, read by gemmi."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import InstrumentError, PatternError
from pxrdgen.values.instrument import Radiation
from pxrdgen_files.measurement import Recording, Scan
from pxrdgen_files.named_instruments import radiation_from
from pxrdgen_readers.file_reader import FileReader
from pxrdgen_readers.lines import doublet
from pxrdgen_readers.text import decode, number

if TYPE_CHECKING:
    import gemmi

FloatArray = NDArray[np.float64]

_ANGLES = ("_pd_meas_2theta_scan", "_pd_proc_2theta_corrected", "_pd_meas_2theta_corrected")
_RANGES = ("_pd_meas_2theta_range", "_pd_proc_2theta_range")
_INTENSITIES = (
    "_pd_meas_counts_total", "_pd_meas_intensity_total", "_pd_proc_intensity_total", "_pd_proc_intensity_net",
    "_pd_meas_intensity_net", "_pd_meas_counts_net",
)  # fmt: skip
_PARENTHESES = re.compile(r"\(\d+\)", re.ASCII)
_SU = re.compile(r"([+-]?\d*\.?\d*)\((\d{1,9})\)((?:[eE][+-]?\d{1,3})?)", re.ASCII)


class PdcifReader(FileReader):
    """The first block with a 2theta axis (a column, or min / max / inc) and an intensity column.

    Sigma is the intensity's ``_su`` or ``_esd`` column, its digits in parentheses, else ``_pd_proc_ls_weight`` as
    1 / sigma^2.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".cif", ".pdcif", ".rtv")
    title: ClassVar[str] = "powder CIF"

    def sniff(self, head: bytes, suffix: str) -> float:
        """Likely for a CIF; certain when a powder item is in the head."""
        if re.search(rb"(?m)^\s*data_", head) is None:
            return 0.5 if suffix in self.suffixes and b"\0" not in head else 0.0
        return 1.0 if b"_pd_" in head or suffix in self.suffixes else 0.7

    def measurement(self, content: bytes) -> Recording:
        """The measured pattern of the first block that holds one."""
        import gemmi

        try:
            document = gemmi.cif.read_string(decode(content).replace("\0", ""))
        except (ValueError, RuntimeError) as error:
            said = " ".join(str(error).split())[:120]
            raise PatternError(f"got text that is not CIF ({said}), expected a powder CIF; correct that line") from None
        for block in document:
            tag = next((tag for tag in _INTENSITIES if len(_column(block, tag)) > 1), None)
            if tag is None:
                continue
            strings = _column(block, tag)
            two_theta = _two_theta(block, len(strings))
            if two_theta is None:
                continue
            if any((each.find_value("_diffrn_radiation_probe") or "").strip("'\"") == "neutron" for each in document):
                raise PatternError("got a neutron pattern, expected X-rays; only X-ray scattering is modelled")
            scan = Scan(two_theta=two_theta, intensity=_values(strings, tag), sigma=_sigma(block, tag, strings))
            radiation, note = _radiation([block, *document])
            return Recording(
                scans=[scan],
                radiation=radiation,
                metadata={"sample": block.name, "intensity": tag},
                notes=(note,) if note else (),
            )
        raise PatternError(
            "got a CIF without a powder pattern, expected _pd_meas_2theta_scan (or _pd_meas_2theta_range_min, _max and "
            "_inc) and _pd_meas_counts_total or _pd_meas_intensity_total; is this the CIF of a structure?"
        )


def _column(block: gemmi.cif.Block, tag: str) -> list[str]:
    return list(block.find_loop(tag))


def _values(strings: list[str], tag: str) -> FloatArray:
    """[G] numbers of a column without their uncertainties; ``.`` and ``?`` are refused."""
    values = [number(_PARENTHESES.sub("", string)) for string in strings]
    for row, value in enumerate(values):
        if value is None:
            raise PatternError(
                f"got {strings[row][:20]!r} in row {row + 1} of {tag}, expected a number; remove the row"
            )
    return np.array(values, dtype=np.float64)


def _single(block: gemmi.cif.Block, tag: str) -> float | None:
    value = block.find_value(tag)
    return None if value is None else number(str(value).strip("'\"").partition("(")[0])


def _two_theta(block: gemmi.cif.Block, count: int) -> FloatArray | None:
    """[count] angles from a column as long as the intensities, else from a range; ``None`` without either."""
    for tag in _ANGLES:
        strings = _column(block, tag)
        if len(strings) == count:
            return _values(strings, tag)
    for base in _RANGES:
        low, high, step = (_single(block, f"{base}_{end}") for end in ("min", "max", "inc"))
        if low is None or step is None or step == 0:
            continue
        if high is not None and abs((high - low) / step - (count - 1)) > 1.5:
            raise PatternError(
                f"got {count} intensities for 2theta {low:g} to {high:g} by {step:g}, expected "
                f"{(high - low) / step + 1:.0f}; correct {base}_inc"
            )
        return low + step * np.arange(count, dtype=np.float64)
    return None


def _sigma(block: gemmi.cif.Block, tag: str, strings: list[str]) -> FloatArray | None:
    for suffix in ("_su", "_esd"):
        column = _column(block, tag + suffix)
        if len(column) == len(strings):
            return _values(column, tag + suffix)
    found = [_SU.fullmatch(string[:64]) for string in strings]
    if all(found):
        return np.array([_su(match) for match in found if match is not None])
    weights = _column(block, "_pd_proc_ls_weight")
    if len(weights) == len(strings):
        # "." and "?" are what programs write for a point left out of the fit
        values = _values(["0" if weight in (".", "?") else weight for weight in weights], "_pd_proc_ls_weight")
        return np.where(values > 0, 1.0 / np.sqrt(np.where(values > 0, values, 1.0)), 0.0)
    return None


def _su(match: re.Match[str]) -> float:
    decimals = len(match.group(1).partition(".")[2])
    return float(f"{match.group(2)}e{int(match.group(3)[1:] or 0) - decimals}")


def _radiation(blocks: list[gemmi.cif.Block]) -> tuple[Radiation | None, str]:
    for block in blocks:
        tag = "_diffrn_radiation_wavelength"
        values = [number(value.partition("(")[0]) for value in _column(block, tag)]
        single = _single(block, tag)
        lines = sorted({value for value in [*values, single] if value is not None})
        if len(lines) > 1 and (found := doublet(lines[0], lines[1])) is not None:
            return found, ""
        if lines:
            try:
                return radiation_from(lines[0])
            except InstrumentError:
                return None, f"the file states a wavelength of {lines[0]:g} A, which no X-ray has: ignored"
    return None, ""
