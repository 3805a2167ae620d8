"""Runs the program Fox without its windows, within a limit of CPU seconds, and reads its structures."""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pxrdgen.errors import WorkerError
from pxrdgen.values.crystal import Crystal
from pxrdgen_benchmarks.fox_input import FoxProblem, fox_input

#: trials of the short run that measures Fox's speed, not counted against it.
TRIAL_RUN = 20_000
#: runs that are meant to fit into the time: Fox's manual advises several short ones.
RUNS = 3
#: images of an atom closer than this (A) to each other are one atom on a special position; tried in turn.
MERGING = (0.2, 0.35, 0.5, 0.7, 0.9, 1.1)

_COST = re.compile(r"Run Best Cost:([0-9.eE+-]+)")
_ATOM = re.compile(r"<Atom .*?</Atom>", re.DOTALL)
_COORDINATE = re.compile(r'Name="[xyz]">([^<]+)</Par>')
_FINAL = re.compile(r"final cost=\s*([0-9.eE+-]+)")


@dataclass(frozen=True, kw_only=True)
class FoxOutcome:
    """What Fox answered.

    Args:
        crystals: the best run's structure with merged images, once for each merging distance that gives the right
            numbers of atoms; empty when none does.
        runs: that were finished.
        trials: in each.
        cpu_s: used.
    """

    crystals: tuple[Crystal, ...]
    runs: int
    trials: int
    cpu_s: float


def fox_program() -> Path | None:
    """The program on PATH (Debian: objcryst-fox), if it is there."""
    found = shutil.which("fox") or shutil.which("Fox")
    return Path(found) if found else None


def run_fox(problem: FoxProblem, counts: dict[int, int], cpu_s: float) -> FoxOutcome:
    """Search for ``cpu_s`` CPU seconds.

    Args:
        counts: atoms of each element in the conventional cell.

    Raises:
        WorkerError: Fox is not installed, has no display, or refuses the input.
    """
    program = fox_program()
    if program is None:
        raise WorkerError("got no program 'fox' on PATH, expected Fox; on Debian: apt-get install objcryst-fox xvfb")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        speed = _speed(program, problem, folder)
        trials = max(int(speed * cpu_s / RUNS), 10_000)
        (folder / "input.xml").write_text(fox_input(problem, trials), encoding="utf-8")
        used = _children_cpu()
        for number in range(2 * RUNS):
            left = cpu_s - (_children_cpu() - used)
            if left < 0.5 * cpu_s / RUNS and number:
                break
            _fox(program, folder, trials, f"run{number}.xml", left)
        spent = _children_cpu() - used
        finished = [
            (_cost(path.with_suffix(".log")), places)
            for path in folder.glob("run*.xml")
            if (places := places_in(path)) is not None
        ]
    if not finished:
        return FoxOutcome(crystals=(), runs=0, trials=trials, cpu_s=spent)
    _, best = min(finished, key=lambda entry: entry[0])
    return FoxOutcome(crystals=structures(problem, best, counts), runs=len(finished), trials=trials, cpu_s=spent)


def _speed(program: Path, problem: FoxProblem, folder: Path) -> float:
    """Trials in a CPU second."""
    (folder / "input.xml").write_text(fox_input(problem, TRIAL_RUN), encoding="utf-8")
    started = _children_cpu()
    _fox(program, folder, TRIAL_RUN, "speed.xml", 60.0)
    return TRIAL_RUN / max(_children_cpu() - started, 0.05)


def _fox(program: Path, folder: Path, trials: int, out: str, cpu_s: float) -> None:
    """One run; it is ended when its CPU seconds are spent."""
    command = [str(program), "input.xml", "--nogui", "--randomize", "-n", str(trials), "-o", out]
    if "DISPLAY" not in os.environ:
        if shutil.which("xvfb-run") is None:
            raise WorkerError("got no display, which Fox wants even without windows; install xvfb or set DISPLAY")
        command = ["xvfb-run", "-a", *command]
    limit = max(int(np.ceil(cpu_s)), 1)
    started = time.monotonic()
    with (folder / out.replace(".xml", ".log")).open("w", encoding="utf-8") as log:
        process = subprocess.run(
            command,
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (limit, limit)),
        )
    if process.returncode and time.monotonic() - started < 1.0:
        said = (folder / out.replace(".xml", ".log")).read_text(encoding="utf-8", errors="replace")[-300:]
        raise WorkerError(f"Fox ended with {process.returncode}: {said}")


def _children_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _cost(log: Path) -> float:
    text = log.read_text(encoding="utf-8", errors="replace")
    found = _FINAL.findall(text) or _COST.findall(text)
    return float(found[-1]) if found else np.inf


def places_in(path: Path) -> np.ndarray | None:
    """[K, 3] places of the independent atoms in order of the input; ``None`` for a file cut short."""
    text = path.read_text(encoding="utf-8", errors="replace")
    if "</ObjCryst>" not in text:
        return None
    return np.array([[float(value) for value in _COORDINATE.findall(atom)] for atom in _ATOM.findall(text)])


def structures(problem: FoxProblem, places: np.ndarray, counts: dict[int, int]) -> tuple[Crystal, ...]:
    """All atoms of the conventional cell, images that are close to each other merged at their mean."""
    found = []
    for distance in MERGING:
        species: list[int] = []
        coords: list[np.ndarray] = []
        for number, place in zip(problem.sites, places, strict=True):
            merged = _orbit(problem, place, distance)
            coords.extend(merged)
            species.extend([number] * len(merged))
        numbers, present = np.unique(species, return_counts=True)
        if dict(zip(numbers.tolist(), present.tolist(), strict=True)) == counts:
            crystal = Crystal(
                species=np.array(species), frac_coords=np.array(coords) % 1.0, basis=problem.cell.basis, name="fox"
            )
            found.append(crystal.sorted_by_species())
    return tuple(found)


def _orbit(problem: FoxProblem, place: np.ndarray, distance: float) -> list[np.ndarray]:
    """Images of a place under the group, those within a distance of each other replaced by their mean."""
    group = problem.space_group
    left = group.rotations @ place + group.translations
    merged = []
    while len(left):
        delta = left - left[0]
        delta -= np.rint(delta)
        near = np.linalg.norm(delta @ problem.cell.basis, axis=1) < distance
        merged.append(left[0] + delta[near].mean(axis=0))
        left = left[~near]
    return merged
