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
    from pxrdgen.values.cells import CellProblem
    from pxrdgen.values.instrument import Instrument
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
        angles = np.unique(np.round(np.degrees(2 * np.arcsin(np.sqrt(q[inside]) * wavelength / 2)), 3))
        angles = angles[np.diff(angles, prepend=0.0) > 0.05]
        angles = angles[rng.random(angles.size) >= drop] + zero
        angles = np.sort(np.concatenate([angles + error * rng.normal(size=angles.size), extra, faint]))
        ones = np.ones(angles.size)
        area = rng.uniform(0.2, 1.0, size=angles.size)
        area[np.isin(angles, faint)] = 0.005
        grid = np.arange(5.0, high + 0.01, 0.02)
        peaks = PeakList(
            two_theta=angles,
            two_theta_su=max(error, 0.001) * ones,
            height=10 * area,
            area=area,
            area_su=0.01 * ones,
            fwhm=0.1 * ones,
            wavelength=wavelength,
        )
        pattern = PowderPattern(two_theta=grid, intensity=np.ones(grid.size), sigma=np.ones(grid.size))
        flat = np.zeros(grid.size)
        prepared = PreparedPattern(
            pattern=pattern,
            background=flat,
            background_su=flat,
            peaks=peaks,
            calculated=flat,
            instrument=pattern.instrument,
            noise_source="file",
        )
        return CellProblem(prepared=prepared, **known)

    return make
