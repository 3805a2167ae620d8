"""A folder a run: ``run.json``, ``params.json``, ``metrics.jsonl`` and copies of its files. Needs nothing else."""

from __future__ import annotations

import hashlib
import json
import math
import re
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from pxrdgen.errors import OptionError, OutputError
from pxrdgen.interfaces.tracker import TrackedRun, Tracker
from pxrdgen_trackers.options import JsonlOptions


class JsonlTracker(Tracker):
    """Runs as folders: ``<folder>/<experiment>/<name>-<key>``."""

    def __init__(self, options: JsonlOptions) -> None:
        self._folder = options.folder

    def open(self, name: str, *, key: str, experiment: str, parent: TrackedRun | None = None) -> TrackedRun:
        """Make the folder, or go on in it.

        Raises:
            OptionError: the parent is a run of another tracker.
            OutputError: the folder cannot be made.
        """
        if parent is not None and not isinstance(parent, JsonlRun):
            raise OptionError(f"got a parent of {type(parent).__name__}, expected a run of this tracker")
        digest = hashlib.sha256(key.encode()).hexdigest()[:10]
        folder = self._folder / _safe(experiment) / f"{_safe(name)}-{digest}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"got the folder {folder}, which cannot be made ({error.strerror})") from error
        return JsonlRun(folder, name=name, key=key, parent=parent.folder.name if parent is not None else "")


class JsonlRun(TrackedRun):
    """One run's folder."""

    def __init__(self, folder: Path, *, name: str, key: str, parent: str) -> None:
        self.folder = folder
        self._about = {"name": name, "key": key, "parent": parent}
        self._tell("running")

    def log_params(self, params: Mapping[str, object]) -> None:
        """Into ``params.json``; the first value stays."""
        file = self.folder / "params.json"
        before = json.loads(file.read_text("utf-8")) if file.exists() else {}
        file.write_text(json.dumps({**params, **before}, indent=1, default=str), "utf-8")

    def log_metrics(self, metrics: Mapping[str, float], *, step: int = 0) -> None:
        """A line of ``metrics.jsonl``."""
        finite = {name: float(value) for name, value in metrics.items() if math.isfinite(value)}
        with (self.folder / "metrics.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"step": step, "time": round(time.time(), 3), **finite}) + "\n")

    def log_file(self, path: Path, folder: str = "") -> None:
        """A copy under ``files``."""
        home = self.folder / "files" / folder
        home.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, home / path.name)

    def close(self, *, failed: bool = False) -> None:
        """Note how it ended."""
        self._tell("failed" if failed else "finished")

    def _tell(self, status: str) -> None:
        (self.folder / "run.json").write_text(json.dumps({**self._about, "status": status}, indent=1), "utf-8")


def _safe(text: str) -> str:
    return re.sub(r"[^\w.=,-]+", "_", text)[:80].strip(".") or "run"
