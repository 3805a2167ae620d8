"""With a real GSAS-II: set PXRDGEN_GSAS2_PYTHON to its interpreter, else these tests are skipped."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.known_crystals import lopsided, salt

from pxrdgen.values.cell import UnitCell
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.crystal_batch import CrystalBatch
from pxrdgen.values.instrument import GSAS2_DEFAULT, Instrument
from pxrdgen.values.pattern import two_theta_from_d
from pxrdgen.values.refinement import Measurement, RefinementStart
from pxrdgen.values.symmetrised_crystal import SymmetrisedCrystal
from pxrdgen_crystallography.diffraction import simulate_profile
from pxrdgen_crystallography.space_group_symbols import parse_space_group
from pxrdgen_crystallography.symmetry.freedom import free_coordinates
from pxrdgen_crystallography.symmetry.symmetrise import find_symmetry, invariance_error
from pxrdgen_gsas2.client import call
from pxrdgen_gsas2.options import Gsas2Options, Gsas2WorkerOptions
from pxrdgen_gsas2.refiner import Gsas2Refiner
from pxrdgen_gsas2.simulation import simulate_with_gsas2
from pxrdgen_testing import BoundCheck, conformance
from pxrdgen_testing.samples import rutile

FloatArray = NDArray[np.float64]

pytestmark = pytest.mark.slow
WORKER = Gsas2WorkerOptions(retries=0)
GRID = np.linspace(15.0, 85.0, 2334)


@pytest.fixture(autouse=True)
def gsas2_python() -> str:
    """The interpreter that has GSAS-II."""
    python = os.environ.get("PXRDGEN_GSAS2_PYTHON", "")
    if not python:
        pytest.skip("needs GSAS-II: set PXRDGEN_GSAS2_PYTHON to the Python interpreter that has it")
    return python


def engine(crystal: Crystal, grid: FloatArray, instrument: Instrument) -> FloatArray:
    batch = CrystalBatch.from_crystals([crystal], dtype=torch.float64)
    span = (float(grid[0]) - 0.3, float(grid[-1]) + 0.5)
    return np.asarray(simulate_profile(batch, instrument, torch.as_tensor(grid), reflection_range=span)[0].numpy())


def measured(*crystals: Crystal, seed: int = 0, counts: float = 1e4) -> Measurement:
    """Poisson counts over a sloping background."""
    profile = sum(engine(crystal, GRID, GSAS2_DEFAULT) for crystal in crystals)
    slope = 0.02 + 0.02 * np.exp(-(GRID - GRID[0]) / 20.0)
    observed = np.random.default_rng(seed).poisson(counts * (profile / profile.max() + slope)).astype(np.float64)
    return Measurement(
        two_theta=GRID,
        intensity=observed,
        sigma=np.sqrt(np.maximum(observed, 1.0)),
        background=np.full(GRID.size, float(np.percentile(observed, 10))),
        instrument=GSAS2_DEFAULT,
    )


def start_of(crystal: Crystal, *, strain: float = 0.005, shift: float = 0.1) -> RefinementStart:
    """Cell off by ``strain``, atoms by about ``shift`` A, as far as the symmetry allows."""
    sym = find_symmetry(crystal, 0.01)
    field = np.random.default_rng(3).normal(size=(len(crystal), 3))
    field *= shift / np.linalg.norm(field, axis=1, keepdims=True)
    columns = free_coordinates(sym)
    allowed = columns @ (columns.T @ (field @ np.linalg.inv(crystal.basis)).ravel())
    moved = replace(
        sym.crystal,
        frac_coords=sym.crystal.frac_coords + allowed.reshape(-1, 3),
        basis=sym.crystal.basis * (1.0 + strain),
    )
    return RefinementStart(crystal=moved, symmetry=replace(sym, crystal=moved))


def symmetry_of(start: RefinementStart) -> SymmetrisedCrystal:
    assert start.symmetry is not None
    return start.symmetry


def test_the_installation_names_itself() -> None:
    answer = call("check", {}, WORKER)
    assert answer.gsas2.version
    assert Path(answer.gsas2.folder).name == "GSASII"
    assert isinstance(answer.value["averages_friedel_mates"], bool)


@pytest.mark.parametrize("crystal", [rutile(), salt(), lopsided()], ids=["rutile", "salt", "lopsided"])
def test_its_patterns_are_those_of_the_diffraction_engine(crystal: Crystal) -> None:
    found = simulate_with_gsas2(
        crystal, GSAS2_DEFAULT, low=15.0, high=85.0, points=2334, symmetry=find_symmetry(crystal, 0.01), options=WORKER
    )
    ours = engine(crystal, found.two_theta, GSAS2_DEFAULT)
    assert np.abs(found.intensity / found.intensity.max() - ours / ours.max()).max() < 1e-3
    angles = two_theta_from_d(found.d, GSAS2_DEFAULT.radiation.wavelength)
    assert np.abs(angles - found.line_two_theta).max() < 1e-3


def test_displaced_rutile_comes_home_with_its_symmetry_and_leaves_a_project(tmp_path: Path) -> None:
    truth, start = find_symmetry(rutile(), 0.01).crystal, start_of(rutile())
    result = Gsas2Refiner(Gsas2Options(keep_projects=tmp_path)).refine(measured(rutile()), [start])[0]
    assert result.converged
    assert result.gof < 1.1
    assert invariance_error(replace(symmetry_of(start), crystal=result.crystal)) < 1e-6
    assert result.coordinate_su is not None
    assert result.cell_su is not None
    shift = result.crystal.frac_coords - truth.frac_coords
    shift -= np.rint(shift)
    free = result.coordinate_su > 0
    assert np.all(np.abs(shift[free]) < 4.0 * result.coordinate_su[free])
    assert np.all(np.abs(shift[~free]) < 1e-9)
    off = np.abs(np.array(result.crystal.cell.parameters[:3]) - truth.cell.parameters[:3])
    assert np.all(off < 4.0 * np.array(result.cell_su[:3]))
    assert (tmp_path / "rutile_01.gpx").stat().st_size > 10_000
    assert (tmp_path / "rutile_01.lst").is_file()
    assert result.curves is not None
    assert result.curves.ticks[0] == pytest.approx(27.4, abs=0.2)


def test_cubic_cells_are_as_good_as_their_uncertainties_say() -> None:
    """GSAS-II's own slope forgets that b and c are tied to a; the worker completes it."""
    truth = find_symmetry(salt(), 0.01).crystal.cell.a
    starts = [start_of(salt(), strain=0.003)]
    pulls = []
    for seed in (0, 1):
        result = Gsas2Refiner().refine(measured(salt(), seed=seed), starts)[0]
        assert result.cell_su is not None
        pulls.append((result.crystal.cell.a - truth) / result.cell_su[0])
        assert result.cell_su[0] < 8e-5
    assert np.abs(pulls).max() < 3.0


def test_a_known_impurity_is_refined_beside() -> None:
    measurement = replace(measured(rutile(), salt()), impurities=(salt(),))
    result = Gsas2Refiner(Gsas2Options(refine_widths=False)).refine(measurement, [start_of(rutile(), strain=0.002)])[0]
    assert result.gof < 1.15
    assert len(result.impurities) == 1
    assert 0.0 < result.impurities[0].weight_fraction < 1.0
    assert result.impurities[0].crystal.cell.a == pytest.approx(salt().cell.a, rel=1e-3)


@pytest.mark.parametrize("check", conformance("refiner", "gsas2"), ids=str)
def test_it_conforms(check: BoundCheck) -> None:
    check()


def test_a_hopeless_start_is_a_result() -> None:
    wrong = Crystal(
        species=np.array([92, 1, 8]),
        frac_coords=np.random.default_rng(1).random((3, 3)),
        basis=UnitCell(3.1, 5.7, 7.9, 70, 80, 95).basis,
    )
    result = Gsas2Refiner().refine(measured(rutile()), [RefinementStart(crystal=wrong)])[0]
    assert result.r_wp > 0.1
    assert result.message


def test_what_there_is_when_time_runs_out_is_handed_over() -> None:
    """The worker stops of itself before it is stopped."""
    asked = []

    def hurried(verb, request, options):  # type: ignore[no-untyped-def]
        asked.append(request["seconds"])
        return call(verb, {**request, "seconds": 0.0}, options)

    result = Gsas2Refiner(Gsas2Options(timeout=100.0), call=hurried).refine(measured(rutile()), [start_of(rutile())])[0]
    assert asked == [pytest.approx(70.0)]
    assert not result.converged
    assert "time ran out" in result.message
    assert np.isfinite(result.r_wp)


def test_a_third_of_a_second_is_too_short() -> None:
    result = Gsas2Refiner(Gsas2Options(timeout=0.3)).refine(measured(rutile()), [start_of(rutile())])[0]
    assert not result.converged
    assert "timed out" in result.message


def test_lines_of_a_cubic_crystal_are_indexed() -> None:
    d = 5.64 / np.sqrt([3, 4, 8, 11, 12, 16, 19, 20, 24, 27, 32])
    # GSAS-II drops figures of merit too good to be true
    d *= 1.0 + 2e-4 * np.random.default_rng(0).normal(size=d.size)
    lines = [{"two_theta": float(two_theta_from_d(x, 1.540593)), "intensity": 100.0, "d": float(x)} for x in d]
    request = {
        "lines": lines,
        "lattices": [0],
        "zero": 0.0,
        "seed": 1,
        "seconds": 5.0,
        "most_calculated": 4.0,
        "start_volume": 25.0,
        "least_m20": 2.0,
        "most_x20": 2,
    }
    cells = call("index", request, WORKER).value["cells"]
    assert any(entry["lattice"] == 0 and abs(entry["cell"][0] - 5.64) < 0.01 for entry in cells)


def test_every_space_group_is_the_same_in_gsas2(gsas2_python: str, tmp_path: Path) -> None:
    """Images of a general point in all 230 reference settings, origin choice 2."""
    point = np.array([0.1031, 0.2347, 0.3719])
    groups = [parse_space_group(number) for number in range(1, 231)]
    symbols = [group.hm_symbol.split(":")[0] for group in groups]
    script = (
        "import sys, json, GSASII.GSASIIspc as S\n"
        "point = (0.1031, 0.2347, 0.3719)\n"
        "images = lambda name: [list(map(float, e[0])) for e in S.GenAtom(point, S.SpcGroup(name)[1])]\n"
        "open(sys.argv[2], 'w').write(json.dumps([images(name) for name in json.loads(sys.argv[1])]))\n"
    )
    out = tmp_path / "images.json"
    subprocess.run(
        [gsas2_python, "-c", script, json.dumps(symbols), str(out)],
        check=True,
        capture_output=True,
        cwd=tmp_path,
        timeout=120,
    )
    found = json.loads(out.read_text())
    for group, images in zip(groups, found, strict=True):
        ours = (group.rotations @ point + group.translations) % 1.0
        assert {tuple(np.round(x, 4) % 1.0) for x in ours} == {
            tuple(np.round(np.array(x) % 1.0, 4) % 1.0) for x in images
        }, group.hm_symbol
