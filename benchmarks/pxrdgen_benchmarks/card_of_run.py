"""The card of a run, from the files it left: what was run, on what, and the numbers, with n and intervals."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pxrdgen.errors import DatasetError
from pxrdgen_benchmarks.cards import Card
from pxrdgen_benchmarks.comparing import stored_variants
from pxrdgen_benchmarks.outcome import ABOUT
from pxrdgen_benchmarks.results_file import codes_of
from pxrdgen_benchmarks.suite_run import RESULTS
from pxrdgen_benchmarks.task import load_task, reporting


def card_of_run(folder: Path, *, caveats: Sequence[str] = (), order: int = 50) -> Card:
    """The card of a finished run.

    Raises:
        DatasetError: the folder holds no finished run.
    """
    about = _about(folder)
    task, weights, stored = reporting(load_task(about["task"])), about["weights"], stored_variants(folder)
    files = sorted((folder / RESULTS).glob("*.jsonl"))
    failed = [f"not run: {label} ({error})" for label, error in about["failures"].items()]
    return Card(
        order=order,
        code=list(dict.fromkeys(code for file in files for code in codes_of(file))),
        results_sha256=_sha256(files),
        numbers=[
            number
            for label in about["specs"]
            if label in stored
            for number in task.numbers(stored[label].records, weights)
        ],
        caveats=[*caveats, *failed],
        **{name: about[name] for name in Card.model_fields if name in about},
    )


def _about(folder: Path) -> dict[str, Any]:
    try:
        about: dict[str, Any] = json.loads((folder / ABOUT).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"got {folder}, which holds no finished run ({error}); run 'pxrdgen bench' on it") from error
    return about


def _sha256(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
