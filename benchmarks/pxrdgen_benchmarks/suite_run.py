"""A suite from specs to records: resolved, run in parallel, resumable; a spec that cannot run stops no other."""

from __future__ import annotations

import hashlib
import importlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from pxrdgen.errors import WorkerError
from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.interfaces.task import Case, Task
from pxrdgen.plugins.components import Diagnosis
from pxrdgen.plugins.registry import Registry, default_registry
from pxrdgen.plugins.resolution import component_versions, resolve_spec
from pxrdgen.specs.component import ComponentSpec, nested_kinds
from pxrdgen.specs.validation import validated
from pxrdgen_benchmarks.grid import Variant
from pxrdgen_benchmarks.jobs import Job, Watch, run_jobs
from pxrdgen_benchmarks.parallel import Workers
from pxrdgen_benchmarks.record import Record
from pxrdgen_benchmarks.results_file import ResultsFile
from pxrdgen_benchmarks.suite import Suite
from pxrdgen_benchmarks.suite_result import SuiteResult, VariantResult
from pxrdgen_benchmarks.task import load_task

#: the folder, in a suite's, of one results file a variant.
RESULTS = "records"


@dataclass(frozen=True, kw_only=True)
class PreparedSuite:
    """A suite whose data are there; nothing is written yet.

    Args:
        suite: at its size.
        task: what it measures.
        data: options of the data, checked.
        variants: its specs, resolved where they can be; no records yet.
        cases: what is measured under each.
    """

    suite: Suite
    task: Task
    data: BaseModel
    variants: tuple[VariantResult, ...]
    cases: tuple[Case, ...]


def prepare_suite(suite: Suite) -> PreparedSuite:
    """Look a suite, at its size, through before anything is written.

    Raises:
        OptionError: the suite says something that cannot be.
        DatasetError: there are no data.
    """
    task = load_task(suite.task)
    data = validated(task.data_model, suite.data, f"{suite.name}: data")
    variants = tuple(_ready(variant, task, suite.name) for variant in suite.all_variants())
    return PreparedSuite(suite=suite, task=task, data=data, variants=variants, cases=tuple(task.cases(data)))


def run_suite(
    prepared: PreparedSuite,
    folder: Path,
    *,
    workers: Workers | None = None,
    watch: Watch | None = None,
    on_variant: Callable[[VariantResult], None] | None = None,
) -> SuiteResult:
    """Measure what the folder's results lack; all of the suite.

    Args:
        prepared: the suite.
        folder: of the results; made if it is not there. Variants that could not run before are tried again.
        workers: where the work is done.
        watch: told of progress.
        on_variant: called with each variant when it is done.

    Raises:
        OptionError: its folder holds another run.
    """
    suite, cases = prepared.suite, prepared.cases
    (folder / RESULTS).mkdir(parents=True, exist_ok=True)
    run = {"suite": suite.name, "task": suite.task, "data": prepared.data.model_dump(mode="json")}
    found: list[VariantResult] = []
    before: list[Record] = []
    total = len(cases) * sum(not variant.error for variant in prepared.variants)
    for variant in prepared.variants:
        if not variant.error:
            tell = None if watch is None else partial(_further, watch, tuple(before), total)
            records = _measured(variant, cases, run, folder, workers or Workers(), tell)
            before += records
            variant = replace(variant, records=tuple(sorted(records, key=lambda record: record.key)))
        found.append(variant)
        if on_variant is not None:
            on_variant(variant)
    return SuiteResult(
        suite=suite,
        variants=tuple(found),
        columns=tuple(dict.fromkeys(case.column for case in cases)),
        weights=prepared.task.weights(prepared.data),
        selection=prepared.task.selection(prepared.data),
        spec_sha256=sha256_of([variant.spec for variant in prepared.variants]),
        data_sha256=data_sha256(cases),
    )


def _measured(
    variant: VariantResult,
    cases: Sequence[Case],
    run: Mapping[str, object],
    folder: Path,
    workers: Workers,
    watch: Watch | None,
) -> list[Record]:
    spec = json.dumps(variant.spec)
    jobs = [Job(task=str(run["task"]), variant=variant.label, spec=spec, case=case) for case in cases]
    file = folder / RESULTS / f"{file_name(variant.label)}.jsonl"
    run = {**run, "variant": variant.label, "spec": variant.spec}
    return run_jobs(jobs, ResultsFile(path=file, run=run), workers, watch)


def _further(watch: Watch, before: Sequence[Record], total: int, records: Sequence[Record], _: int) -> None:
    """Progress of a variant told as progress of the suite."""
    watch([*before, *records], total)


def file_name(label: str) -> str:
    """A label as the name of a file: readable, and its own."""
    digest = hashlib.sha256(label.encode()).hexdigest()[:6]
    return f"{re.sub(r'[^A-Za-z0-9.=+-]+', '_', label).strip('._')[:60]}-{digest}"


def data_sha256(cases: Sequence[Case]) -> str:
    """Of ids, columns and, where there are any, the crystals."""
    digest = hashlib.sha256()
    for case in cases:
        digest.update(f"{case.id}\0{case.column}\0".encode())
        truth: Any = getattr(case, "truth", None)
        if truth is not None:
            for values in (truth.species, truth.frac_coords.round(6), truth.basis.round(6)):
                digest.update(values.tobytes())
    return digest.hexdigest()


def _ready(variant: Variant, task: Task, name: str) -> VariantResult:
    """The spec resolved and its components built once, to see that they can be."""
    registry, label = default_registry(), variant.label
    try:
        spec = validated(task.spec_model, variant.spec, f"{name} {label}")
        resolved = resolve_spec(spec, registry)
        versions = component_versions(spec, registry)
        _build_all(resolved, registry)
        if absent := task.absent(resolved):
            raise WorkerError(absent)
    except Exception as error:  # a stranger's component may do anything
        return VariantResult(label=label, spec=variant.spec, error=f"{type(error).__name__}: {error}")
    return VariantResult(label=label, spec=resolved.model_dump(mode="json"), versions=versions)


def _build_all(spec: BaseModel, registry: Registry) -> None:
    for name, kind in nested_kinds(type(spec)).items():
        value = getattr(spec, name)
        for each in value if isinstance(value, list | tuple) else (value,):
            if isinstance(each, ComponentSpec) and kind not in _LEARNED:
                _diagnosed(kind, each, registry)
                registry.build(kind, each)


def _diagnosed(kind: ComponentKind, wanted: ComponentSpec, registry: Registry) -> None:
    """Refuse a component, used as it is by default, whose own diagnosis says that its program is not there.

    Raises:
        WorkerError: with what the diagnosis says.
    """
    diagnosis = registry.resolve(kind, wanted.plugin).record.diagnosis
    usual = registry.options(kind, wanted.plugin).model_dump(mode="json")
    if diagnosis is None or usual != registry.options(kind, wanted.plugin, wanted.options).model_dump(mode="json"):
        return
    module, _, name = diagnosis.partition(":")
    found: Diagnosis = getattr(importlib.import_module(module), name)()
    if not found.found:
        raise WorkerError(f"{kind} {wanted.plugin!r} needs {found.subject}: {found.detail}")


#: built by training, inside the measurement.
_LEARNED = (ComponentKind.ENCODER, ComponentKind.STRUCTURE_ENCODER, ComponentKind.DENOISER)


def sha256_of(value: object) -> str:
    """Of plain JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
