"""The picture of the house, kept true: who imports whom, and what stays light."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

import pxrdgen

HEAVY = ("torch", "pymatgen", "matplotlib", "scipy", "gemmi", "mlflow", "pandas")
SHOW_HEAVY = f"import sys; print([name for name in {HEAVY!r} if name in sys.modules])"
RUN = """
from pxrdgen_app.cli import main
try:
    main({arguments!r})
except SystemExit as left:
    assert not left.code, left
"""


def python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_contracts_hold(repository: Path) -> None:
    lint_imports = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    if lint_imports is None:
        pytest.skip("import-linter is not installed; it comes with the dev extra")
    done = subprocess.run(
        [lint_imports, "--no-cache"], cwd=repository, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout


def test_importing_pxrdgen_loads_nothing_heavy() -> None:
    assert python(f"import pxrdgen\n{SHOW_HEAVY}").splitlines()[-1] == "[]"


@pytest.mark.parametrize("arguments", [["--help"], ["plugins", "list"], ["spec", "schema"], ["cite"]], ids=" ".join)
def test_light_commands_load_nothing_heavy(arguments: list[str]) -> None:
    assert python(RUN.format(arguments=arguments) + SHOW_HEAVY).splitlines()[-1] == "[]"


def seconds(code: str) -> float:
    start = time.perf_counter()
    python(code)
    return time.perf_counter() - start


def test_help_takes_under_half_the_time_of_importing_torch() -> None:
    # in turn, so that a busy spell meets both; the quickest of each was disturbed least
    pairs = [(seconds("from pxrdgen_app.cli import main; main(['--help'])"), seconds("import torch")) for _ in range(3)]
    help_time, torch_time = (min(times) for times in zip(*pairs, strict=True))
    assert help_time < torch_time / 2, f"help {help_time:.2f} s, torch {torch_time:.2f} s"


@pytest.mark.parametrize("name", pxrdgen.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(pxrdgen, name) is not None


def test_a_public_name_that_is_not_there_is_an_attribute_error() -> None:
    assert not hasattr(pxrdgen, "no_such_name")


def test_the_version_is_said_once(repository: Path) -> None:
    assert f'\nversion = "{pxrdgen.__version__}"\n' in (repository / "pyproject.toml").read_text()


def test_constraints_name_every_requirement_exactly(repository: Path) -> None:
    pinned = {
        re.sub(r"[-_.]+", "-", line.split("==")[0]).lower()
        for line in (repository / "constraints.txt").read_text().splitlines()
        if "==" in line
    }
    text = (repository / "pyproject.toml").read_text()
    table = text[text.index("\ndependencies = [") : text.index("[project.scripts]")]
    required = {re.sub(r"[-_.]+", "-", name).lower() for name in re.findall(r'"([\w.-]+)(?:>=[\d.]+)?"', table)}
    assert len(required) > 20
    assert required <= pinned, required - pinned


@pytest.mark.parametrize("package", ["interfaces", "plugins", "specs", "values"])
def test_the_doors_for_plugin_authors_load_nothing_heavy_and_hold_what_they_name(package: str) -> None:
    assert python(f"import pxrdgen.{package}\n{SHOW_HEAVY}").splitlines()[-1] == "[]"
    door = importlib.import_module(f"pxrdgen.{package}")
    assert all(getattr(door, name) is not None for name in door.__all__)
