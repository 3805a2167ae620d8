"""The command line: what it prints, what it exits with, and a stranger's plugin seen through it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pxrdgen import __version__
from pxrdgen.errors import OptionError
from pxrdgen_app.cli import main
from pxrdgen_app.cli.commands import COMMANDS, CommandRow

Captured = pytest.CaptureFixture[str]


def exit_code(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    return int(left.value.code or 0)


def test_version(capsys: Captured) -> None:
    assert exit_code("--version") == 0
    assert capsys.readouterr().out == f"pxrdgen {__version__}\n"


def test_help_has_one_line_for_each_command(capsys: Captured) -> None:
    assert exit_code("--help") == 0
    text = capsys.readouterr().out
    assert all(row.name in text and row.summary.split()[0] in text for row in COMMANDS)


@pytest.mark.parametrize(
    "words", [["plugins", "list"], ["plugins", "show"], ["spec", "show"], ["spec", "schema"], ["doctor"], ["cite"]]
)
def test_every_help_text_has_an_example(words: list[str], capsys: Captured) -> None:
    assert exit_code(*words, "--help") == 0
    assert f"pxrdgen {' '.join(words)}" in capsys.readouterr().out.split("Example")[1]


def test_an_unknown_command_is_bad_input(capsys: Captured) -> None:
    assert exit_code("frobnicate") == 2
    assert "frobnicate" in capsys.readouterr().err


def test_a_row_without_its_module_fails_in_one_sentence(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    row = CommandRow(name="future", module="pxrdgen_app.cli.not_written", summary="Later.")
    monkeypatch.setattr("pxrdgen_app.cli.lazy_group.COMMANDS", (row,))
    assert exit_code("future") == 1
    assert capsys.readouterr().err == (
        "pxrdgen: 'pxrdgen future' is not part of this installation (no module pxrdgen_app.cli.not_written)\n"
    )


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (OptionError("got a, expected b"), 2, "pxrdgen: got a, expected b\n"),
        (KeyboardInterrupt(), 130, ""),
        (FileNotFoundError(2, "No such file or directory", "x.cif"), 2, "pxrdgen: cannot use x.cif: No such file"),
    ],
)
def test_errors_become_one_message_and_their_exit_code(
    error: BaseException, code: int, said: str, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("pxrdgen_app.cli.cite.citations", fail)
    assert exit_code("cite") == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(said)
    assert "Traceback" not in captured.err


def test_cite_prints_bibtex_of_what_is_asked_for(capsys: Captured) -> None:
    assert exit_code("cite", "gsas2") == 0
    text = capsys.readouterr().out
    assert text.count("@") == 1
    assert "10.1107/S0021889813003531" in text
    assert exit_code("cite", "gsas") == 2
    assert "did you mean 'gsas2'" in capsys.readouterr().err


def test_every_citation_is_balanced_bibtex_under_its_key(capsys: Captured) -> None:
    exit_code("cite", "--list")
    keys = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    exit_code("cite")
    entries = capsys.readouterr().out.strip().split("\n\n")
    assert [entry.split("{")[1].split(",")[0] for entry in entries] == keys
    assert all(entry.count("{") == entry.count("}") for entry in entries)


def test_spec_show_completes_a_file_and_refuses_a_wrong_one(tmp_path: Path, capsys: Captured) -> None:
    wrong = tmp_path / "wrong.yml"
    wrong.write_text("candidats: 3")
    assert exit_code("spec", "show", str(wrong)) == 2
    assert "did you mean 'candidates'" in capsys.readouterr().err


def test_spec_schema_is_json(capsys: Captured) -> None:
    assert exit_code("spec", "schema") == 0
    assert "generators" in json.loads(capsys.readouterr().out)["properties"]


def test_doctor_reports_as_json_and_knows_a_wrong_gsas2_interpreter(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PXRDGEN_GSAS2_PYTHON", str(tmp_path / "python"))
    assert exit_code("doctor", "--json") == 1
    found = {finding["subject"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert found["GSAS-II"]["state"] == "wrong"
    assert found["pxrdgen"]["detail"] == __version__
    assert found["torch"]["state"] == "ok"


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """A third party's distribution, installed by pip into a folder of its own, with a broken one beside it."""
    work = tmp_path_factory.mktemp("stranger")
    source, target = work / "source", work / "site"
    shutil.copytree(repository / "tests/fixtures/thirdparty_plugin", source)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", str(target), str(source)], check=True, stdin=subprocess.DEVNULL, timeout=120)
    broken = target / "pxrdgen_broken-0.1.dist-info"
    broken.mkdir()
    (broken / "METADATA").write_text("Metadata-Version: 2.1\nName: pxrdgen-broken\nVersion: 0.1\n")
    (broken / "entry_points.txt").write_text("[pxrdgen.plugins]\nbroken = pxrdgen_broken\n")
    (target / "pxrdgen_broken.py").write_text("import libfoo_that_is_nowhere\n")
    return target


def command(site: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    paths = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.run(
        [sys.executable, "-c", "from pxrdgen_app.cli import main; main()", *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )


def test_a_strangers_plugin_shows_in_the_list_beside_a_broken_one(stranger: Path) -> None:
    done = command(stranger, "plugins", "list", "--json")
    assert done.returncode == 0, done.stderr
    listing = json.loads(done.stdout)
    found = {component["qualified_name"]: component for component in listing["components"]}
    assert found["pxrdgen-lattice-gas:lattice_gas"]["version"] == "1.2.3"
    assert found["pxrdgen-lattice-gas:lattice_gas"]["compatibility"] == "current"
    [trouble] = [report for report in listing["not_loaded"] if report["plugin"] == "broken"]
    assert "libfoo_that_is_nowhere" in trouble["error"]


def test_the_table_for_people_shows_both(stranger: Path) -> None:
    done = command(stranger, "plugins", "list")
    assert "pxrdgen-lattice-gas 1.2.3" in done.stdout
    assert "broken: plugin 'broken' of pxrdgen-broken 0.1: ModuleNotFoundError" in done.stdout


def test_a_strangers_options_are_shown_and_enter_the_schema(stranger: Path) -> None:
    assert (
        "spacing (default 0.25): distance of the grid points"
        in command(stranger, "plugins", "show", "lattice_gas").stdout
    )
    assert (
        "generator_pxrdgen_lattice_gas_lattice_gas" in json.loads(command(stranger, "spec", "schema").stdout)["$defs"]
    )


def test_a_spec_may_name_a_strangers_plugin(stranger: Path, tmp_path: Path) -> None:
    spec = tmp_path / "run.yml"
    spec.write_text("generators: [{plugin: lattice_gas, options: {spacng: 0.5}}]\n")
    refused = command(stranger, "spec", "show", str(spec))
    assert refused.returncode == 2
    assert "did you mean 'spacing'" in refused.stderr


def test_a_strangers_command_joins_the_command_line(stranger: Path) -> None:
    assert "greet" in command(stranger, "--help").stdout
    done = command(stranger, "greet", "Miller")
    assert (done.returncode, done.stdout) == (0, "hello Miller\n")


def test_a_strangers_task_is_measured_and_tabled(stranger: Path, tmp_path: Path) -> None:
    assert "coins          throws of a coin" in command(stranger, "bench", "list").stdout
    suite = tmp_path / "coins.yml"
    suite.write_text("{name: coins, task: 'pxrdgen-lattice-gas:coins', base: {bias: 0.5}, grid: {bias: [0.25, 0.5]}}")
    out = tmp_path / "out"
    done = command(stranger, "bench", "run", str(suite), "--out", str(out), "--workers", "0", "--tracker", "none")
    assert done.returncode == 0, done.stderr
    rates = [line.split(" | ") for line in (out / "tables" / "rates.md").read_text().splitlines() if "bias=" in line]
    assert [(row[0], row[2], row[-1].split(" ")[0]) for row in rates] == [
        ("| bias=0.25", "heads", "25.0"),
        ("| bias=0.5", "heads", "50.0"),
    ], "the lost coin counts as a miss"
    assert "LookupError: the coin is gone" in (out / "tables" / "failures.md").read_text()
    assert "0.5 / 0.5 (3)" in (out / "tables" / "numbers.md").read_text()


def test_a_strangers_works_are_cited(stranger: Path) -> None:
    assert command(stranger, "cite", "ars").stdout.startswith("@book{ars")
    assert "ars " in command(stranger, "cite", "--list").stdout


def test_the_environment_blocks_a_distribution_or_an_entry_point(stranger: Path) -> None:
    done = command(stranger, "plugins", "list", "--json", PXRDGEN_DISABLE_PLUGINS="PXRDGen_Lattice.Gas, broken")
    listing = json.loads(done.stdout)
    assert not [c for c in listing["components"] if c["distribution"] == "pxrdgen-lattice-gas"]
    blocked = {report["plugin"] for report in listing["not_loaded"] if report["status"] == "blocked"}
    assert blocked == {"lattice_gas", "broken"}
    assert command(stranger, "greet", "Miller", PXRDGEN_DISABLE_PLUGINS="lattice_gas").returncode == 2
