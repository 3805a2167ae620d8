"""``pxrdgen solve`` refuses what cannot be used in a sentence, before it searches."""

from __future__ import annotations

import os

import pytest

from pxrdgen.errors import CellError
from pxrdgen_app.cli.pattern_options import cell_option, numbers_joined

from .laboratory import SALT_CELL


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


def test_an_impurity_that_is_no_cif_is_refused(run, capsys, salt_file) -> None:
    assert run("solve", salt_file, "--formula", "NaCl", *SALT_CELL, "--impurity", salt_file) == 2
    assert "CIF" in capsys.readouterr().err


def test_numbers_after_an_option_are_taken_together() -> None:
    words = ["--cell", "3", "3", "5", "90", "90", "120", "--range", "10", "70", "7.xy", "--seed", "5"]
    assert numbers_joined(words) == ["--cell", "3 3 5 90 90 120", "--range", "10 70", "7.xy", "--seed", "5"]
    assert numbers_joined(["--range", "10:70", "--cell"]) == ["--range", "10:70", "--cell"]


def test_a_cell_is_read_as_indexing_programs_print_it() -> None:
    words = ["--cell", "8.4832(1)", "5.4004(1)", "6.9623(12)", "90", "99.20(1)°", "90", "--z", "4"]
    assert numbers_joined(words)[:3] == ["--cell", "8.4832(1) 5.4004(1) 6.9623(12) 90 99.20(1)° 90", "--z"]
    for text in (
        numbers_joined(words)[1],
        "a = 8.4832(1), b = 5.4004(1), c = 6.9623(12), alpha = 90, beta = 99.20(1), gamma = 90",
    ):
        assert cell_option(text).parameters == (8.4832, 5.4004, 6.9623, 90.0, 99.2, 90.0)
    with pytest.raises(CellError, match="six numbers"):
        cell_option("8.48(x) 5.40 6.96 90 90 90")
