"""``pxrdgen doctor``: what this installation has, and what is wrong with it."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import platform
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Annotated

import typer

from pxrdgen.plugins.components import Diagnosis
from pxrdgen.plugins.registry import default_registry
from pxrdgen.plugins.sources import PluginStatus


class State(StrEnum):
    """How a finding is to be taken."""

    FINE = "ok"
    ABSENT = "absent"
    WRONG = "wrong"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the report."""

    state: State
    subject: str
    detail: str


def command(as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False) -> None:
    """Check this installation: Python, torch and its devices, libraries, plugins, outside programs, threads.

    Leaves with 1 when something needed is missing or a plugin is broken; 'absent' things are optional.

    Examples:

      pxrdgen doctor

      pxrdgen doctor --json
    """
    findings = [*_python(), *_torch(), *_libraries(), *_plugins(), *_programs()]
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            typer.echo(f"{finding.state:6}  {finding.subject:20}  {finding.detail}")
    if any(finding.state is State.WRONG for finding in findings):
        raise typer.Exit(1)


def _python() -> Iterator[Finding]:
    version = importlib.metadata.version("pxrdgen")
    yield Finding(state=State.FINE, subject="pxrdgen", detail=version)
    yield Finding(state=State.FINE, subject="python", detail=f"{platform.python_version()}, {platform.platform()}")


def _torch() -> Iterator[Finding]:
    try:
        import torch
    except Exception as error:  # a damaged torch fails in many ways
        yield Finding(state=State.WRONG, subject="torch", detail=f"{type(error).__name__}: {error}")
        return
    yield Finding(state=State.FINE, subject="torch", detail=torch.__version__)
    devices = ["cpu", *(f"cuda:{i} {torch.cuda.get_device_name(i)}" for i in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        devices.append("mps")
    yield Finding(state=State.FINE, subject="devices", detail=", ".join(devices))
    wanted = os.environ.get("OMP_NUM_THREADS", "not set")
    threads = f"{torch.get_num_threads()} in torch, {os.cpu_count()} cores, OMP_NUM_THREADS {wanted}"
    yield Finding(state=State.FINE, subject="threads", detail=threads)


def _libraries() -> Iterator[Finding]:
    """The distribution's own requirements; those of an extra are optional."""
    for requirement in sorted(importlib.metadata.requires("pxrdgen") or [], key=str.lower):
        name = re.match(r"[\w.-]+", requirement)
        extra = re.search(r"extra == ['\"]([\w.-]+)['\"]", requirement)
        if name is None or name[0] in ("torch", "pxrdgen") or (extra and extra[1] in ("dev", "all")):
            continue
        try:
            yield Finding(state=State.FINE, subject=name[0], detail=importlib.metadata.version(name[0]))
        except importlib.metadata.PackageNotFoundError:
            if extra:
                detail = f"optional: pip install 'pxrdgen[{extra[1]}]'"
                yield Finding(state=State.ABSENT, subject=name[0], detail=detail)
            else:
                yield Finding(state=State.WRONG, subject=name[0], detail=f"needed: pip install '{name[0]}'")


def _plugins() -> Iterator[Finding]:
    registry = default_registry()
    loaded = sum(report.status is PluginStatus.LOADED for report in registry.plugins)
    detail = f"{loaded} loaded, {len(registry.components())} components"
    yield Finding(state=State.FINE, subject="plugins", detail=detail)
    for report in registry.plugins:
        subject = f"plugin {report.name}"
        if report.status is PluginStatus.BROKEN:
            yield Finding(state=State.WRONG, subject=subject, detail=f"{report.distribution}: {report.error}")
        elif report.status is PluginStatus.BLOCKED:
            yield Finding(state=State.ABSENT, subject=subject, detail=f"{report.distribution}: blocked by environment")


def _programs() -> Iterator[Finding]:
    """What components need besides Python packages, by their own diagnoses."""
    for record in (component.record for component in default_registry().components()):
        if record.diagnosis is None:
            continue
        module, _, name = record.diagnosis.partition(":")
        try:
            diagnosis: Diagnosis = getattr(importlib.import_module(module), name)()
        except Exception as error:  # a plugin's diagnosis may fail in any way
            subject = f"{record.kind} {record.name}"
            yield Finding(state=State.WRONG, subject=subject, detail=f"{type(error).__name__}: {error}")
            continue
        state = State.FINE if diagnosis.found else State.WRONG if diagnosis.wanted else State.ABSENT
        yield Finding(state=state, subject=diagnosis.subject, detail=diagnosis.detail)
