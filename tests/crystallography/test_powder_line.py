"""Strength, place and width of powder lines: one formula for numpy and for torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pxrdgen.values.instrument import GSAS2_DEFAULT
from pxrdgen_crystallography.decomposition.lines import chain_lines
from pxrdgen_crystallography.powder_line.positions import asymmetry_shift, line_positions
from pxrdgen_crystallography.powder_line.strength import lorentz_polarization, lorentz_polarization_slope
from pxrdgen_crystallography.powder_line.widths import line_widths, line_windows, thompson_cox_hastings

TWO_THETA = np.array([0.05, 2.0, 10.0, 44.3, 89.9, 120.0, 155.0])
INSTRUMENT = replace(GSAS2_DEFAULT, zero=0.02, displacement=-0.03)

FORMULAS: dict[str, Callable[..., object]] = {
    "strength": lambda angle: lorentz_polarization(_sine(angle), 0.7),
    "slope": lambda angle: lorentz_polarization_slope(_sine(angle), 0.7),
    "shift": lambda angle: asymmetry_shift(angle, 0.02),
    "no shift": lambda angle: asymmetry_shift(angle, 0.0),
    "positions": lambda angle: line_positions(angle, INSTRUMENT)[1][0],
    "width": lambda angle: line_widths(_half(angle), INSTRUMENT)[0],
    "mixing": lambda angle: line_widths(_half(angle), INSTRUMENT)[1],
    "below": lambda angle: line_windows(_half(angle), INSTRUMENT)[0],
    "above": lambda angle: line_windows(_half(angle), INSTRUMENT)[1],
}


def _half(angle: NDArray[np.float64] | torch.Tensor) -> NDArray[np.float64] | torch.Tensor:
    return angle * (np.pi / 360.0)


def _sine(angle: NDArray[np.float64] | torch.Tensor) -> NDArray[np.float64] | torch.Tensor:
    half = _half(angle)
    return torch.sin(half) if isinstance(half, torch.Tensor) else np.sin(half)


@pytest.mark.parametrize("name", FORMULAS)
def test_numpy_and_torch_are_told_the_same(name: str) -> None:
    of_array = FORMULAS[name](TWO_THETA)
    of_tensor = FORMULAS[name](torch.as_tensor(TWO_THETA))
    assert isinstance(of_array, np.ndarray)
    assert isinstance(of_tensor, torch.Tensor)
    assert of_array == pytest.approx(of_tensor.numpy(), rel=1e-12, abs=1e-15)


def test_the_strength_of_a_line_is_that_of_the_textbook() -> None:
    theta = np.radians(TWO_THETA) / 2.0
    written = (0.3 * np.cos(2.0 * theta) ** 2 + 0.7) / (2.0 * np.sin(theta) ** 2 * np.cos(theta))
    assert lorentz_polarization(np.sin(theta), 0.7) == pytest.approx(written, rel=1e-10)
    step = 1e-6
    sine = np.sin(theta)
    high, low = (lorentz_polarization(sine * factor**0.5, 0.7) for factor in (1.0 + step, 1.0 - step))
    assert lorentz_polarization_slope(sine, 0.7) == pytest.approx(np.log(high / low) / (2.0 * step), rel=1e-6)


def test_the_asymmetry_is_the_difference_of_two_arc_cosines() -> None:
    angles = TWO_THETA[2:]
    cosine = np.sqrt(1.0 + 0.02**2) * np.cos(np.radians(angles))
    expected = -(1.0 - 1.0 / np.sqrt(3.0)) * (angles - np.degrees(np.arccos(cosine)))
    assert asymmetry_shift(angles, 0.02) == pytest.approx(expected, rel=1e-8, abs=1e-12)


def test_the_derivatives_of_width_and_mixing_are_those_of_differences() -> None:
    variance, gamma, step = np.array([0.5, 3.0, 40.0]), np.array([0.2, 4.0, 1.0]), 1e-6
    shape = thompson_cox_hastings(variance, gamma)
    high, low = (thompson_cox_hastings(variance + change, gamma) for change in (step, -step))
    assert shape.fwhm_by_variance == pytest.approx((high.fwhm - low.fwhm) / (2.0 * step), rel=1e-6)
    assert shape.eta_by_variance == pytest.approx((high.eta - low.eta) / (2.0 * step), rel=1e-5)
    high, low = (thompson_cox_hastings(variance, gamma + change) for change in (step, -step))
    assert shape.fwhm_by_gamma == pytest.approx((high.fwhm - low.fwhm) / (2.0 * step), rel=1e-6)
    assert shape.eta_by_gamma == pytest.approx((high.eta - low.eta) / (2.0 * step), rel=1e-5)


def test_close_lines_are_chained_until_the_chain_is_too_long() -> None:
    angles, width = np.array([10.0, 10.05, 10.1, 10.15, 10.2, 11.0, 12.0]), np.full(7, 0.1)
    measured = np.array([True] * 6 + [False])
    chained = chain_lines(angles, width, measured, separation=0.6, span=1.2)
    assert chained.tolist() == [0, 0, 0, 1, 1, 2, -1]
