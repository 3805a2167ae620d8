"""The door: who gets in, under which name, and what is said to those who do not."""

from __future__ import annotations

import sys
import types
import warnings
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from pxrdgen.errors import (
    AmbiguousComponentError,
    BrokenPluginError,
    FormulaError,
    IncompatiblePluginError,
    OptionError,
    UnknownComponentError,
)
from pxrdgen.interfaces import Denoiser, PatternEncoder, PatternReader, Tracker
from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.plugins.components import ComponentRecord, OldInterfaceWarning
from pxrdgen.plugins.hookspecs import hookimpl
from pxrdgen.plugins.registry import Registry
from pxrdgen.plugins.sources import PluginSource, PluginStatus
from pxrdgen.specs.component import ComponentSpec

ENCODER = ComponentKind.ENCODER
READER = ComponentKind.READER


class WidthOptions(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    width: int = Field(default=8, ge=1)


class TolerantOptions(BaseModel):
    """Its author forgot to forbid unknown keys."""

    depth: int = 2


class PairOptions(BaseModel):
    encoder: ComponentSpec = ComponentSpec(plugin="cnn")
    scorers: Annotated[tuple[ComponentSpec, ...], ComponentKind.TRACKER] = ()
    fallback: Annotated[ComponentSpec | None, ComponentKind.ENCODER] = None


class NamelessOptions(BaseModel):
    helper: ComponentSpec = ComponentSpec(plugin="cnn")


class EndlessOptions(BaseModel):
    encoder: ComponentSpec = ComponentSpec(plugin="endless")


class Thing(PatternEncoder, Denoiser, Tracker):
    """Fits several sockets and does nothing in any."""

    width = 8

    def __init__(self, *options: BaseModel, **parts: object) -> None:
        self.options = options
        self.parts = parts

    def encode(self, *given: object) -> Any:
        raise NotImplementedError

    forward = open = encode


class FussyThing(Thing):
    def __init__(self, options: BaseModel) -> None:
        del options
        raise FormulaError("got nothing, expected a formula")


class FailingThing(Thing):
    def __init__(self, options: BaseModel) -> None:
        del options
        raise ZeroDivisionError("oops")


class XyReader(PatternReader):
    suffixes = (".xy",)

    def sniff(self, head: bytes, suffix: str) -> float:
        del head, suffix
        return 0.0

    def read(self, path: Path):  # type: ignore[no-untyped-def]
        raise NotImplementedError


@pytest.fixture(autouse=True)
def parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The classes above, importable as the module ``door_parts``."""
    module = types.ModuleType("door_parts")
    for name, value in list(globals().items()):
        if isinstance(value, type):
            setattr(module, name, value)
    monkeypatch.setitem(sys.modules, "door_parts", module)


def record(
    name: str, kind: ComponentKind = ENCODER, target: str = "door_parts:Thing", **more: object
) -> ComponentRecord:
    return ComponentRecord(kind=kind, name=name, target=target, **more)  # type: ignore[arg-type]


def raising(error: BaseException) -> PluginSource:
    def load() -> object:
        raise error

    return PluginSource(name="bad", distribution="bad-dist", version="3", load=load)


CNN = record("cnn", options="door_parts:WidthOptions")


def test_a_plugin_that_fails_at_import_is_listed_and_stops_nobody() -> None:
    registry = Registry([raising(ImportError("no libfoo")), PluginSource.of("good", CNN)])
    assert [plugin.status for plugin in registry.plugins] == [PluginStatus.BROKEN, PluginStatus.LOADED]
    assert "no libfoo" in registry.plugins[0].error
    assert registry.resolve(ENCODER, "cnn").distribution == "good"


def test_a_plugin_that_leaves_the_process_at_import_stops_nobody() -> None:
    registry = Registry([raising(SystemExit(0)), PluginSource.of("good", CNN)])
    assert [plugin.status for plugin in registry.plugins] == [PluginStatus.BROKEN, PluginStatus.LOADED]


@pytest.mark.parametrize(
    ("plugin", "said"),
    [
        (types.SimpleNamespace(), "implements no hook"),
        (types.SimpleNamespace(pxrdgen_components=hookimpl(lambda: ["cnn"])), "expected ComponentRecord"),
        (types.SimpleNamespace(pxrdgen_components=hookimpl(lambda: [CNN, CNN])), "twice"),
        (types.SimpleNamespace(pxrdgen_component=hookimpl(lambda: [CNN])), "unknown hook"),
        (types.SimpleNamespace(pxrdgen_components=hookimpl(lambda: 1 / 0)), "division by zero"),
    ],
)
def test_a_plugin_whose_hook_is_wrong_is_told_how(plugin: object, said: str) -> None:
    source = PluginSource(name="odd", distribution="odd", version="1", load=lambda: plugin)
    report = Registry([source]).plugins[0]
    assert report.status is PluginStatus.BROKEN
    assert said in report.error


@pytest.mark.parametrize(
    "bad", [{"name": "Two Words"}, {"target": "no_colon"}, {"options": "a.b"}, {"summary": "a\nb"}]
)
def test_a_record_that_cannot_be_used_is_refused(bad: dict[str, str]) -> None:
    good = {"name": "cnn", "target": "door_parts:Thing"}
    with pytest.raises(BrokenPluginError, match="expected"):
        ComponentRecord(kind=ENCODER, **{**good, **bad})  # type: ignore[arg-type]


def test_one_distribution_cannot_offer_a_name_twice() -> None:
    first = PluginSource.of("one", CNN, distribution="My.Dist")
    second = PluginSource.of("two", CNN, record("other"), distribution="my_dist")
    registry = Registry([first, second])
    assert registry.plugins[1].status is PluginStatus.BROKEN
    assert [component.record.name for component in registry.components()] == ["cnn"]


def test_an_ambiguous_short_name_is_an_error_that_names_both_and_other_names_work() -> None:
    registry = Registry([PluginSource.of("ours", CNN), PluginSource.of("theirs", CNN, record("wave"))])
    with pytest.raises(AmbiguousComponentError, match=r"'ours:cnn' or 'theirs:cnn'"):
        registry.resolve(ENCODER, "cnn")
    assert registry.resolve(ENCODER, "theirs:cnn").distribution == "theirs"
    assert registry.resolve(ENCODER, "wave").distribution == "theirs"


def test_the_same_name_in_two_kinds_is_not_ambiguous() -> None:
    registry = Registry([PluginSource.of("a", CNN, record("cnn", kind=ComponentKind.DENOISER))])
    assert registry.resolve(ENCODER, "cnn").record.kind is ENCODER


def test_distribution_names_compare_as_packaging_says() -> None:
    registry = Registry([PluginSource.of("p", CNN, distribution="My_Encoder.Pack")])
    assert registry.resolve(ENCODER, "my-encoder-pack:cnn").record is CNN


def test_an_unknown_name_lists_what_is_installed_and_offers_the_nearest() -> None:
    registry = Registry([PluginSource.of("a", CNN, record("transformer"))])
    with pytest.raises(UnknownComponentError, match=r"installed: cnn, transformer; did you mean 'transformer'\?"):
        registry.resolve(ENCODER, "transfromer")
    with pytest.raises(UnknownComponentError, match="no refiner 'cnn' is installed; installed: none"):
        registry.resolve(ComponentKind.REFINER, "cnn")


@pytest.mark.parametrize(("version", "works"), [(1, False), (2, True), (3, True), (4, False)])
def test_only_this_interface_version_and_the_one_before_work(version: int, works: bool) -> None:
    registry = Registry([PluginSource.of("a", record("cnn", interface_version=version))], interface_version=3)
    assert len(registry.components(ENCODER)) == 1  # listed in any case
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        if works:
            assert registry.build(ENCODER, "cnn").options == ()
        else:
            with pytest.raises(IncompatiblePluginError, match=rf"version {version}, this pxrdgen speaks 3"):
                registry.build(ENCODER, "cnn")
    assert [warning.category for warning in seen] == ([OldInterfaceWarning] if version == 2 else [])


def test_an_incompatible_namesake_does_not_make_a_name_ambiguous() -> None:
    old = PluginSource.of("old", record("cnn", interface_version=7))
    registry = Registry([old, PluginSource.of("new", CNN)])
    assert registry.resolve(ENCODER, "cnn").distribution == "new"


@pytest.mark.parametrize("blocked", ["evil-dist", "EVIL.dist", "evil_plugin"])
def test_a_blocked_plugin_is_never_imported(blocked: str) -> None:
    imported = []
    source = PluginSource(name="evil_plugin", distribution="evil_dist", version="1", load=lambda: imported.append(1))
    registry = Registry([source, PluginSource.of("good", CNN)], blocked=[blocked, ""])
    assert registry.plugins[0].status is PluginStatus.BLOCKED
    assert not imported
    assert registry.components(ENCODER)


def test_build_hands_over_checked_options_and_dependencies() -> None:
    registry = Registry([PluginSource.of("a", CNN, record("bare"))])
    built = registry.build(ENCODER, "cnn", {"width": "12"}, device="cpu")
    assert built.options == (WidthOptions(width=12),)
    assert built.parts == {"device": "cpu"}
    assert registry.build(ENCODER, "cnn", WidthOptions(width=3)).options[0].width == 3
    assert registry.build(ENCODER, "bare").options == ()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"widht": 3}, r"encoder 'cnn': options\.widht is unknown; known here: width; did you mean 'width'\?"),
        ({"width": 0}, r"options\.width is 0: input should be greater than or equal to 1"),
        ({"width": "wide"}, r"options\.width is 'wide'"),
    ],
)
def test_wrong_options_are_answered_with_path_value_and_nearest(options: dict[str, object], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        Registry([PluginSource.of("a", CNN)]).build(ENCODER, "cnn", options)


def test_unknown_keys_are_refused_even_where_the_plugin_would_swallow_them() -> None:
    registry = Registry([PluginSource.of("a", record("lax", options=TolerantOptions))])
    with pytest.raises(OptionError, match="did you mean 'depth'"):
        registry.build(ENCODER, "lax", {"dept": 3})


def test_options_of_another_component_are_refused() -> None:
    with pytest.raises(OptionError, match="expected WidthOptions"):
        Registry([PluginSource.of("a", CNN)]).build(ENCODER, "cnn", TolerantOptions())


def pair_registry() -> Registry:
    pair = record("pair", kind=ComponentKind.DENOISER, options="door_parts:PairOptions")
    scorer = record("lebail", kind=ComponentKind.TRACKER)
    return Registry([PluginSource.of("a", CNN, pair, scorer)])


def test_nested_components_are_built_first_and_passed_by_name() -> None:
    options = {"encoder": {"plugin": "cnn", "options": {"width": 5}}, "scorers": [{"plugin": "lebail"}] * 2}
    built = pair_registry().build(ComponentKind.DENOISER, "pair", options)
    assert built.parts["encoder"].options == (WidthOptions(width=5),)
    assert [type(scorer) for scorer in built.parts["scorers"]] == [Thing, Thing]
    assert built.parts["fallback"] is None


def test_a_dependency_takes_the_place_of_the_nested_component() -> None:
    mine = object()
    assert pair_registry().build(ComponentKind.DENOISER, "pair", None, encoder=mine).parts["encoder"] is mine


def test_a_wrong_option_of_a_nested_component_is_found() -> None:
    options = {"encoder": {"plugin": "cnn", "options": {"wdth": 5}}}
    with pytest.raises(OptionError, match=r"encoder 'cnn': options\.wdth is unknown"):
        pair_registry().build(ComponentKind.DENOISER, "pair", options)


def test_a_nested_component_of_no_known_kind_is_the_plugins_fault() -> None:
    registry = Registry([PluginSource.of("a", CNN, record("odd", options=NamelessOptions))])
    with pytest.raises(BrokenPluginError, match="'helper' of NamelessOptions"):
        registry.build(ENCODER, "odd")


def test_a_component_that_nests_itself_for_ever_is_stopped() -> None:
    registry = Registry([PluginSource.of("a", record("endless", options=EndlessOptions))])
    with pytest.raises(OptionError, match="does a default name itself"):
        registry.build(ENCODER, "endless")


@pytest.mark.parametrize("target", ["no_such_module:Thing", "door_parts:NoSuchThing"])
def test_a_target_that_is_not_there_breaks_only_its_component(target: str) -> None:
    registry = Registry([PluginSource.of("a", record("gone", target=target), CNN)])
    with pytest.raises(BrokenPluginError, match=r"encoder 'a:gone'"):
        registry.build(ENCODER, "gone")
    assert registry.build(ENCODER, "cnn")


def test_a_missing_package_is_answered_with_the_extra_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "e3nn"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "e3nn", None)  # as if it were not installed
    source = PluginSource.of("e", record("equivariant", target="e3nn.o3:Irreps"), distribution="pxrdgen")
    with pytest.raises(BrokenPluginError, match=r"pip install 'pxrdgen\[e3nn\]'"):
        Registry([source]).build(ENCODER, "equivariant")


def test_a_component_must_implement_the_interface_of_its_kind() -> None:
    good = record("xy", kind=READER, target="door_parts:XyReader")
    bad = record("thing", kind=READER)
    registry = Registry([PluginSource.of("a", good, bad)])
    assert isinstance(registry.build(READER, "xy"), PatternReader)
    with pytest.raises(BrokenPluginError, match=r"not a subclass of pxrdgen\.interfaces\.PatternReader"):
        registry.build(READER, "thing")


@pytest.mark.parametrize("kind", [kind for kind in ComponentKind if kind is not ComponentKind.COMMANDS])
def test_no_kind_takes_a_class_that_is_none_of_it(kind: ComponentKind) -> None:
    stray = record("stray", kind=kind, target="door_parts:WidthOptions")
    with pytest.raises(BrokenPluginError, match=r"not a subclass of pxrdgen\.interfaces\.\w+"):
        Registry([PluginSource.of("a", stray)]).build(kind, "stray")


def test_a_constructor_that_fails_is_named_and_our_own_errors_pass() -> None:
    fussy = record("fussy", target="door_parts:FussyThing", options=WidthOptions)
    failing = record("failing", target="door_parts:FailingThing", options=WidthOptions)
    registry = Registry([PluginSource.of("a", fussy, failing)])
    with pytest.raises(FormulaError):
        registry.build(ENCODER, "fussy")
    with pytest.raises(BrokenPluginError, match="ZeroDivisionError: oops"):
        registry.build(ENCODER, "failing")


def test_registries_share_nothing() -> None:
    assert Registry([PluginSource.of("a", CNN)]).components()
    assert not Registry().components()
