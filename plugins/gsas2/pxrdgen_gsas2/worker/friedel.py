"""Whether this GSAS-II averages Friedel mates in powder intensities, found by a crystal and its mirror image.

Powder lines hold hkl and -h-k-l together, so both images give the same F^2. Versions from January 2026 on take one mate
alone, which is wrong where anomalous scattering meets a structure without a centre of symmetry, and does not belong to
the slopes, which are still those of the mean.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from build_project import instrument_file
from find_gsas2 import Gsas2

#: a strong anomalous scatterer and a light one, nowhere symmetric: (element, x, y, z).
ATOMS = (("Fe", 0.0, 0.0, 0.0), ("O", 0.21, 0.34, 0.43))
CELL = [3.9, 4.3, 4.7, 90.0, 90.0, 90.0]
#: relative difference of F^2 that counts.
LIMIT = 1e-4


def averages_friedel_mates(gsas2: Gsas2, folder: Path) -> bool:
    """True when the mirror image of a crystal has the same powder intensities."""
    squares = [_f_squared(gsas2, folder / f"friedel{sign:+d}.gpx", sign, folder) for sign in (1, -1)]
    return bool(np.abs(squares[0] - squares[1]).max() < LIMIT * squares[0].max())


def _f_squared(gsas2: Gsas2, file: Path, sign: int, folder: Path):
    instrument = {
        "wavelengths": [1.54056],
        "weights": [1.0],
        "zero": 0.0,
        "polarization": 0.7,
        "u": 2.0,
        "v": -2.0,
        "w": 5.0,
        "x": 1.0,
        "y": 1.0,
        "sh_l": 0.002,
        "geometry": "debye-scherrer",
        "displacement": 0.0,
    }
    project = gsas2.scriptable.G2Project(newgpx=str(file))
    (folder / "friedel").mkdir(exist_ok=True)
    parameters = instrument_file(instrument, folder / "friedel")
    histogram = project.add_simulated_powder_histogram("friedel", parameters, 20.0, 70.0, Npoints=200)
    phase = project.add_phase(phasename="friedel", spacegroup="P 1", cell=CELL, histograms=[histogram])
    for number, (element, *place) in enumerate(ATOMS):
        phase.add_atom(*(sign * x for x in place), element, f"{element}{number}")
    project.set_Controls("cycles", 0)
    project.index_ids()
    gsas2.main.Refine(project.filename, makeBack=False)
    project.reload()
    table = np.asarray(histogram.reflections()["friedel"]["RefList"], dtype=float)
    return table[np.lexsort(table[:, :3].T), 9]


def average_mates(mathematics) -> None:
    """Put the mean over both mates in place of F^2: the other mate is what f'' of the other sign gives."""
    original = mathematics.StructureFactor2

    def averaged(reflections, metric, histogram, phase, group, controls, parameters):
        original(reflections, metric, histogram, phase, group, controls, parameters)
        kind = controls[f"{histogram}histType"]
        if group["SGInv"] or not kind.startswith("PX"):
            return
        first = reflections["RefList"][:, 9].copy()
        _change_signs(controls["FFtables"], f"{histogram}FPP")
        try:
            original(reflections, metric, histogram, phase, group, controls, parameters)
        finally:
            _change_signs(controls["FFtables"], f"{histogram}FPP")
        reflections["RefList"][:, 9] = 0.5 * (first + reflections["RefList"][:, 9])

    mathematics.StructureFactor2 = averaged


def _change_signs(tables: dict, name: str) -> None:
    for table in tables.values():
        table[name] = -table[name]
