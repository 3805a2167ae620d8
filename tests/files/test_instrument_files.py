"""Instrument parameter files of GSAS-II and GSAS, and what they do to a pattern."""

from __future__ import annotations

import numpy as np
import pytest

import pxrdgen
from pxrdgen.errors import InstrumentError
from pxrdgen.values.instrument import LABORATORY
from pxrdgen.values.pattern import RadiationSource
from pxrdgen_files.instprm import read_instrument, with_instrument

DOUBLET = (
    "#GSAS-II instrument parameter file\nType:PXC\nLam1:1.5405\nLam2:1.5443\nI(L2)/I(L1):0.5\nPolariz.:0.7\nU:3.0\n"
)


def test_a_gsas2_file_gives_lines_widths_and_zero(tmp_path) -> None:
    path = tmp_path / "lab.instprm"
    path.write_text(DOUBLET + "V:-1.5;W:4.0;X:1.0\nY:2.0\nSH/L:0.02\nZero:0.01\nBank:1.0\n")
    instrument = read_instrument(path)
    assert instrument.radiation.wavelengths == (1.5405, 1.5443)
    assert instrument.radiation.weights == (1.0, 0.5)
    assert (instrument.u, instrument.v, instrument.w, instrument.x, instrument.y) == (3.0, -1.5, 4.0, 1.0, 2.0)
    assert (instrument.polarization, instrument.sh_l, instrument.zero) == (0.7, 0.02, 0.01)
    assert instrument.geometry == "bragg-brentano"


def test_a_gsas_file_gives_zero_in_degrees_and_the_profile_of_type_3(tmp_path) -> None:
    path = tmp_path / "11bm.prm"
    records = {
        "": "BANK      1",
        " 1 ICONS": "0.413263  0.0  0.50  0  0.990  0  0.5",
        " 1PRCF1 ": "    3    8   0.0100",
        " 1PRCF11": "1.163 -0.126 0.063 0.0",
        " 1PRCF12": "0.173 0.0 0.0011 0.0012",
    }
    path.write_text("\n".join(f"INS {name:8s}{rest}" for name, rest in records.items()) + "\nINS   HTYPE   PXCR\n")
    instrument = read_instrument(path)
    assert instrument.radiation.wavelengths == (0.413263,)
    assert instrument.zero == pytest.approx(0.005)
    assert (instrument.u, instrument.v, instrument.w, instrument.x, instrument.y) == (1.163, -0.126, 0.063, 0.173, 0.0)
    assert instrument.sh_l == pytest.approx(0.0023)
    assert instrument.geometry == "debye-scherrer"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"Type:PNT\n", "PNT"),
        (b"Lam:abc\n", "expected a number"),
        (b"Lam:nan\n", "finite"),
        (b"Lam:99\n", "0.1 to 5 A"),
        (b"hello\n", "Lam1"),
        (b"\0\1\2", "text"),
        (b"x" * 300_000, "text of at most"),
        (b"Lam:1.5\nPolariz.:7\n", "polarization"),
    ],
)
def test_a_damaged_instrument_file_is_refused(tmp_path, content: bytes, said: str) -> None:
    path = tmp_path / "broken.instprm"
    path.write_bytes(content)
    with pytest.raises(InstrumentError, match=said):
        read_instrument(path)


def test_a_shipped_instrument_keeps_the_wavelength_the_file_states_and_a_parameter_file_brings_its_own(
    tmp_path,
) -> None:
    path = tmp_path / "lab.instprm"
    path.write_text(DOUBLET)
    stated = pxrdgen.PowderPattern(
        two_theta=np.linspace(10.0, 80.0, 100),
        intensity=np.ones(100),
        instrument=pxrdgen.Instrument(radiation=pxrdgen.Radiation(wavelengths=(0.7,))),
        radiation_source=RadiationSource.FILE,
    )
    assert with_instrument(stated, "laboratory").instrument.radiation.wavelength == 0.7
    assert with_instrument(stated, "laboratory").instrument.u == LABORATORY.u
    assert with_instrument(stated, str(path)).instrument.radiation.wavelength == 1.5405
