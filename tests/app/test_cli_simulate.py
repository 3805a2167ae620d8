"""``pxrdgen simulate``: known lines of known crystals, and folders that are whole or absent."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from pxrdgen.errors import OutputError
from pxrdgen_app.cli import main
from pxrdgen_files.folders import result_folder

HEAD = """data_{name}
_cell_length_a {a}
_cell_length_b {a}
_cell_length_c {a}
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M '{group}'
loop_
_atom_site_label
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
"""
SALT = HEAD.format(name="salt", a=5.6402, group="F m -3 m") + "Na1 0 0 0 1\nCl1 0.5 0.5 0.5 1\n"
SILICON = HEAD.format(name="silicon", a=5.4310, group="F d -3 m:2") + "Si1 0.125 0.125 0.125 1\n"
PNG = b"\x89PNG\r\n\x1a\n"


def run(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as leaving:
        main([str(argument) for argument in arguments])
    return int(leaving.value.code or 0)


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "salt.cif").write_text(SALT)
    (tmp_path / "silicon.cif").write_text(SILICON)
    return tmp_path


def lines_of(folder: Path) -> list[dict[str, float]]:
    with (folder / "reflections.csv").open(newline="") as stream:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(stream)]


def test_silicon_shows_the_lines_of_the_standard(workplace: Path) -> None:
    """NIST SRM 640 with Cu K-alpha1: 111, 220, 311, 400, 331, 422; 200 and 222 are absent."""
    assert run("simulate", "silicon.cif", "--grid", "20", "90", "0.02", "--radiation", "CuKa1", "--out", "si") == 0
    lines = lines_of(workplace / "si")
    strong = [line for line in lines if line["intensity"] > 1.0]
    assert [tuple(int(line[i]) for i in "hkl") for line in strong] == [
        (1, 1, 1), (2, 2, 0), (3, 1, 1), (4, 0, 0), (3, 3, 1), (4, 2, 2),
    ]  # fmt: skip
    assert [line["multiplicity"] for line in strong] == [8, 12, 24, 6, 24, 24]
    angles = [28.443, 47.303, 56.122, 69.130, 76.377, 88.030]
    assert [line["two_theta"] for line in strong] == pytest.approx(angles, abs=0.01)
    theta = np.radians([line["two_theta"] for line in strong]) / 2
    lorentz_polarization = (0.3 * np.cos(2 * theta) ** 2 + 0.7) / (2 * np.sin(theta) ** 2 * np.cos(theta))
    expected = [line["multiplicity"] * line["f_squared"] / 5.431**3 for line in strong] * lorentz_polarization
    assert [line["intensity"] for line in strong] == pytest.approx(expected, rel=1e-4)
    # 8 atoms in phase, f(Si) = 8.7 electrons plus f' = 0.24 at 0.26 / A, B = 0.79 A^2
    assert strong[1]["f_squared"] == pytest.approx((8 * 8.94) ** 2 * np.exp(-2 * 0.79 * 0.2604**2), rel=0.03)


def test_the_profile_peaks_where_the_lines_are(workplace: Path) -> None:
    assert run("simulate", "salt.cif", "--out", "out") == 0
    folder = workplace / "out"
    two_theta, intensity = np.loadtxt(folder / "structure.xy", unpack=True)
    assert two_theta[[0, -1]].tolist() == [5.0, 80.0]
    assert len(two_theta) == 7501
    strongest = max(lines_of(folder), key=lambda line: line["intensity"])
    assert [strongest[i] for i in "hkl"] == [2, 0, 0]
    assert two_theta[intensity.argmax()] == pytest.approx(strongest["two_theta"], abs=0.02)
    assert intensity.min() >= 0
    assert (folder / "structure.png").read_bytes().startswith(PNG)
    assert sorted(entry.name for entry in workplace.iterdir()) == ["out", "salt.cif", "silicon.cif"]


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        (("5", "190", "0.01"), "0 to 180"),
        (("-5", "80", "0.01"), "0 to 180"),
        (("80", "5", "0.01"), "ascend"),
        (("5", "80", "-0.01"), "step above 0"),
        (("5", "80", "0"), "step above 0"),
        (("5", "80", "0.0001"), "at most 200000"),
        (("5", "80", "1e-300"), "at most 200000"),
        (("5", "80", "100"), "single point"),
        (("nan", "80", "0.01"), "finite"),
        (("5", "6", "0.01"), "no reflection"),
    ],
)
def test_grids_that_make_no_sense_are_refused(
    workplace: Path, capsys: pytest.CaptureFixture[str], grid: tuple[str, str, str], message: str
) -> None:
    assert run("simulate", "salt.cif", "--out", "out", "--grid", *grid) == 2
    assert message in capsys.readouterr().err
    assert not (workplace / "out").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SALT.replace("0 0 0 1", "0 0 0 0.4"), "ordered crystals only"),
        (SALT.replace("Na1", "Qq1"), "no element"),
        (SALT.replace("loop_", "loop_ 'x"), "not a valid CIF"),
        (SALT.replace("Na1 0 0 0 1", "".join(f"Na{n} 0.{n:04d} 0.1 0.2 1\n" for n in range(2500))), "at most 2000"),
        (SALT.replace("Na1", "Og1"), "Og|form factor"),
    ],
)
def test_unusable_structures_leave_nothing_behind(
    workplace: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    import re

    (workplace / "bad.cif").write_text(text)
    assert run("simulate", "bad.cif", "--out", "out") == 2
    error = capsys.readouterr().err
    assert re.search(message, error)
    assert "Traceback" not in error
    assert sorted(entry.name for entry in workplace.iterdir()) == ["bad.cif", "salt.cif", "silicon.cif"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.cif", "--out", "out"], "cannot be read"),
        (["salt.cif", "--out", "out", "--instrument", "gsas"], "gsas2_default"),
        (["salt.cif", "--out", "out", "--radiation", "CuXa"], "CuKa"),
        (["salt.cif", "--out", "silicon.cif"], "is a file"),
    ],
)
def test_wrong_names_are_answered_with_the_right_ones(
    workplace: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert run("simulate", *arguments) == 2
    assert message in capsys.readouterr().err
    assert not (workplace / "out").exists()


def test_an_existing_folder_is_replaced_only_by_force(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (workplace / "out").mkdir()
    (workplace / "out" / "precious.txt").write_text("mine")
    assert run("simulate", "salt.cif", "--out", "out", "--grid", "20", "60", "0.05") == 2
    assert "--force" in capsys.readouterr().err
    assert (workplace / "out" / "precious.txt").read_text() == "mine"
    assert run("simulate", "salt.cif", "--out", "out", "--grid", "20", "60", "0.05", "--force") == 0
    assert sorted(entry.name for entry in (workplace / "out").iterdir()) == [
        "reflections.csv", "structure.png", "structure.xy",
    ]  # fmt: skip


def test_a_result_folder_vanishes_when_its_work_fails(tmp_path: Path) -> None:
    def half_way() -> None:
        with result_folder(tmp_path / "deep" / "out") as folder:
            (folder / "half.txt").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half_way()
    assert list((tmp_path / "deep").iterdir()) == []


def test_a_failed_replacement_keeps_the_old_results(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with result_folder(target) as folder:
        (folder / "a.txt").write_text("old")

    def failing() -> None:
        with result_folder(target, force=True) as folder:
            (folder / "a.txt").write_text("new")
            (folder / "missing" / "b.txt").write_text("never")

    with pytest.raises(OutputError, match="cannot write"):
        failing()
    assert (target / "a.txt").read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]
