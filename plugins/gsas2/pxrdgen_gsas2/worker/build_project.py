"""A GSAS-II project from a request: histogram, background, phases, constraints."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from errors import WorkerFailureError
from find_gsas2 import Gsas2
from instrument_file import SHIFT_PER_DEGREE, SIZE, STRAIN_PER_Y, instprm


def build(gsas2: Gsas2, request: dict, folder: Path):
    """The project with its histogram and the phase to refine; nothing is refined yet."""
    project = gsas2.scriptable.G2Project(newgpx=str(folder / "refinement.gpx"))
    histogram = add_histogram(project, request, folder)
    phase = add_phase(gsas2, project, histogram, request["phase"], request["instrument"])
    for impurity in request.get("impurities", []):
        add_phase(gsas2, project, histogram, impurity, request["instrument"])
    project.save()
    return project, histogram, phase


def add_histogram(project, request: dict, folder: Path):
    """The measurement, and its given background as a second histogram that the first one names."""
    data, options = request["measurement"], request["options"]
    parameters = instrument_file(request["instrument"], folder)
    columns = [np.asarray(data[name], dtype=float) for name in ("two_theta", "intensity", "sigma")]
    histogram = _histogram(project, folder / "pattern.xye", parameters, *columns)
    terms = options.get("background_terms") or options["first_background_terms"]
    first = 0.0
    if data.get("background") is not None:
        background = np.asarray(data["background"], dtype=float)
        _histogram(project, folder / "background.xye", parameters, columns[0], background, columns[2])
        histogram.data["Background"][1]["background PWDR"] = ["PWDR background.xye", 1.0, False]
    else:
        first = float(np.percentile(columns[1], 10))
    histogram.data["Background"][0][:] = ["chebyschev-1", True, terms, first, *([0.0] * (terms - 1))]
    displacement = request["instrument"]["displacement"]
    if displacement:
        histogram.SampleParameters["Shift"][0] = displacement * SHIFT_PER_DEGREE
    return histogram


def instrument_file(instrument: dict, folder: Path) -> str:
    """The file the user gave, else one written from the numbers."""
    if instrument.get("file"):
        return str(instrument["file"])
    path = folder / "instrument.instprm"
    path.write_text(instprm(instrument), encoding="ascii")
    return str(path)


def _histogram(project, path: Path, parameters: str, two_theta, intensity, sigma):
    rows = (f"{x:.8f} {y:.10g} {s:.10g}" for x, y, s in zip(two_theta, intensity, sigma, strict=True))
    path.write_text("\n".join(rows) + "\n", encoding="ascii")
    histogram = project.add_powder_histogram(str(path), parameters, fmthint="xye")
    points = histogram.data["data"][1]
    if len(points[0]) != len(two_theta):
        raise WorkerFailureError("failed", f"GSAS-II read {len(points[0])} of {len(two_theta)} points")
    # importers drop weights of points they dislike
    points[1][:], points[2][:] = intensity, 1.0 / sigma**2
    histogram.data["Limits"][1][:] = [float(two_theta[0]) - 1e-6, float(two_theta[-1]) + 1e-6]
    return histogram


def add_phase(gsas2: Gsas2, project, histogram, wanted: dict, instrument: dict):
    """A phase with its atoms, its symmetry compared with what was asked for."""
    error, group = gsas2.spacegroups.SpcGroup(wanted["space_group"])
    if error:
        raise WorkerFailureError("failed", f"GSAS-II does not know the space group {wanted['space_group']}")
    phase = project.add_phase(
        phasename=wanted["name"], spacegroup=wanted["space_group"], cell=wanted["cell"], histograms=[histogram]
    )
    for atom in wanted["atoms"]:
        phase.add_atom(*atom["xyz"], atom["element"], atom["label"], occ=1.0, uiso=atom["u_iso"])
    found = sum(int(atom.mult) for atom in phase.atoms())
    if found != wanted["expected_atoms"] or len(group["SGPtGrp"]) == 0:
        raise WorkerFailureError(
            "failed",
            f"GSAS-II finds {found} atoms in a cell of {wanted['space_group']}, "
            f"expected {wanted['expected_atoms']}: its setting is another one",
        )
    sample = phase.data["Histograms"][histogram.name]
    sample["Size"][1][0] = SIZE
    sample["Mustrain"][1][0] = max(instrument["y"] * STRAIN_PER_Y, 1.0)
    if instrument.get("file"):
        sample["Size"][1][0], sample["Mustrain"][1][0] = 1.0, 1000.0
    return phase
