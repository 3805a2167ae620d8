"""Fixtures every room uses."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from .known_crystals import _one_thread, decomposed, known, profile, target_of

__all__ = ["_one_thread", "decomposed", "known", "profile", "target_of"]

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the source tree."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The ``data`` folder beside the project; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("PXRDGEN_SHARED", REPOSITORY.parent / "shared")) / "data"
    if not folder.is_dir():
        pytest.skip(f"needs the data folder {folder}; set PXRDGEN_SHARED to the folder that holds it")
    return folder


@pytest.fixture
def rng() -> np.random.Generator:
    """A seeded generator, fresh for each test."""
    return np.random.default_rng(20251)


@pytest.fixture
def line_problem():
    """Makes a cell problem whose peaks are the lines of a primitive cell, as a perfect peak search would find them.

    ``line_problem(cell, zero=, error=, drop=, keep=, extra=, faint=, high=, **known)``: a zero and random errors in
    degrees, a share of extinct lines, a filter on hkl [H, 3], angles of foreign lines (``faint`` ones of half a
    percent of the strength), the range's end, what is known.
    """
    from dataclasses import replace

    from pxrdgen.values.cells import CellProblem
    from pxrdgen.values.instrument import Instrument, Radiation
    from pxrdgen.values.pattern import PowderPattern
    from pxrdgen.values.prepared_pattern import PeakList, PreparedPattern

    def make(cell, *, zero=0.0, error=0.0, drop=0.0, keep=None, extra=(), faint=(), high=80.0, seed=1, **known):
        rng = np.random.default_rng(seed)
        wavelength = Instrument().radiation.wavelength
        reach = np.arange(-14, 15)
        hkl = np.stack(np.meshgrid(reach, reach, reach, indexing="ij"), axis=-1).reshape(-1, 3)
        q = np.einsum("hi,ij,hj->h", hkl, np.linalg.inv(cell.basis @ cell.basis.T), hkl)
        inside = (q > 1e-9) & (q < (2 * np.sin(np.radians(high / 2)) / wavelength) ** 2)
        if keep is not None:
            inside &= keep(hkl)
        every = np.unique(np.round(np.degrees(2 * np.arcsin(np.sqrt(q[inside]) * wavelength / 2)), 5))
        every = every[rng.random(every.size) >= drop]
        # lines that are close to the one before are not found apart from it, though they are there
        apart = np.diff(every, prepend=0.0) > 0.05
        found = every + zero + error * rng.normal(size=every.size)
        true = np.concatenate([every + zero, extra, faint])
        angles = np.sort(np.concatenate([found[apart], extra, faint]))
        strength = np.concatenate([rng.uniform(0.2, 1.0, size=every.size + len(extra)), np.full(len(faint), 0.005)])
        ones = np.ones(angles.size)
        order = np.argsort(np.concatenate([found[apart], extra, faint]))
        area = 1e3 * np.concatenate([strength[: every.size][apart], strength[every.size :]])[order]
        grid = np.arange(5.0, high + 0.01, 0.02)
        width = 0.1 / np.sqrt(8.0 * np.log(2.0))
        shapes = np.exp(-0.5 * ((grid[:, None] - true) / width) ** 2) / (width * np.sqrt(2.0 * np.pi))
        background = np.full(grid.size, 100.0)
        calculated = background + shapes @ (1e3 * strength)
        peaks = PeakList(
            two_theta=angles,
            two_theta_su=max(error, 0.001) * ones,
            height=10.0 * area,
            area=area,
            area_su=10.0 * ones,
            fwhm=0.1 * ones,
            wavelength=wavelength,
        )
        counts = rng.poisson(calculated).astype(float)
        # widths in centidegrees: sigma^2 = w everywhere
        one_line = Radiation(wavelengths=(wavelength,))
        instrument = replace(Instrument(), radiation=one_line, u=0.0, v=0.0, w=(100.0 * width) ** 2, x=0.0, y=0.0)
        pattern = PowderPattern(
            two_theta=grid, intensity=counts, sigma=np.sqrt(np.maximum(counts, 1.0)), instrument=instrument
        )
        prepared = PreparedPattern(
            pattern=pattern,
            background=background,
            background_su=np.zeros(grid.size),
            peaks=peaks,
            calculated=calculated,
            instrument=instrument,
            noise_source="file",
        )
        return CellProblem(prepared=prepared, **known)

    return make
