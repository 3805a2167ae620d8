"""A stand-in that answers as the GSAS-II worker does, and crystals and a measurement to ask it about."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.cell import UnitCell
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.instrument import LABORATORY, Instrument
from pxrdgen.values.refinement import Measurement, RefinementStart
from pxrdgen.values.symmetrised_crystal import SymmetrisedCrystal
from pxrdgen_crystallography.symmetry.symmetrise import find_symmetry
from pxrdgen_gsas2.client import Answer, Gsas2Version
from pxrdgen_gsas2.options import Gsas2WorkerOptions

FloatArray = NDArray[np.float64]
VERSION = Gsas2Version(version="5838", commit="d46e7a0a", folder="/somewhere", python="/usr/bin/python")


def corundum() -> Crystal:
    """Primitive cell; the conventional one has three times the atoms."""
    third = 1 / 3
    hexagonal = UnitCell(4.7602, 4.7602, 12.9933, 90, 90, 120).basis
    centring = np.array([[0, 0, 0], [2 * third, third, third], [third, 2 * third, 2 * third]])
    al, x = 0.35216, 0.30624
    aluminium = [[0, 0, z] for z in (al, -al, 0.5 + al, 0.5 - al)]
    oxygen = [
        [x, 0, 0.25], [0, x, 0.25], [-x, -x, 0.25], [-x, 0, 0.75], [0, -x, 0.75], [x, x, 0.75],
    ]  # fmt: skip
    rows = np.array([[2 * third, third, third], [-third, third, third], [-third, -2 * third, third]])
    primitive = rows @ hexagonal
    found: list[list[float]] = []
    species: list[int] = []
    for z, atoms in ((13, aluminium), (8, oxygen)):
        for atom in atoms:
            for shift in centring:
                place = ((np.array(atom) + shift) @ hexagonal @ np.linalg.inv(primitive)) % 1.0
                near = [np.abs((place - other + 0.5) % 1.0 - 0.5).max() < 1e-6 for other in found]
                if not any(near):
                    found.append(place.tolist())
                    species.append(z)
    return Crystal(species=np.array(species), frac_coords=np.array(found), basis=primitive, name="corundum")


def flat(points: int = 200, instrument: Instrument = LABORATORY) -> Measurement:
    grid = np.linspace(20.0, 60.0, points)
    return Measurement(
        two_theta=grid,
        intensity=np.full(points, 110.0),
        sigma=np.full(points, 10.0),
        background=np.full(points, 60.0),
        instrument=instrument,
    )


def symmetric(crystal: Crystal) -> tuple[SymmetrisedCrystal, RefinementStart]:
    sym = find_symmetry(crystal, 0.01)
    return sym, RefinementStart(crystal=sym.crystal, symmetry=sym)


class StandIn:
    """Answers like the worker: the request's structure, moved, strained, with the covariances asked for."""

    def __init__(self, change: Callable[[dict[str, Any]], None] | None = None) -> None:
        self.change = change
        self.requests: list[dict[str, Any]] = []

    def __call__(self, verb: str, request: Mapping[str, Any], options: Gsas2WorkerOptions) -> Answer:
        assert verb == "refine"
        assert options.retries >= 0
        self.requests.append(dict(request))
        points = len(request["measurement"]["two_theta"])
        value: dict[str, Any] = {
            "converged": True,
            "num_parameters": 10,
            "calculated": [100.0] * points,
            "background": [60.0] * points,
            "phases": [_unchanged(request["phase"]), *map(_unchanged, request["impurities"])],
            "parameters": {"scale": [2.0, 0.1], "zero": [0.01, 0.002], "march_dollase": [1.0, 0.0]},
            "notes": [],
            "friedel": "fine",
        }
        if self.change is not None:
            self.change(value)
        return Answer(value=value, gsas2=VERSION)


def _unchanged(phase: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "cell": phase["cell"],
        "cell_variables": [],
        "cell_covariance": [],
        "coordinates": [atom["xyz"] for atom in phase["atoms"]],
        "moves": [],
        "move_covariance": [],
        "u_iso": [0.02 for _ in phase["atoms"]],
        "u_iso_su": [0.001 for _ in phase["atoms"]],
        "fraction": 0.5,
        "fraction_su": 0.05,
        "reflections": [{"hkl": [1, 0, 0], "multiplicity": 2, "d": 3.0, "two_theta": 29.0, "f_squared": 5.0}],
    }
