"""The names and paths that the pages of documentation mention, looked up in the house as it is."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

import pxrdgen

PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "docs/first-structure.md",
    "docs/how-a-pattern-becomes-a-structure.md",
    "docs/write-a-plugin.md",
)
STORY = "docs/how-a-pattern-becomes-a-structure.md"
ROOMS = "core|crystallography|files|learning|solver|conformance|app|plugins|benchmarks|tests|examples|docs"


def names_on(page: str) -> list[str]:
    return sorted(set(re.findall(r"`(pxrdgen\w*(?:\.\w+)+)(?:\(.*?\))?`", page)))


def paths_on(page: str) -> list[str]:
    return sorted(set(re.findall(rf"(?<![\w./-])((?:{ROOMS})/[\w./-]*[\w/])", page)))


def look_up(name: str) -> object:
    """A module, or an attribute of the innermost module that a dotted name begins with."""
    parts = name.split(".")
    found: object = importlib.import_module(parts[0])
    for depth, part in enumerate(parts[1:], start=2):
        if not hasattr(found, part):
            importlib.import_module(".".join(parts[:depth]))
        found = getattr(found, part)
    return found


@pytest.mark.parametrize("page", PAGES)
def test_the_names_on_a_page_can_be_imported(repository: Path, page: str) -> None:
    names = names_on((repository / page).read_text())
    assert names
    for name in names:
        look_up(name)


def test_the_paths_on_the_pages_are_there(repository: Path) -> None:
    pages = [repository / "README.md", repository / "CONTRIBUTING.md", *(repository / "docs").glob("*.md")]
    told = [(page, path) for page in pages for path in paths_on(page.read_text())]
    assert len(told) > 30
    present = {root / path for page, path in told for root in (repository, page.parent) if (root / path).exists()}
    missing = [(page.name, path) for page, path in told if not {repository / path, page.parent / path} & present]
    assert not missing


def test_a_name_or_a_path_that_is_gone_would_be_seen() -> None:
    assert names_on("by `pxrdgen_solver.loop.gone.solve` and `pxrdgen.solve(pattern)`") == [
        "pxrdgen.solve",
        "pxrdgen_solver.loop.gone.solve",
    ]
    assert paths_on("in `core/pxrdgen/gone.py`, see ../docs/x.md") == ["core/pxrdgen/gone.py"]
    with pytest.raises(ModuleNotFoundError):
        look_up("pxrdgen_solver.loop.gone.solve")


def test_the_story_names_a_function_of_every_step(repository: Path) -> None:
    names = names_on((repository / STORY).read_text())
    rooms = {name.split(".")[0] for name in names}
    assert {"pxrdgen", "pxrdgen_app", "pxrdgen_crystallography", "pxrdgen_files", "pxrdgen_solver"} <= rooms
    assert {"pxrdgen_generators", "pxrdgen_refiners"} <= rooms
    assert len(names) > 40


def test_the_numbers_of_the_story_are_those_of_its_run(repository: Path, tmp_path: Path) -> None:
    page = (repository / STORY).read_text()
    code = re.findall(r"^```python\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)
    told: dict[str, pxrdgen.Solution] = {}
    exec("\n".join(code), told)  # noqa: S102 - the page's own lines
    solution = told["solution"]
    first, second = solution.candidates[:2]
    assert solution.verdict.value in page
    assert solution.provenance["rounds"] == 8
    assert "ends the\nsearch after 8 of 40 rounds" in page
    assert (first.space_group_symbol, second.space_group_symbol) == ("P -3 m 1", "P 6 m m")
    assert f"Rwp {first.refinement.r_wp:.3f} and {second.refinement.r_wp:.3f}" in page
    assert f"{first.score:.0f} for P -3 m 1, {second.score:.0f} for P 6 m m" in page
    assert f"{solution.evidence.excess:.2f} times" in page
    assert f"{first.conventional.cell.a:.4f} and {first.conventional.cell.c:.4f} Å" in page
