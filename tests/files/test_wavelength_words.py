"""Wavelengths as users type them."""

from __future__ import annotations

import pytest

from pxrdgen.errors import InstrumentError
from pxrdgen.values.instrument import TUBES
from pxrdgen_files.named_instruments import radiation_from


@pytest.mark.parametrize("word", ["CuKa", "Cu Ka", "CuKα", "Cu", "cu k-alpha", "Cu Kα1,2", "Cu K-alpha1+2", "1.5418"])
def test_every_spelling_of_the_copper_doublet_is_the_doublet(word):
    assert radiation_from(word)[0] == TUBES["CuKa"]


@pytest.mark.parametrize("word", ["CuKa1", "Cu Kα1", "cu k-alpha 1"])
def test_every_spelling_of_its_first_line_is_one_line(word):
    assert radiation_from(word)[0] == TUBES["CuKa1"]


@pytest.mark.parametrize(
    ("word", "wavelength"),
    [
        ("1.5406 A", 1.5406), ("1,5406", 1.5406), ("1.5406 Å", 1.5406), ("0.154056 nm", 1.54056), ("41.39 pm", 0.4139),
        ("4.139e-11 m", 0.4139), ("4.139e-11", 0.4139), ("30 keV", 0.413280661), ("Co Kα1", 1.788996),
    ],
)  # fmt: skip
def test_a_wavelength_carries_its_unit(word, wavelength):
    assert radiation_from(word)[0].wavelengths == pytest.approx((wavelength,), abs=1e-8)


@pytest.mark.parametrize("word", ["1.54 inch", "copper", "CuKb", "CuKa2", "W", "1.54 1.55", "15406"])
def test_what_is_no_wavelength_is_refused(word):
    with pytest.raises(InstrumentError, match="got"):
        radiation_from(word)
