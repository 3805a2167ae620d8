"""A run as a value: it round-trips through YAML, answers slips with a path, and has a schema editors can use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from pxrdgen.errors import BrokenPluginError, OptionError, UnknownComponentError
from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.plugins.components import ComponentRecord
from pxrdgen.plugins.registry import Registry, default_registry
from pxrdgen.plugins.resolution import citations_of, component_versions, resolve_spec, with_encoder
from pxrdgen.plugins.sources import PluginSource
from pxrdgen.specs.component import ComponentSpec, labelled
from pxrdgen.specs.pipeline import PipelineSpec, read_spec, spec_from_yaml, spec_to_yaml
from pxrdgen.values.citation import Citation
from pxrdgen_app.cli.spec_schema import json_schema


class FlowOptions(BaseModel):
    encoder: ComponentSpec = ComponentSpec(plugin="cnn")
    steps: int = Field(default=50, ge=1)


class CnnOptions(BaseModel):
    width: int = 8


def offered(
    kind: ComponentKind, name: str, options: type[BaseModel] | None = None, citations: tuple[Citation, ...] = ()
) -> ComponentRecord:
    return ComponentRecord(kind=kind, name=name, target="nowhere:Nothing", options=options, citations=citations)


LEAST_SQUARES = offered(ComponentKind.REFINER, "least_squares")


@pytest.fixture
def registry() -> Registry:
    records = [
        offered(ComponentKind.GENERATOR, "direct_space"),
        offered(ComponentKind.GENERATOR, "wyckoff"),
        offered(ComponentKind.GENERATOR, "dual_space"),
        offered(ComponentKind.CELL_PREDICTOR, "indexing"),
        offered(ComponentKind.GENERATOR, "flow", FlowOptions),
        offered(ComponentKind.ENCODER, "cnn", CnnOptions),
        LEAST_SQUARES,
    ]
    return Registry([PluginSource.of("builtin", *records, version="0.1")])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
component_specs = st.builds(
    ComponentSpec,
    plugin=st.text(min_size=1, max_size=12),
    options=st.dictionaries(st.text(max_size=8), json_values),
    label=st.text(max_size=8),
)


@settings(max_examples=60, deadline=None)
@given(
    st.builds(
        PipelineSpec,
        generators=st.lists(component_specs, min_size=1, max_size=3, unique_by=lambda spec: spec.label),
        refiner=component_specs,
        candidates=st.integers(1, 1000),
        budget_s=st.none() | st.floats(0.1, 1e6),
        seed=st.integers(0, 2**63 - 1),
    )
)
def test_a_spec_survives_yaml_and_its_yaml_is_stable(spec: PipelineSpec) -> None:
    text = spec_to_yaml(spec)
    assert spec_from_yaml(text) == spec
    assert spec_to_yaml(spec_from_yaml(text)) == text


def test_an_empty_file_is_the_default_run() -> None:
    assert spec_from_yaml("") == PipelineSpec()
    assert [part.plugin for part in PipelineSpec().generators] == ["wyckoff", "dual_space", "direct_space", "flow"]


def test_a_spec_cannot_be_changed_in_place() -> None:
    with pytest.raises(ValueError, match="frozen"):
        PipelineSpec().seed = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("candidate: 3", r"spec\.candidate is unknown; .*did you mean 'candidates'\?"),
        ("seed: -1", r"spec\.seed is -1"),
        ("budget_s: .nan", r"spec\.budget_s is nan"),
        ("generators: []", r"spec\.generators is \[\]"),
        ("generators: [{plugin: a}, {plugin: b, option: {}}]", r"generators\[1\]\.option .*did you mean 'options'\?"),
        ("refiner: {options: {}}", r"spec\.refiner\.plugin is missing"),
        ("[1, 2]", "the spec is a list"),
        ("a: [", "not valid YAML"),
        ("a: &x [1]\nb: *x", "alias"),
        ("seed: !!python/object/apply:os.getpid []", "not valid YAML"),
        ("seed: 2024-13-45", "not valid YAML|spec"),
        ("#" * 300_000, "larger than 256 KiB"),
        ("[" * 5000, "nested more than 40 deep"),
    ],
)
def test_a_slip_in_a_spec_is_answered_with_its_path(text: str, said: str) -> None:
    with pytest.raises(OptionError, match=said):
        spec_from_yaml(text)


def test_a_spec_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"absent\.yml: No such file"):
        read_spec(tmp_path / "absent.yml")
    binary = tmp_path / "picture.yml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(OptionError, match="not text"):
        read_spec(binary)
    wrong = tmp_path / "wrong.yml"
    wrong.write_text("sead: 1")
    with pytest.raises(OptionError, match=r"wrong\.yml: spec\.sead"):
        read_spec(wrong)


def test_resolving_writes_every_default_out_and_is_idempotent(registry: Registry) -> None:
    spec = spec_from_yaml("generators: [{plugin: flow, options: {steps: 7}}]")
    resolved = resolve_spec(spec, registry)
    assert resolved.generators[0].options == {"encoder": {"plugin": "cnn", "options": {"width": 8}}, "steps": 7}
    assert resolve_spec(resolved, registry) == resolved
    assert spec_from_yaml(spec_to_yaml(resolved)) == resolved


def test_versions_name_the_provider_of_each_component_nested_ones_included(registry: Registry) -> None:
    spec = spec_from_yaml("generators: [{plugin: flow}]")
    versions = component_versions(spec, registry)
    named = ["generator flow", "encoder cnn", "refiner least_squares", "cell-predictor indexing"]
    assert versions == dict.fromkeys(named, "builtin 0.1")


def test_components_of_one_role_have_labels_of_their_own() -> None:
    other = "{plugin: flow, options: {steps: 9}}, {plugin: cnn, label: flow-2}"
    named = labelled(spec_from_yaml(f"generators: [{{plugin: flow}}, {other}, {{plugin: flow}}]").generators)
    assert [label for label, _ in named] == ["flow", "flow-3", "flow-2", "flow-4"]
    assert named[1][1].options == {"steps": 9}
    with pytest.raises(OptionError, match=r"spec\.generators .*2 components labelled 'mine'"):
        spec_from_yaml("generators: [{plugin: flow, label: mine}, {plugin: direct_space, label: mine}]")
    assert "label" not in spec_to_yaml(PipelineSpec()), "only those given are written out"


def test_the_encoder_of_a_pipeline_goes_to_generators_that_leave_theirs_open(registry: Registry) -> None:
    own = "{plugin: flow, options: {encoder: {plugin: cnn, options: {width: 3}}}}"
    text = "encoder: {plugin: cnn, options: {width: 2}}\n"
    text += f"generators: [{{plugin: flow}}, {own}, {{plugin: direct_space}}]"
    first, second, third = with_encoder(spec_from_yaml(text), registry).generators
    assert first.options == {"encoder": {"plugin": "cnn", "options": {"width": 2}}}
    assert second.options == {"encoder": {"plugin": "cnn", "options": {"width": 3}}}
    assert third.options == {}
    resolved = resolve_spec(spec_from_yaml(text), registry)
    assert resolved.generators[0].options["encoder"] == {"plugin": "cnn", "options": {"width": 2}}
    assert resolve_spec(resolved, registry) == resolved
    with pytest.raises(OptionError, match="no generator that takes one"):
        resolve_spec(spec_from_yaml("encoder: {plugin: cnn}\ngenerators: [{plugin: direct_space}]"), registry)


def test_a_spec_cites_what_its_components_rest_on_each_work_once() -> None:
    works = [Citation(key=key, reason="r", bibtex=f"@article{{{key},\n}}") for key in "ab"]
    records = [
        offered(ComponentKind.ENCODER, "cnn", citations=(works[0],)),
        offered(ComponentKind.GENERATOR, "flow", FlowOptions, citations=(works[1], works[0])),
        offered(ComponentKind.CELL_PREDICTOR, "indexing"),
        LEAST_SQUARES,
    ]
    registry = Registry([PluginSource.of("stranger", *records)])
    cited = citations_of(spec_from_yaml("generators: [{plugin: flow}, {plugin: flow}]"), registry)
    assert cited == (works[1], works[0])


@pytest.mark.parametrize("bibtex", ["", "words", "@article{other, }", "@article{,"])
def test_a_citation_is_a_bibtex_entry_of_its_key(bibtex: str) -> None:
    with pytest.raises(BrokenPluginError, match="expected its key"):
        Citation(key="mine", reason="", bibtex=bibtex)


def test_the_default_run_cites_the_flow() -> None:
    keys = {work.key for work in citations_of(PipelineSpec(), default_registry())}
    assert keys >= {"flowmatching", "fox", "rietveld", "treor"}


def test_resolving_finds_unknown_components_and_options_at_any_depth(registry: Registry) -> None:
    with pytest.raises(UnknownComponentError, match="did you mean 'cnn'"):
        resolve_spec(spec_from_yaml("generators: [{plugin: flow, options: {encoder: {plugin: cn}}}]"), registry)
    with pytest.raises(OptionError, match="did you mean 'steps'"):
        resolve_spec(spec_from_yaml("generators: [{plugin: flow, options: {step: 3}}]"), registry)


GOOD: list[dict[str, Any]] = [
    {},
    {"generators": [{"plugin": "flow", "options": {"steps": 3}}, {"plugin": "builtin:direct_space"}]},
    {"generators": [{"plugin": "flow", "options": {"encoder": {"plugin": "cnn", "options": {"width": 2}}}}]},
    {"refiner": {"plugin": "least_squares", "options": {}}, "budget_s": None},
    {"generators": [{"plugin": "flow", "label": "mine"}], "encoder": {"plugin": "cnn"}},
]
BAD: list[dict[str, Any]] = [
    {"generators": []},
    {"generators": [{"plugin": "flown"}]},
    {"generators": [{"plugin": "direct_space", "options": {"steps": 3}}]},
    {"generators": [{"plugin": "flow", "options": {"steps": 0}}]},
    {"generators": [{"plugin": "flow", "options": {"stepps": 3}}]},
    {"generators": [{"plugin": "flow", "options": {"encoder": {"plugin": "direct_space"}}}]},
    {"refiner": {"plugin": "direct_space"}},
    {"candidates": 0},
    {"colour": "red"},
]


@pytest.mark.parametrize("document", GOOD)
def test_the_schema_accepts_what_the_registry_accepts(document: dict[str, Any], registry: Registry) -> None:
    jsonschema.validate(document, json_schema(registry))
    resolve_spec(spec_from_yaml(yaml.safe_dump(document)), registry)


@pytest.mark.parametrize("document", BAD)
def test_the_schema_refuses_what_the_registry_refuses(document: dict[str, Any], registry: Registry) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, json_schema(registry))
    with pytest.raises((OptionError, UnknownComponentError)):
        resolve_spec(spec_from_yaml(yaml.safe_dump(document)), registry)


def test_a_short_name_two_plugins_claim_is_not_in_the_schema_but_the_long_ones_are() -> None:
    registry = Registry([PluginSource.of(name, LEAST_SQUARES) for name in ("ours", "theirs")])
    schema = json_schema(registry)
    jsonschema.validate({"refiner": {"plugin": "theirs:least_squares"}}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"refiner": {"plugin": "least_squares"}}, schema)


def test_a_component_whose_options_cannot_be_imported_is_left_out_of_the_schema() -> None:
    broken = ComponentRecord(kind=ComponentKind.REFINER, name="broken", target="a:B", options="no_such_module:Options")
    schema = json_schema(Registry([PluginSource.of("a", broken, LEAST_SQUARES)]))
    jsonschema.validate({"refiner": {"plugin": "least_squares"}}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"refiner": {"plugin": "broken"}}, schema)


def test_the_schema_of_what_is_installed_is_a_valid_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema(default_registry()))
