"""What a refinement found, as plain numbers with their covariances."""

from __future__ import annotations

import math

import numpy as np
from find_gsas2 import Gsas2
from instrument_file import SHIFT_PER_DEGREE
from recipe import converged
from refining import Session


def result(session: Session, request: dict) -> dict:
    """The value of the ``refine`` verb."""
    covariance = Covariance(session.project)
    histogram, phase = session.histogram, session.phase
    points = histogram.data["data"][1]
    first, last = (int(np.searchsorted(points[0], limit)) for limit in histogram.data["Limits"][1])
    return {
        "converged": converged(session),
        "goodness": session.goodness,
        "num_parameters": int(session.values.get("Nvars", 0)),
        "points": [first, last],
        "calculated": np.asarray(points[3], dtype=float).tolist(),
        "background": np.asarray(points[4], dtype=float).tolist(),
        "phases": [
            phase_found(session.gsas2, histogram, entry, covariance)
            for entry in sorted(session.project.phases(), key=lambda entry: entry.name != phase.name)
        ],
        "parameters": _parameters(session, covariance, request),
        "notes": session.notes,
    }


class Covariance:
    """Of the variables of the last good step."""

    def __init__(self, project) -> None:
        data = project.data["Covariance"]["data"]
        names = list(data.get("varyList", []) or [])
        matrix = np.asarray(data.get("covMatrix", []), dtype=float)
        self.matrix = matrix if matrix.shape == (len(names), len(names)) else np.zeros((len(names), len(names)))
        self.place = {name: number for number, name in enumerate(names)}

    def block(self, names: list) -> list:
        """Covariances of the names that varied."""
        rows = [self.place[name] for name in names]
        return self.matrix[np.ix_(rows, rows)].tolist()

    def sigma(self, name: str) -> float:
        """Standard uncertainty, 0 of what was held."""
        row = self.place.get(name)
        return 0.0 if row is None else math.sqrt(max(float(self.matrix[row, row]), 0.0))


def phase_found(gsas2: Gsas2, histogram, phase, covariance: Covariance) -> dict:
    """Cell, atoms and reflections of one phase with what varied and how well it is known."""
    atoms = phase.atoms()
    moves = _moves(gsas2, phase, covariance)
    cells = [name for name in (f"{phase.id}::A{i}" for i in range(6)) if name in covariance.place]
    cell, cell_su = phase.get_cell_and_esd()
    keys = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
    table = histogram.reflections().get(phase.name, {}).get("RefList", np.zeros((0, 12)))
    u_su = [covariance.sigma(f"{phase.id}::AUiso:{number}") for number in range(len(atoms))]
    sample = phase.data["Histograms"][histogram.name]
    return {
        "name": phase.name,
        "cell": [float(cell[key]) for key in keys],
        "cell_su": [float(cell_su.get(key, 0.0) or 0.0) for key in keys],
        "cell_variables": [int(name.split("A")[-1]) for name in cells],
        "cell_covariance": covariance.block(cells),
        "coordinates": [[float(x) for x in atom.coordinates] for atom in atoms],
        "moves": [{"atom": atom, "direction": direction} for _, atom, direction in moves],
        "move_covariance": covariance.block([name for name, _, _ in moves]),
        "u_iso": [float(atom.uiso) for atom in atoms],
        "u_iso_su": _spread_of_groups(phase, u_su),
        "fraction": float(sample["Scale"][0]),
        "fraction_su": covariance.sigma(f"{phase.id}:{histogram.id}:Scale"),
        "reflections": [
            {
                "hkl": [round(float(index)) for index in row[:3]],
                "multiplicity": float(row[3]),
                "d": float(row[4]),
                "two_theta": float(row[5]),
                "f_squared": float(row[9]),
            }
            for row in np.asarray(table, dtype=float)
        ],
    }


def _moves(gsas2: Gsas2, phase, covariance: Covariance) -> list:
    """(variable, atom, direction [3]) of every coordinate that varied, ties of special positions spelled out."""
    moves = []
    for number, atom in enumerate(phase.atoms()):
        ties, factors = gsas2.spacegroups.GetCSxinel(atom.data[atom.cs])[:2]
        for group in sorted({tie for tie in ties if tie > 0}):
            axes = [axis for axis in range(3) if ties[axis] == group]
            name = f"{phase.id}::dA{'xyz'[axes[0]]}:{number}"
            if name in covariance.place:
                direction = [0.0, 0.0, 0.0]
                for axis in axes:
                    direction[axis] = float(factors[axis]) / float(factors[axes[0]])
                moves.append((name, number, direction))
    return moves


def _spread_of_groups(phase, sigmas: list) -> list:
    """Atoms tied to another's Uiso share its uncertainty: only the first of a group varies."""
    atoms = phase.atoms()
    known = {}
    for atom, sigma in zip(atoms, sigmas, strict=True):
        if sigma > 0.0:
            known.setdefault(round(float(atom.uiso), 12), sigma)
    return [
        sigma or (known.get(round(float(atom.uiso), 12), 0.0) if "U" in atom.refinement_flags else 0.0)
        for atom, sigma in zip(atoms, sigmas, strict=True)
    ]


def _parameters(session: Session, covariance: Covariance, request: dict) -> dict:
    """[value, standard uncertainty] by name, in pxrdgen's units."""
    histogram, phase = session.histogram, session.phase
    instrument, sample = histogram.InstrumentParameters, phase.data["Histograms"][histogram.name]
    prefix = f":{histogram.id}:"
    wavelength = request["instrument"]["wavelengths"][0]
    size, strain = float(sample["Size"][1][0]), float(sample["Mustrain"][1][0])
    added = {"X": 1.8 * wavelength / (math.pi * size), "Y": 0.018 * strain / math.pi}
    found = {
        "scale": [float(histogram.SampleParameters["Scale"][0]), covariance.sigma(f"{prefix}Scale")],
        "background_terms": [float(histogram.data["Background"][0][2]), 0.0],
    }
    names = {"zero": "Zero", "u": "U", "v": "V", "w": "W", "x": "X", "y": "Y", "sh_l": "SH/L"}
    for ours, theirs in names.items():
        if theirs in instrument:
            value = float(instrument[theirs][1]) + added.get(theirs, 0.0)
            found[ours] = [value, covariance.sigma(f"{prefix}{theirs}")]
    if "Shift" in histogram.SampleParameters:
        shift, sigma = float(histogram.SampleParameters["Shift"][0]), covariance.sigma(f"{prefix}Shift")
        found["displacement"] = [shift / SHIFT_PER_DEGREE, abs(sigma / SHIFT_PER_DEGREE)]
    texture = sample["Pref.Ori."]
    found["march_dollase"] = [float(texture[1]), covariance.sigma(f"{phase.id}:{histogram.id}:MD")]
    if texture[2]:
        found |= {f"texture_{name}": [float(index), 0.0] for name, index in zip("hkl", texture[3], strict=True)}
    return found
