"""Grids over dotted paths, suites as files: everything shipped can be read, every slip is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from pxrdgen.errors import OptionError, UnknownComponentError
from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.plugins.registry import default_registry
from pxrdgen.specs.validation import validated
from pxrdgen_benchmarks.grid import variants
from pxrdgen_benchmarks.suite import Suite, load_suite, read_suite, shipped_suites, suite_from_yaml
from pxrdgen_benchmarks.suite_run import file_name
from pxrdgen_benchmarks.task import load_task

BASE = {"generators": [{"plugin": "direct_space"}], "refiner": {"plugin": "least_squares"}, "seed": 0}


def test_a_grid_is_every_combination_of_plugins_and_options() -> None:
    grid = {"generators.0.options.steps": [5, 50], "refiner.plugin": ["least_squares", "gsas2"]}
    found = variants(BASE, grid, {})
    assert [variant.label for variant in found] == [
        "steps=5, refiner=least_squares",
        "steps=5, refiner=gsas2",
        "steps=50, refiner=least_squares",
        "steps=50, refiner=gsas2",
    ]
    assert found[3].spec["generators"] == [{"plugin": "direct_space", "options": {"steps": 50}}]
    assert found[3].spec["refiner"] == {"plugin": "gsas2"}
    assert "options" not in BASE["generators"][0]  # type: ignore[operator]


def test_the_place_behind_a_list_adds_to_it() -> None:
    (found,) = variants(BASE, {"generators.1": [{"plugin": "flow", "options": {"steps": 9}}]}, {})
    assert found.label == "generators.1=flow(steps=9)"
    assert [part["plugin"] for part in found.spec["generators"]] == ["direct_space", "flow"]  # type: ignore[index, call-overload, union-attr]


def test_named_variants_are_combined_with_the_grid() -> None:
    found = variants(BASE, {"seed": [1, 2]}, {"a": {}, "b": {"refiner.plugin": "gsas2"}})
    assert [variant.label for variant in found] == ["a, seed=1", "a, seed=2", "b, seed=1", "b, seed=2"]
    assert found[2].spec["refiner"] == {"plugin": "gsas2"}


def test_without_a_grid_the_base_is_the_only_variant() -> None:
    (found,) = variants(BASE, {}, {})
    assert (found.label, found.spec) == ("base", BASE)


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({"generators.3.plugin": ["x"]}, "'3' for a place in a list, expected one of 0"),
        ({"generators.one": ["x"]}, "'one' for a place"),
        ({"seed.deeper": [1]}, "ends at the value 0"),
        ({"seed.deeper.still": [1]}, "goes through 'deeper'"),
        ({"seed": []}, "no values"),
        ({"seed": [1, 1]}, "two variants called 'seed=1'"),
        ({"seed": list(range(501))}, "more than 500"),
    ],
)
def test_a_slip_in_a_grid_is_named(grid: dict[str, list[object]], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        variants(BASE, grid, {})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", shipped_suites())
@pytest.mark.parametrize("size", ["small", "full"])
def test_every_shipped_suite_says_what_its_task_understands(name: str, size: str) -> None:
    suite = load_suite(name).sized(size)
    task = load_task(suite.task)
    validated(task.data_model, suite.data, name)
    for variant in suite.all_variants():
        spec = validated(task.spec_model, variant.spec, name)
        assert task.patience(spec) > 0


def test_the_ten_suites_are_there() -> None:
    assert set(shipped_suites()) >= {
        "retrieval", "generators", "cells", "challenging", "refinement", "ranking", "robustness", "measured", "speed",
    }  # fmt: skip
    assert {load_suite(name).task for name in shipped_suites()} == {
        found.record.name for found in default_registry().components(ComponentKind.TASK)
    }


def test_a_suite_of_ones_own_takes_its_name_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.yml"
    file.write_text("task: solve\nbase: {budget_s: 2}\nsizes: {small: {base: {budget_s: 1, seed: 4}}}\n")
    suite = read_suite(file)
    assert suite.name == "mine"
    assert suite.sized("full").base == {"budget_s": 2}
    assert suite.sized("small").base == {"budget_s": 1, "seed": 4}
    with pytest.raises(OptionError, match="did you mean 'small'"):
        suite.sized("smal")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("task: [", "not valid YAML"),
        ("- a list", "is a list; expected fields"),
        ("tasks: solve", "did you mean 'task'"),
        ("task: &a solve\ntitle: *a\n", "alias"),
    ],
)
def test_a_file_that_is_no_suite_is_refused(text: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        suite_from_yaml(text, "file.yml")


def test_unknown_suites_and_tasks_offer_the_nearest() -> None:
    with pytest.raises(OptionError, match="did you mean 'ranking'"):
        load_suite("rankin")
    with pytest.raises(UnknownComponentError, match="did you mean 'sampling'"):
        load_task("samplin")


def test_labels_become_file_names_that_stay_apart() -> None:
    names = {file_name(label) for label in ("a/b", "a b", "../../a", "a=1, b=2")}
    assert len(names) == 4
    assert all("/" not in name and not name.startswith(".") for name in names)


def test_a_suite_needs_a_name_that_can_be_a_folder() -> None:
    with pytest.raises(OptionError, match="name"):
        validated(Suite, {"name": "../x"}, "suite")
