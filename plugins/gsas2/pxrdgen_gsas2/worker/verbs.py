"""What can be asked of the worker."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import numpy as np
from build_project import add_phase, build, instrument_file
from derivatives import complete
from errors import WorkerFailureError
from find_gsas2 import Gsas2
from friedel import average_mates, averages_friedel_mates
from polar import hold_origin
from read_back import Covariance, phase_found, result
from recipe import run
from refining import Session


def check(gsas2: Gsas2, request: dict, folder: Path) -> dict:
    """The version, and whether its powder intensities hold without a centre of symmetry."""
    del request
    return {"averages_friedel_mates": averages_friedel_mates(gsas2, folder)}


def refine(gsas2: Gsas2, request: dict, folder: Path) -> dict:
    """The staged Rietveld refinement of one structure."""
    friedel = _friedel(gsas2, request, folder)
    project, histogram, phase = build(gsas2, request, folder)
    if not request["as_installed"]:
        laue_of = {f"{entry.id}::": str(entry.data["General"]["SGData"]["SGLaue"]) for entry in project.phases()}
        complete(gsas2.mathematics, laue_of)
    hold_origin(project, phase, [atom["weight"] for atom in request["phase"]["atoms"]])
    for impurity in project.phases():
        if impurity.name != phase.name:
            impurity.set_HAP_refinements({"Scale": True}, [histogram])
    session = Session(gsas2, project, histogram, phase, float(request["seconds"]))
    if not session.refine("first look", 3):
        raise WorkerFailureError("failed", f"GSAS-II could not begin: {session.notes[-1]}")
    run(session, request)
    found = {**result(session, request), "friedel": friedel}
    if request.get("keep"):
        target = Path(request["keep"])
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(session.file, target)
        shutil.copyfile(session.file.with_suffix(".lst"), target.with_suffix(".lst"))
    return found


def _friedel(gsas2: Gsas2, request: dict, folder: Path) -> str:
    """Whether intensities without a centre of symmetry are right: ``fine``, ``repaired`` or ``off``."""
    phases = [request["phase"], *request.get("impurities", [])]
    if all(phase["centrosymmetric"] for phase in phases) or averages_friedel_mates(gsas2, folder):
        return "fine"
    if request["as_installed"]:
        return "off"
    average_mates(gsas2.mathematics)
    return "repaired"


def simulate(gsas2: Gsas2, request: dict, folder: Path) -> dict:
    """The powder pattern of a structure, background 0, and its reflections."""
    friedel = _friedel(gsas2, request, folder)
    project = gsas2.scriptable.G2Project(newgpx=str(folder / "simulation.gpx"))
    grid = request["grid"]
    histogram = project.add_simulated_powder_histogram(
        "simulation",
        instrument_file(request["instrument"], folder),
        grid["low"],
        grid["high"],
        Npoints=grid["points"],
    )
    histogram.data["Background"][0][:] = ["chebyschev-1", False, 1, 0.0]
    phase = add_phase(gsas2, project, histogram, request["phase"], request["instrument"])
    project.set_Controls("cycles", 0)
    project.index_ids()
    outcome = gsas2.main.Refine(project.filename, makeBack=False)
    if isinstance(outcome, tuple) and not outcome[0]:
        raise WorkerFailureError("failed", f"GSAS-II could not simulate: {outcome[1]}")
    project.reload()
    points = histogram.data["data"][1]
    return {
        "two_theta": np.asarray(points[0], dtype=float).tolist(),
        # nothing was measured, so noise is in the observed and the model alone in the calculated points
        "intensity": np.asarray(points[3], dtype=float).tolist(),
        "reflections": phase_found(gsas2, histogram, phase, Covariance(project))["reflections"],
        "friedel": friedel,
    }


def index(gsas2: Gsas2, request: dict, folder: Path) -> dict:
    """Cells that explain the lines, best figure of merit first."""
    del folder
    # GSAS-II draws from Python's own generator, which this process shares with nobody
    random.seed(int(request["seed"]))
    rows = [[line["two_theta"], line["intensity"], True, False, 0, 0, 0, line["d"], 0.0] for line in request["lines"]]
    rows.sort(key=lambda row: -row[7])
    cells = []
    for lattice in request["lattices"]:
        bravais = [number == lattice for number in range(18)]
        controls = [0, float(request["zero"]), float(request["most_calculated"]), float(request["start_volume"])]
        found = gsas2.indexing.DoIndexPeaks(
            [list(row) for row in rows],
            controls,
            bravais,
            None,
            True,
            timeout=float(request["seconds"]),
            M20_min=float(request["least_m20"]),
            X20_max=int(request["most_x20"]),
        )
        cells += found[2] if found[0] else []
    cells.sort(key=lambda cell: -cell[0])
    return {
        "cells": [
            {"m20": float(cell[0]), "x20": int(cell[1]), "lattice": int(cell[2]), "cell": [float(x) for x in cell[3:9]]}
            for cell in cells
        ]
    }


VERBS = {"check": check, "refine": refine, "simulate": simulate, "index": index}
