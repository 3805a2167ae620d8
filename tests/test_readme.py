"""What README.md and docs/first-structure.md show does run."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pxrdgen.values.cell import UnitCell
from pxrdgen_app.cli import main
from pxrdgen_app.examples.examples import EXAMPLES, example
from pxrdgen_files.cif import read_cif


def blocks(path: Path, language: str) -> list[str]:
    """The fenced blocks of a language in a Markdown file."""
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(), flags=re.MULTILINE | re.DOTALL)


def leave(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as leaving:
        main(arguments)
    return int(leaving.value.code or 0)


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copy(example("brucite").pattern, tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", ["README.md", "docs/first-structure.md"])
def test_the_python_of_a_page_runs(repository: Path, workplace: Path, page: str) -> None:
    found = blocks(repository / page, "python")
    assert found
    code = "\n".join(found)
    done = subprocess.run([sys.executable, "-c", code], cwd=workplace, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert list(workplace.glob("*/candidate_01.cif"))


def test_the_commands_of_the_first_structure_run(repository: Path, workplace: Path) -> None:
    lines = "".join(blocks(repository / "docs/first-structure.md", "console")).splitlines()
    assert sum(line.startswith("pxrdgen solve") for line in lines) == 2
    for line in lines:
        program, *arguments = shlex.split(line)
        assert program == "pxrdgen"
        assert leave(arguments) == 0, line
    for file in ("looked_at/pattern.png", "first/report.html", "second/candidate_01.cif", "calculated/structure.xy"):
        assert (workplace / file).stat().st_size > 100


def test_the_demo_finds_the_heavy_atoms_of_brucite(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert leave(["demo", "--budget", "10"]) == 0
    printed = capsys.readouterr().out
    assert "from the file" in printed.splitlines()[0]
    within = re.search(r"Mg and O agree within (\d\.\d+) A", printed)
    assert within is not None, printed
    assert float(within[1]) < 0.15
    assert "hardly seen" in printed
    assert (workplace / "pxrdgen_demo" / "report.html").is_file()


def test_a_second_demo_leaves_the_first_alone(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (workplace / "kept").mkdir()
    (workplace / "kept" / "notes.txt").write_text("mine")
    assert leave(["demo", "--out", "kept"]) == 2
    assert "exists" in capsys.readouterr().err
    assert (workplace / "kept" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("entry", EXAMPLES, ids=lambda entry: entry.name)
def test_an_example_comes_with_its_provenance_and_a_reference_in_its_cell(entry) -> None:
    assert entry.pattern.read_text().startswith("# ")
    assert entry.reference.read_text().startswith("# Reference structure")
    volume = abs(np.linalg.det(read_cif(entry.reference).basis))
    assert volume == pytest.approx(UnitCell.from_numbers(entry.cell).volume, rel=1e-3)
