"""The kit for plugin authors: suites that built-in components pass and misbehaving ones do not, and templates."""

from __future__ import annotations

import functools
import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import BaseModel, ConfigDict
from typer.testing import CliRunner

from pxrdgen.errors import BrokenPluginError, ConformanceError, OptionError, UnknownComponentError
from pxrdgen.interfaces.cell_predictor import CellPredictor
from pxrdgen.interfaces.cell_scorer import CellScorer
from pxrdgen.interfaces.encoder import PatternEncoder
from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.interfaces.reader import PatternReader
from pxrdgen.interfaces.refiner import Refiner
from pxrdgen.interfaces.structure_generator import StructureGenerator
from pxrdgen.plugins.components import ComponentRecord
from pxrdgen.plugins.registry import Registry, default_registry
from pxrdgen.plugins.sources import PluginSource
from pxrdgen.values.candidates import CandidateBatch
from pxrdgen.values.cell import UnitCell
from pxrdgen.values.cells import CellHypothesis
from pxrdgen.values.pattern_batch import PatternFeatures
from pxrdgen_app.cli.plugins import app
from pxrdgen_testing import conformance, covered_kinds
from pxrdgen_testing.plugin_template.distribution import distribution_files, template_kinds, write_distribution

KINDS_IN_TREE = ("reader", "generator", "refiner", "encoder", "structure-encoder", "cell-predictor", "cell-scorer")


class PlainOptions(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CarelessOptions(BaseModel):
    verbosity: int = 0


@functools.cache
def failures(kind: ComponentKind, target: type, options: type[BaseModel] = PlainOptions) -> tuple[str, ...]:
    """Messages of the checks that a class fails."""
    record = ComponentRecord(
        kind=kind, name="odd", target=f"{__name__}:{target.__name__}", options=options, summary="odd"
    )
    registry = Registry([PluginSource.of("odd", record)])
    said = []
    for check in conformance(kind, "odd", registry=registry):
        try:
            check()
        except ConformanceError as error:
            said.append(str(error))
    return tuple(said)


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__, importlib.import_module(__name__)))


class NotANumber(StructureGenerator):
    def __init__(self, options: BaseModel) -> None:
        del options

    def generate(self, problem, target, count, rng):  # type: ignore[no-untyped-def]
        del target, rng
        return CandidateBatch(frac_coords=torch.full((count, problem.num_atoms, 3), torch.nan), origin=("x",) * count)


class WrongShape(NotANumber):
    def generate(self, problem, target, count, rng):  # type: ignore[no-untyped-def]
        del problem, target, rng
        return CandidateBatch(frac_coords=torch.zeros(count, 3), origin=("x",) * count)


class GlobalDice(NotANumber):
    def generate(self, problem, target, count, rng):  # type: ignore[no-untyped-def]
        del target, rng
        return CandidateBatch(frac_coords=torch.rand(count, problem.num_atoms, 3), origin=("x",) * count)


class NotAPart(Refiner):
    def __init__(self, options: BaseModel) -> None:
        del options

    def refine(self, measurement, starts):  # type: ignore[no-untyped-def]
        del measurement, starts
        raise ZeroDivisionError


class Credulous(PatternReader):
    suffixes = (".XY",)

    def __init__(self, options: BaseModel) -> None:
        del options

    def sniff(self, head: bytes, suffix: str) -> float:
        return float(len(head)) + len(suffix)

    def read(self, path: Path):  # type: ignore[no-untyped-def]
        return path.read_text(encoding="utf-8")


class Forgetful(PatternEncoder, torch.nn.Module):
    def __init__(self, options: BaseModel) -> None:
        super().__init__()
        del options

    @property
    def width(self) -> int:
        return 4

    def encode(self, patterns):  # type: ignore[no-untyped-def]
        return PatternFeatures(vector=torch.rand(len(patterns), 3))


class Stubborn(CellPredictor):
    def __init__(self, options: BaseModel) -> None:
        del options

    def predict(self, problem, count, rng):  # type: ignore[no-untyped-def]
        del problem, rng
        return [CellHypothesis(cell=UnitCell(40, 40, 40), origin="stubborn")] * (count + 1)


class Backwards(CellScorer):
    def __init__(self, options: BaseModel) -> None:
        del options

    def score(self, problem, hypotheses):  # type: ignore[no-untyped-def]
        del problem
        return np.arange(len(hypotheses), dtype=np.float64)


@pytest.mark.parametrize(
    ("kind", "target", "said"),
    [
        (ComponentKind.GENERATOR, NotANumber, "coordinates that are not numbers"),
        (ComponentKind.GENERATOR, WrongShape, "got frac_coords of shape (6, 3), expected at most 6 x 6 x 3"),
        (ComponentKind.GENERATOR, GlobalDice, "other candidates for the same seed"),
        (ComponentKind.GENERATOR, GlobalDice, "global random state changed"),
        (ComponentKind.REFINER, NotAPart, "the component fails with ZeroDivisionError"),
        (ComponentKind.READER, Credulous, "expected at least one, lower case"),
        (ComponentKind.READER, Credulous, "expected 0 to 1"),
        (ComponentKind.READER, Credulous, "expected PatternError"),
        (ComponentKind.ENCODER, Forgetful, "got vectors of shape (2, 3), expected (2, 4)"),
        (ComponentKind.ENCODER, Forgetful, "switch dropout off in eval()"),
        (ComponentKind.CELL_PREDICTOR, Stubborn, "expected at most the 20 asked for"),
        (ComponentKind.CELL_PREDICTOR, Stubborn, "for a pattern without peaks"),
        (ComponentKind.CELL_SCORER, Backwards, "for the true cell"),
        (ComponentKind.CELL_SCORER, Backwards, "depend on the order"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else str(value)[:24],
)
def test_misbehaviour_is_found_and_named(kind: ComponentKind, target: type, said: str) -> None:
    messages = failures(kind, target)
    assert any(said in message for message in messages), messages


def test_careless_options_are_found() -> None:
    messages = failures(ComponentKind.GENERATOR, GlobalDice, CarelessOptions)
    assert any("options without a description: verbosity" in message for message in messages)


def built_in() -> Iterator[tuple[str, str]]:
    """Kind and name of every component of this distribution whose kind has a suite."""
    for kind in covered_kinds():
        for component in default_registry().components(kind):
            if component.distribution == "pxrdgen":
                yield kind.value, component.record.name


@pytest.mark.parametrize(("kind", "name"), list(built_in()))
def test_built_in_components_conform(kind: str, name: str) -> None:
    if name == "gsas2" and "PXRDGEN_GSAS2_PYTHON" not in os.environ:
        pytest.skip("needs GSAS-II: set PXRDGEN_GSAS2_PYTHON to the interpreter that has it")
    try:
        default_registry().build(ComponentKind(kind), name)
    except UnknownComponentError as error:
        pytest.skip(f"its weights are not installed: {error}")
    except BrokenPluginError as error:
        if "pip install" not in str(error):
            raise
        pytest.skip(str(error))
    for check in conformance(kind, name):
        check()


def test_every_interface_has_a_suite() -> None:
    assert {kind.value for kind in covered_kinds()} == set(KINDS_IN_TREE)


@pytest.mark.parametrize("kind", template_kinds())
def test_a_new_distribution_conforms_as_written(
    kind: ComponentKind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"brand-new-{kind.value}"
    written = write_distribution(name, kind, tmp_path / "plugin")
    assert "pyproject.toml" in written
    monkeypatch.syspath_prepend(str(tmp_path / "plugin" / "src"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "plugin" / "src"), prepend=os.pathsep)
    package = f"pxrdgen_{name.replace('-', '_')}"
    source = PluginSource(
        name=package, distribution=f"pxrdgen-{name}", version="0", load=lambda: importlib.import_module(package)
    )
    checks = conformance(kind, name, registry=Registry([source]))
    assert len(checks) > 7
    for check in checks:
        check()


def test_the_example_is_what_the_command_writes(repository: Path) -> None:
    folder = repository / "examples" / "plugin-template"
    expected = distribution_files("my-encoder", ComponentKind.ENCODER)
    tracked = {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in folder.rglob("*")
        if path.is_file() and not {"__pycache__", "build"} & set(path.parts) and ".egg-info" not in str(path)
    }
    assert tracked == expected


@pytest.mark.parametrize("name", ["", "My-encoder", "1st", "a b", "../up", "class", "my--encoder"])
def test_bad_names_write_nothing(name: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="expected lower-case words"):
        write_distribution(name, ComponentKind.ENCODER, tmp_path / "plugin")
    assert not (tmp_path / "plugin").exists()


def test_kinds_without_a_template_say_which_have_one() -> None:
    with pytest.raises(OptionError, match="no template; expected one of"):
        distribution_files("mine", ComponentKind.WEIGHTS)


def test_unknown_kinds_and_names_offer_the_nearest() -> None:
    with pytest.raises(UnknownComponentError, match="did you mean 'generator'"):
        conformance("generater", "direct_space")
    with pytest.raises(UnknownComponentError, match="did you mean 'direct_space'"):
        conformance("generator", "direct-space")


def test_the_command_checks_and_says_so() -> None:
    done = CliRunner().invoke(app, ["check", "columns"])
    assert done.exit_code == 0, done.output
    assert "garbage is refused in words" in done.output
    assert "it conforms" in done.output


def test_the_command_writes_and_says_what_next(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["new", "my-reader", "--kind", "reader", "--out", str(tmp_path / "mine")])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "mine" / "src" / "pxrdgen_my_reader" / "component.py").is_file()
    assert "pxrdgen plugins check my-reader" in done.output
