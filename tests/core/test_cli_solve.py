"""``pxrdgen solve``: what cannot be used is refused in a sentence, what can be solved is written, settings agree."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import gemmi
import numpy as np
import pytest
import torch
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure

import pxrdgen
from pxrdgen.cli import main
from pxrdgen.cli.pattern_options import numbers_joined
from pxrdgen.crystal_batch import CrystalBatch
from pxrdgen.diffraction import simulate_profile
from pxrdgen.errors import InstrumentError
from pxrdgen.instrument import LABORATORY
from pxrdgen.io.instprm import read_instrument, with_instrument
from pxrdgen.io.pymatgen import crystal_from_pymatgen, crystal_to_pymatgen

STRICT = StructureMatcher(ltol=0.2, stol=0.1, angle_tol=5.0)

SALT = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.6402), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
FLUORITE = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.463), ["Ca", "F"], [[0, 0, 0], [0.25, 0.25, 0.25]])
BADDELEYITE = Structure.from_spacegroup(
    "P2_1/c",
    Lattice.monoclinic(5.1505, 5.2116, 5.3173, 99.23),
    ["Zr", "O", "O"],
    [[0.2754, 0.0395, 0.2083], [0.0700, 0.3317, 0.3447], [0.4496, 0.7569, 0.4792]],
)
SALT_CELL = ("--cell", "5.6402", "5.6402", "5.6402", "90", "90", "90", "--centring", "F", "--z", "4")


def measured(structure: Structure, high: float = 80.0) -> pxrdgen.PowderPattern:
    """A laboratory pattern of a known crystal with counting noise on a flat background."""
    grid = np.arange(10.0, high, 0.03)
    batch = CrystalBatch.from_crystals([crystal_from_pymatgen(structure)], dtype=torch.float64)
    with torch.no_grad():
        profile = simulate_profile(batch, LABORATORY, torch.from_numpy(grid))[0].numpy()
    counts = np.random.default_rng(3).poisson(50.0 + 2e4 * profile / profile.max())
    return pxrdgen.PowderPattern(two_theta=grid, intensity=counts.astype(float))


def write_xy(pattern: pxrdgen.PowderPattern, path: Path) -> Path:
    np.savetxt(path, np.column_stack([pattern.two_theta, pattern.intensity]), fmt="%.4f %d")
    return path


@pytest.fixture(scope="module")
def salt_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_xy(measured(SALT), tmp_path_factory.mktemp("patterns") / "salt.xy")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs the command line in an empty folder and gives its exit code."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str | Path) -> int:
        with pytest.raises(SystemExit) as leaving:
            main([str(argument) for argument in arguments])
        return int(leaving.value.code or 0)

    return call


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, ("does not exist", "expected a pattern file")),
        (b"", ("empty", "expected")),
        (bytes(range(256)) * 20, ("got", "expected")),
        (b"the quick brown fox\njumps over\nthe lazy dog\n" * 5, ("got", "expected")),
        (b"10.0 5\n10.1 nan\n10.2 6\n10.3 7\n" * 1, ("got", "expected")),
        (b"10.0 5\n", ("got", "expected")),
    ],
    ids=["missing", "empty", "binary", "words", "nan", "one point"],
)
def test_a_file_that_is_no_pattern_is_refused(run, capsys, tmp_path, content: bytes | None, said) -> None:
    path = tmp_path / "pattern.xy"
    if content is not None:
        path.write_bytes(content)
    assert run("solve", path, "--formula", "NaCl", *SALT_CELL) == 2
    message = capsys.readouterr().err
    assert message.startswith("pxrdgen: ")
    assert all(word in message for word in said), message
    assert not list(tmp_path.glob("*solution*"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--formula", "NaCl", *SALT_CELL, "--range", "100", "120"), ("leaves 0 point(s)", "choose a range inside")),
        (("--formula", "NaCl", *SALT_CELL, "--range", "20:30", "--exclude", "19:31"), ("point(s)", "choose")),
        (("--formula", "NaCl", *SALT_CELL, "--range", "low:high"), ("expected two angles", "--range 10:70")),
        (("--formula", "NaXy", *SALT_CELL), ("Xy",)),
        (("--formula", "NaCl", *SALT_CELL[:-1], "400"), ("cannot hold the formula", "check Z")),
        (("--formula", "NaCl", "--cell", "5", "5", "5", "150", "150", "150"), ("span no volume",)),
        (("--formula", "NaCl", "--cell", "5 5 5 90 90"), ("got 5 value(s), expected six",)),
        (("--formula", "NaCl", "--cell", "5", "5", "5", "90"), ("got 4 value(s), expected six",)),
        (("--formula", "NaCl", "--cell", "five"), ("expected six numbers",)),
        (("--formula", "NaCl", *SALT_CELL, "--space-group", "Pnam3"), ("Pnam3", "expected")),
        (("--formula", "NaCl", *SALT_CELL, "--centring", "Q"), ("Q", "expected")),
        (("--formula", "NaCl", *SALT_CELL, "--budget", "-1"), ("budget", "expected")),
        (("--formula", "NaCl", *SALT_CELL, "--candidates", "0"), ("candidates", "expected")),
    ],
)
def test_words_that_cannot_be_used_are_refused_before_searching(run, capsys, salt_file, tmp_path, arguments, said):
    assert run("solve", salt_file, *arguments) == 2
    captured = capsys.readouterr()
    assert captured.out.startswith("salt.xy ")
    assert "wavelength" in captured.out.splitlines()[0]
    assert "searching" not in captured.err
    assert all(word in captured.err for word in said), captured.err
    assert not list(tmp_path.glob("*solution*"))


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [("--instrument", "laboratori", "did you mean 'laboratory'"), ("--wavelength", "XxKa", "expected a wavelength")],
)
def test_an_unknown_instrument_or_tube_is_refused(run, capsys, salt_file, option: str, value: str, said: str) -> None:
    assert run("solve", salt_file, "--formula", "NaCl", *SALT_CELL, option, value) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("generators:\n  - plugin: direkt_space\n", "did you mean 'direct_space'"),
        ("refiner:\n  plugin: least_squares\n  options:\n    cyclez: 3\n", "cyclez"),
        ("candidatez: 3\n", "candidatez"),
    ],
)
def test_an_unknown_plugin_or_option_in_the_spec_is_named(
    run, capsys, salt_file, tmp_path, text: str, said: str
) -> None:
    (tmp_path / "run.yml").write_text(text)
    assert run("solve", salt_file, "--formula", "NaCl", *SALT_CELL, "--spec", "run.yml") == 2
    assert said in capsys.readouterr().err


def test_an_existing_folder_is_kept_unless_forced(run, capsys, salt_file, tmp_path) -> None:
    (tmp_path / "salt_solution").mkdir()
    (tmp_path / "salt_solution" / "precious.txt").write_text("mine")
    assert run("solve", salt_file, "--formula", "NaCl", *SALT_CELL) == 2
    captured = capsys.readouterr()
    assert "salt_solution" in captured.err
    assert "--force" in captured.err
    assert "searching" not in captured.err
    assert (tmp_path / "salt_solution" / "precious.txt").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0 if hasattr(os, "geteuid") else True, reason="root may write anywhere")
def test_an_unwritable_place_is_refused_before_searching(run, capsys, salt_file, tmp_path) -> None:
    (tmp_path / "locked").mkdir(mode=0o555)
    assert run("solve", salt_file, "--formula", "NaCl", *SALT_CELL, "--out", "locked/here") == 2
    assert "cannot be written to" in capsys.readouterr().err


def test_a_folder_below_a_file_is_refused_before_searching(run, capsys, salt_file) -> None:
    assert run("solve", salt_file, "--formula", "NaCl", *SALT_CELL, "--out", salt_file / "here") == 2
    captured = capsys.readouterr()
    assert "output folder" in captured.err
    assert "searching" not in captured.err


def test_rock_salt_is_solved_and_its_cif_is_the_truth(run, capsys, salt_file, tmp_path) -> None:
    assert run("solve", salt_file, "--formula", "NaCl", *SALT_CELL, "--budget", "1", "--out", "answer") == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines()[0].startswith("salt.xy (")
    assert "1.54059 / 1.54443 A (CuKa), assumed; set it with --wavelength" in printed.out.splitlines()[0]
    assert "searching" in printed.err
    assert "Solved" in printed.out
    names = {path.name for path in (tmp_path / "answer").iterdir()}
    assert {"candidate_01.cif", "result.json", "report.html", "rietveld.png", "rietveld.csv"} <= names
    found = Structure.from_file(tmp_path / "answer" / "candidate_01.cif")
    assert STRICT.fit(found, SALT)
    assert found.lattice.a == pytest.approx(5.6402, abs=2e-3)
    block = gemmi.cif.read(str(tmp_path / "answer" / "candidate_01.cif")).sole_block()
    assert "(" in block.find_value("_cell_length_a")
    assert 0.0 < float(block.find_value("_pd_proc_ls_prof_wR_factor")) < 0.2
    assert len(block.find_loop("_space_group_symop_operation_xyz")) == 192
    assert json.loads((tmp_path / "answer" / "result.json").read_text())["verdict"] == "solved"


def test_ctrl_c_while_searching_leaves_the_best_so_far(tmp_path) -> None:
    path = write_xy(measured(BADDELEYITE), tmp_path / "zirconia.xy")
    cell = ["5.1505", "5.2116", "5.3173", "90", "99.23", "90"]
    command = [sys.executable, "-c", "from pxrdgen.cli import main; main()", "solve", str(path), "--formula", "ZrO2"]
    process = subprocess.Popen(
        [*command, "--cell", *cell, "--z", "4", "--budget", "300"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("searching"):
            process.send_signal(signal.SIGINT)
            break
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "interrupted" in out
    result = json.loads((tmp_path / "zirconia_solution" / "result.json").read_text())
    assert result["interrupted"] is True
    best = Structure.from_file(tmp_path / "zirconia_solution" / "candidate_01.cif")
    assert best.composition.reduced_formula == "ZrO2"


def test_fluorite_is_the_same_in_its_cubic_and_in_its_primitive_cell() -> None:
    pattern = measured(FLUORITE)
    edge = 5.463 / np.sqrt(2.0)
    cubic = pxrdgen.solve(pattern, "CaF2", cell=[5.463] * 3 + [90] * 3, centring="F", z=4, budget=1)
    primitive = pxrdgen.solve(pattern, "CaF2", cell=[edge] * 3 + [60] * 3, z=1, budget=1)
    for solution in (cubic, primitive):
        assert solution.verdict == "solved"
        assert solution.best.space_group_number == 225
        assert STRICT.fit(crystal_to_pymatgen(solution.best.crystal), FLUORITE)
        assert solution.best.conventional.cell.a == pytest.approx(5.463, abs=2e-3)
    assert cubic.best.refinement.r_wp == pytest.approx(primitive.best.refinement.r_wp, rel=1e-3)


def test_baddeleyite_is_the_same_as_p21_c_and_as_p21_n_and_stays_in_the_users_setting(run, tmp_path) -> None:
    """The cell choices differ by c -> -a - c; the CIF keeps the one that was given."""
    write_xy(measured(BADDELEYITE), tmp_path / "zirconia.xy")
    other = Lattice(np.array([[1, 0, 0], [0, -1, 0], [-1, 0, -1]]) @ BADDELEYITE.lattice.matrix)
    settings = {"P21/c": BADDELEYITE.lattice.parameters, "P21/n": other.parameters}
    for number, (symbol, parameters) in enumerate(settings.items()):
        numbers = " ".join(f"{value:.4f}" for value in parameters)
        words = ("--formula", "ZrO2", "--cell", numbers, "--z", "4", "--space-group", symbol, "--budget", "3")
        assert run("solve", "zirconia.xy", *words, "--out", f"answer{number}") == 0
        cif = tmp_path / f"answer{number}" / "candidate_01.cif"
        block = gemmi.cif.read(str(cif)).sole_block()
        written = gemmi.cif.as_string(block.find_value("_space_group_name_H-M_alt"))
        assert written.replace(" ", "") in (symbol, symbol.replace("P", "P1") + "1")
        found = Structure.from_file(cif)
        assert STRICT.fit(found, BADDELEYITE)
        assert found.lattice.parameters == pytest.approx(parameters, abs=0.02)


def test_numbers_after_an_option_are_taken_together() -> None:
    words = ["--cell", "3", "3", "5", "90", "90", "120", "--range", "10", "70", "7.xy", "--seed", "5"]
    assert numbers_joined(words) == ["--cell", "3 3 5 90 90 120", "--range", "10 70", "7.xy", "--seed", "5"]
    assert numbers_joined(["--range", "10:70", "--cell"]) == ["--range", "10:70", "--cell"]


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
    pattern = measured(SALT)
    stated = pxrdgen.PowderPattern(
        two_theta=pattern.two_theta,
        intensity=pattern.intensity,
        instrument=pxrdgen.Instrument(radiation=pxrdgen.Radiation(wavelengths=(0.7,))),
        metadata={"radiation_source": "file"},
    )
    assert with_instrument(stated, "laboratory").instrument.radiation.wavelength == 0.7
    assert with_instrument(stated, "laboratory").instrument.u == LABORATORY.u
    assert with_instrument(stated, str(path)).instrument.radiation.wavelength == 1.5405


def test_a_known_impurity_is_taken_off_before_solving(run, capsys, tmp_path) -> None:
    """Fluorite with a third of rock salt: the impurity's lines are its own, its cell 0.1 % larger than its CIF says."""
    swollen = SALT.copy()
    swollen.scale_lattice(SALT.volume * 1.001**3)
    main_phase, other = measured(FLUORITE), measured(swollen)
    mixed = pxrdgen.PowderPattern(
        two_theta=main_phase.two_theta, intensity=main_phase.intensity + np.round(other.intensity / 3.0)
    )
    write_xy(mixed, tmp_path / "mixed.xy")
    SALT.to(filename=str(tmp_path / "salt.cif"))
    words = (
        "--formula",
        "CaF2",
        "--cell",
        "5.463 5.463 5.463 90 90 90",
        "--centring",
        "F",
        "--z",
        "4",
        "--budget",
        "1",
    )
    assert run("solve", "mixed.xy", *words, "--impurity", "salt.cif", "--out", "answer") == 0
    printed = capsys.readouterr().out
    assert "Solved" in printed
    assert "impurity" in printed
    assert "scaled by 1.0010" in printed
    assert STRICT.fit(Structure.from_file(tmp_path / "answer" / "candidate_01.cif"), FLUORITE)
    result = json.loads((tmp_path / "answer" / "result.json").read_text())
    assert result["candidates"][0]["refinement"]["gof"] < 1.5


def test_an_impurity_that_is_no_cif_is_refused(run, capsys, salt_file) -> None:
    assert run("solve", salt_file, "--formula", "NaCl", *SALT_CELL, "--impurity", salt_file) == 2
    assert "CIF" in capsys.readouterr().err
