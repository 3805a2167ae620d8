"""Plugins written for interface version 1, as ``pxrdgen plugins new`` wrote them then: they work, and are told."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from pxrdgen.interfaces import GeneratorAbilities
from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.plugins import PluginSource, Registry
from pxrdgen.plugins.components import OldInterfaceWarning
from pxrdgen.plugins.loading import load_target
from pxrdgen_testing import conformance

KINDS = [ComponentKind(word) for word in "cell-predictor cell-scorer encoder generator reader refiner".split()]
THE_ONE_IT_FAILS = "it states the interface it was written for"


@pytest.fixture
def _forgotten(monkeypatch: pytest.MonkeyPatch, repository: Path) -> None:
    """The old plugins can be imported, and no old name has been imported before."""
    folder = str(repository / "tests" / "fixtures" / "version_1_plugins")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", folder, prepend=":")
    for name in [
        name for name, module in sys.modules.items() if name.startswith("pxrdgen.") and module.__name__ != name
    ]:
        monkeypatch.delitem(sys.modules, name)


def registry_of(kind: ComponentKind) -> Registry:
    package = f"pxrdgen_old_{kind.value.replace('-', '_')}"
    source = PluginSource(name=package, distribution="old", version="0", load=lambda: importlib.import_module(package))
    return Registry([source])


@pytest.mark.usefixtures("_forgotten")
@pytest.mark.filterwarnings("ignore::pxrdgen.plugins.components.OldInterfaceWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_a_plugin_of_version_1_conforms_but_for_its_version(kind: ComponentKind) -> None:
    with pytest.warns(OldInterfaceWarning, match="version 1, this pxrdgen speaks 2"):
        checks = conformance(kind, f"old-{kind.value}", registry=registry_of(kind))
    assert THE_ONE_IT_FAILS in [str(check) for check in checks]
    for check in checks:
        if str(check) != THE_ONE_IT_FAILS:
            check()


@pytest.mark.usefixtures("_forgotten")
def test_what_a_generator_of_version_1_can_do_is_read_from_its_class() -> None:
    with pytest.warns(OldInterfaceWarning):
        component = registry_of(ComponentKind.GENERATOR).resolve(ComponentKind.GENERATOR, "old-generator")
    assert load_target(component).abilities == GeneratorAbilities(can_renoise=True, proposals_per_candidate=4)


@pytest.mark.usefixtures("_forgotten")
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("pxrdgen.components", "pxrdgen.plugins.components"),
        ("pxrdgen.crystal", "pxrdgen.values.crystal"),
        ("pxrdgen.cells.values", "pxrdgen.values.cells"),
        ("pxrdgen.diffraction", "pxrdgen_crystallography.diffraction"),
    ],
)
def test_an_old_name_is_the_new_module_and_says_so(old: str, new: str) -> None:
    with pytest.warns(DeprecationWarning, match=f"{old} is {new} since"):
        module = importlib.import_module(old)
    assert module is importlib.import_module(new)
    assert module.__name__ == module.__spec__.name == new


@pytest.mark.usefixtures("_forgotten")
def test_the_suites_keep_their_old_name_for_good(recwarn: pytest.WarningsRecorder) -> None:
    assert importlib.import_module("pxrdgen.testing").conformance is conformance
    assert importlib.import_module("pxrdgen.testing.samples") is importlib.import_module("pxrdgen_testing.samples")
    assert not recwarn.list


def test_names_that_never_were_are_not_found() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"pxrdgen\.nonsense"):
        importlib.import_module("pxrdgen.nonsense")
