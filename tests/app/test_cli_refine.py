"""``pxrdgen refine``: a displaced crystal comes home and is written, mixtures are told apart, nonsense is refused."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import gemmi
import numpy as np
import pytest
import torch
from pymatgen.core import Lattice, Structure

import pxrdgen
from pxrdgen.errors import OptionError
from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.plugins.components import ComponentRecord
from pxrdgen.plugins.registry import Registry
from pxrdgen.plugins.sources import PluginSource, installed_sources
from pxrdgen.specs.component import ComponentSpec
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.crystal_batch import CrystalBatch
from pxrdgen.values.instrument import LABORATORY
from pxrdgen_crystallography.diffraction import simulate_profile, simulate_reflections
from pxrdgen_crystallography.diffraction.profile_sum import sum_peaks
from pxrdgen_crystallography.diffraction.texture import march_dollase
from pxrdgen_crystallography.symmetry.pymatgen_structure import crystal_from_pymatgen
from pxrdgen_files.cif import read_cif, read_cif_text
from pxrdgen_solver.refinement.frame import frame_of, texture_axis_in
from pxrdgen_testing.samples import rutile

GRID = np.arange(12.0, 90.0, 0.02)

ZIRCONIA_SITES = [[0.2754, 0.0395, 0.2083], [0.0700, 0.3317, 0.3447], [0.4496, 0.7569, 0.4792]]


def zirconia(shift: float = 0.0, scale: float = 1.0) -> Structure:
    sites = [[x + shift, y - shift, z + shift] for x, y, z in ZIRCONIA_SITES]
    lattice = Lattice.monoclinic(5.1505 * scale, 5.2116 * scale, 5.3173 * scale, 99.23)
    return Structure.from_spacegroup("P2_1/c", lattice, ["Zr", "O", "O"], sites)


def salt(a: float = 5.6402) -> Structure:
    return Structure.from_spacegroup("Fm-3m", Lattice.cubic(a), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])


def peaks_of(structure: Structure) -> np.ndarray:
    batch = CrystalBatch.from_crystals([crystal_from_pymatgen(structure)], dtype=torch.float64)
    with torch.no_grad():
        return simulate_profile(batch, LABORATORY, torch.from_numpy(GRID), reflection_range=(11.0, 91.0))[0].numpy()


def write_pattern(expected: np.ndarray, path: Path) -> Path:
    counts = np.random.default_rng(4).poisson(expected)
    np.savetxt(path, np.column_stack([GRID, counts]), fmt="%.4f %d")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Zirconia's pattern, with and without salt, and CIFs of both, zirconia's displaced by 0.1 A, its cell by 0.2 %."""
    place = tmp_path_factory.mktemp("refine")
    main, extra = peaks_of(zirconia()), peaks_of(salt(5.650))
    top = 2e4 / main.max()
    write_pattern(top * main + 60.0, place / "zirconia.xy")
    write_pattern(top * (main + 0.1 * extra) + 60.0, place / "mixture.xy")
    # symmetrised CIFs, as databases give them
    for name, structure in (("start", zirconia(0.011, 1.002)), ("salt", salt())):
        structure.to(filename=str(place / f"{name}.cif"), symprec=1e-3)
    (place / "noise.xy").write_text("\n".join(f"{x:.2f} 10" for x in GRID[:200]) + "\n")
    (place / "no.cif").write_text("data_nothing\n_cell_length_a 5\n")
    return place


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pxrdgen", "refine", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture(scope="module")
def done(folder: Path) -> subprocess.CompletedProcess[str]:
    return run(folder, "zirconia.xy", "start.cif", "-w", "CuKa", "--out", "home")


def test_a_displaced_crystal_comes_home(folder: Path, done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stderr
    assert "Converged" in done.stdout
    assert "without background" in done.stdout
    result = json.loads((folder / "home" / "result.json").read_text())
    assert result["refinement"]["gof"] < 1.1
    assert result["space_group_number"] == 14
    for key, expected in (("a", 5.1505), ("b", 5.2116), ("c", 5.3173), ("beta", 99.23)):
        su = result["conventional"]["cell_su"][key]
        assert 0.0 < su < 0.01
        assert abs(result["conventional"]["cell"][key] - expected) < 5.0 * su
    refined = read_cif(folder / "home" / "refined.cif")
    first = refined.frac_coords[refined.species == 40]
    delta = first - np.array(ZIRCONIA_SITES[0])
    assert np.abs(delta - np.rint(delta)).max(axis=1).min() < 2e-3


def test_the_folder_holds_everything(folder: Path, done: subprocess.CompletedProcess[str]) -> None:
    del done
    names = {path.name for path in (folder / "home").iterdir()}
    assert names == {"refined.cif", "result.json", "report.html", "rietveld.png", "rietveld.csv"}
    page = (folder / "home" / "report.html").read_text()
    body = page.split("<body>")[1].split("<script")[0]
    assert not re.search(r'(?:src|href)="https?://(?!doi\.org/)', body), "the page must load nothing"
    assert (folder / "home" / "rietveld.png").read_bytes().startswith(b"\x89PNG")


def test_the_cif_says_how_it_was_refined(folder: Path, done: subprocess.CompletedProcess[str]) -> None:
    del done
    block = gemmi.cif.read(str(folder / "home" / "refined.cif")).sole_block()
    result = json.loads((folder / "home" / "result.json").read_text())
    assert float(block.find_value("_pd_proc_ls_prof_wR_factor")) == pytest.approx(
        result["refinement"]["r_wp"], abs=1e-5
    )
    assert int(block.find_value("_refine_ls_number_parameters")) == result["num_parameters"]
    assert float(block.find_value("_pd_proc_2theta_range_min")) == pytest.approx(12.0, abs=0.1)
    assert list(block.find_values("_diffrn_radiation_wavelength_wavelength")) == ["1.540593", "1.544427"]
    assert "(" in block.find_value("_cell_length_a")
    uncertain = list(block.find_values("_atom_site_U_iso_or_equiv"))
    assert all("(" in text for text in uncertain)
    profile = block.find("_pd_", ["proc_2theta_corrected", "proc_intensity_total", "calc_intensity_total"])
    assert len(profile) == result["points"]
    observed, calculated = (np.array([float(row[k]) for row in profile]) for k in (1, 2))
    weight = np.array([float(text) for text in block.find_values("_pd_proc_ls_weight")])
    r_wp = np.sqrt((weight @ (observed - calculated) ** 2) / (weight @ observed**2))
    assert r_wp == pytest.approx(result["refinement"]["r_wp"], rel=1e-3)


def test_a_folder_is_not_overwritten_by_accident(folder: Path, done: subprocess.CompletedProcess[str]) -> None:
    del done
    again = run(folder, "zirconia.xy", "start.cif", "-w", "CuKa", "--out", "home")
    assert again.returncode == 2
    assert "--force" in again.stderr


def test_an_impurity_gets_its_share_and_its_cell(folder: Path) -> None:
    found = pxrdgen.refine(
        folder / "mixture.xy", folder / "start.cif", wavelength="CuKa", impurity=[folder / "salt.cif"]
    )
    (phase,) = found.fit.impurities
    assert phase.crystal.cell.a == pytest.approx(5.650, abs=2e-3)
    assert 0.01 < phase.weight_fraction < 0.3
    assert found.fit.gof < 1.1
    assert found.fit.gof < 0.7 * pxrdgen.refine(folder / "mixture.xy", folder / "start.cif", wavelength="CuKa").fit.gof


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nowhere.xy", "start.cif"), "nowhere.xy"),
        (("zirconia.xy", "nowhere.cif"), "nowhere.cif"),
        (("zirconia.xy", "no.cif"), "no atoms"),
        (("zirconia.xy", "start.cif", "--refiner", "least_sqares"), "least_squares"),
        (("zirconia.xy", "start.cif", "--set", "max_cycle=3"), "max_cycles"),
        (("zirconia.xy", "start.cif", "--set", "max_cycles"), "KEY=VALUE"),
        (("zirconia.xy", "start.cif", "--texture", "0 0"), "Miller"),
        (("zirconia.xy", "start.cif", "--texture", "0 0 0"), "0 0 1"),
        (("zirconia.xy", "start.cif", "--uiso", "sites"), "site"),
        (("zirconia.xy", "start.cif", "--background-terms", "many"), "auto"),
        (("zirconia.xy", "start.cif", "--range", "80", "20"), "lower angle first"),
        (("zirconia.xy", "start.cif", "--impurity", "none.cif"), "none.cif"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_bad_input_is_one_sentence_and_exit_code_2(
    folder: Path,
    arguments: tuple[str, ...],
    words: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from pxrdgen_app.cli import main

    monkeypatch.chdir(folder)
    with pytest.raises(SystemExit) as left:
        main(["refine", *arguments, "-w", "CuKa", "--out", "refused"])
    assert left.value.code == 2
    message = capsys.readouterr().err
    assert words in message
    assert "Traceback" not in message
    assert not (folder / "refused").exists()


def test_what_does_not_converge_is_written_and_exits_with_3(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from pxrdgen_app.cli import main

    monkeypatch.chdir(folder)
    with pytest.raises(SystemExit) as left:
        main(["refine", "zirconia.xy", "start.cif", "-w", "CuKa", "--set", "max_cycles=1", "--set", "quick=true",
              "--set", "tolerance=1e-6", "--out", "short"])  # fmt: skip
    assert left.value.code == 3
    assert "Not converged" in capsys.readouterr().out
    assert (folder / "short" / "result.json").exists()


def test_indices_of_a_centred_cell_become_those_of_the_primitive_one() -> None:
    """(h k l) stay perpendicular to the same planes."""
    crystal = crystal_from_pymatgen(salt())
    pattern = pxrdgen.PowderPattern(two_theta=GRID, intensity=np.ones(GRID.size))
    frame = frame_of(pattern, crystal)
    assert len(frame.crystal) == 2
    assert frame.symmetry is not None
    assert frame.symmetry.number == 225
    for axis in ((0, 0, 1), (1, 1, 0), (2, 1, 0)):
        found = np.array(texture_axis_in(frame.problem, axis))
        mine = found @ np.linalg.inv(frame.crystal.basis).T
        cell = frame.problem.to_user @ frame.crystal.basis
        given = np.array(axis) @ np.linalg.inv(cell).T
        assert abs(mine @ given) == pytest.approx(np.linalg.norm(mine) * np.linalg.norm(given))


def test_texture_along_a_given_axis_is_reported_in_the_cell_of_the_cif(tmp_path: Path) -> None:
    crystal = rutile()
    batch = CrystalBatch.from_crystals([crystal], dtype=torch.float64)
    lines = simulate_reflections(batch, LABORATORY, two_theta_min=11.0, two_theta_max=91.0)
    axis, ratio = torch.tensor([[0.0, 0.0, 1.0]]).double(), torch.tensor([0.7]).double()
    textured = replace(lines, intensity=lines.intensity * march_dollase(lines.hkl, batch.basis, axis, ratio))
    peaks = sum_peaks(textured, LABORATORY, torch.from_numpy(GRID))[0].numpy()
    pattern = write_pattern(2e4 * peaks / peaks.max() + 60.0, tmp_path / "textured.xy")
    found = pxrdgen.refine(pattern, crystal, wavelength="CuKa", texture="0 0 1")
    assert found.texture_axis() in ((0, 0, 1), (0, 0, -1))
    assert found.fit.parameters["march_dollase"] == pytest.approx(0.7, abs=0.02)
    none = pxrdgen.refine(pattern, crystal, wavelength="CuKa", texture="none", background_terms=6, u_iso="overall")
    assert none.texture_axis() is None
    assert none.fit.parameters["background_terms"] == 6.0
    assert none.fit.r_wp > 1.5 * found.fit.r_wp


def test_special_positions_stay_special(folder: Path) -> None:
    """Salt has nothing to move but its cell, and comes out in the cell and the group it went in."""
    peaks = peaks_of(salt(5.650))
    pattern = write_pattern(2e4 * peaks / peaks.max() + 60.0, folder / "pure.xy")
    found = pxrdgen.refine(pattern, folder / "salt.cif", wavelength="CuKa")
    assert found.candidate.space_group_number == 225
    assert found.candidate.conventional.cell.parameters == pytest.approx((5.650,) * 3 + (90.0,) * 3, abs=5e-4)
    places = np.rint(found.candidate.conventional.frac_coords * 2.0) / 2.0
    assert np.abs(found.candidate.conventional.frac_coords - places).max() < 1e-9
    assert found.fit.coordinate_su is not None
    assert np.abs(found.fit.coordinate_su).max() == 0.0


def test_an_option_the_refiner_lacks_is_refused(folder: Path) -> None:
    with pytest.raises(OptionError, match="refine_cel"):
        pxrdgen.refine(
            folder / "zirconia.xy",
            folder / "start.cif",
            refiner=ComponentSpec(plugin="least_squares", options={"refine_cel": True}),
        )


def test_words_are_for_refiners_whose_options_heed_them(folder: Path) -> None:
    plain = ComponentRecord(kind=ComponentKind.REFINER, name="plain", target="nowhere:Plain")
    registry = Registry([*installed_sources(), PluginSource.of("theirs", plain)])
    with pytest.raises(OptionError, match="u_iso for the refiner 'plain'"):
        pxrdgen.refine(
            folder / "zirconia.xy", crystal_from_pymatgen(zirconia()), refiner="plain", wavelength="CuKa",
            u_iso="site", registry=registry,
        )  # fmt: skip


def test_the_crystal_written_is_the_crystal_refined(folder: Path, done: subprocess.CompletedProcess[str]) -> None:
    del done
    text = (folder / "home" / "refined.cif").read_text()
    crystal: Crystal = read_cif_text(text)
    assert len(crystal) == 12
    assert crystal.u_iso is not None
    assert np.all(crystal.u_iso > 0.0)
