"""``pxrdgen solve`` writes what can be solved, in the setting of the user, and what it has when interrupted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import gemmi
import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

import pxrdgen
from pxrdgen_crystallography.symmetry.pymatgen_structure import crystal_to_pymatgen

from .laboratory import BADDELEYITE, FLUORITE, SALT, SALT_CELL, STRICT, measured, write_xy


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
    command = [
        sys.executable,
        "-c",
        "from pxrdgen_app.cli import main; main()",
        "solve",
        str(path),
        "--formula",
        "ZrO2",
    ]
    process = subprocess.Popen(
        [*command, "--cell", *cell, "--z", "4", "--budget", "300"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        # a background job of a shell is started deaf to Ctrl-C, and its children inherit that
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
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
    cell = ("--cell", "5.463 5.463 5.463 90 90 90", "--centring", "F", "--z", "4")
    words = ("--formula", "CaF2", *cell, "--budget", "1")
    assert run("solve", "mixed.xy", *words, "--impurity", "salt.cif", "--out", "answer") == 0
    printed = capsys.readouterr().out
    assert "Solved" in printed
    assert "impurity" in printed
    assert "scaled by 1.0010" in printed
    assert STRICT.fit(Structure.from_file(tmp_path / "answer" / "candidate_01.cif"), FLUORITE)
    result = json.loads((tmp_path / "answer" / "result.json").read_text())
    assert result["candidates"][0]["refinement"]["gof"] < 1.5
