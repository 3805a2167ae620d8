"""GSAS-II's search for cells as a cell predictor."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import CellError
from pxrdgen.interfaces.cell_predictor import CellPredictor
from pxrdgen.values.cell import UnitCell
from pxrdgen.values.cells import CellHypothesis, CellProblem
from pxrdgen.values.pattern import d_from_two_theta
from pxrdgen_crystallography.lattice.centring import primitive_vectors
from pxrdgen_gsas2.client import Call, call
from pxrdgen_gsas2.failures import Gsas2Error
from pxrdgen_gsas2.options import Gsas2IndexingOptions

if TYPE_CHECKING:
    from numpy.random import Generator

FloatArray = NDArray[np.float64]

#: GSAS-II's numbers of the Bravais lattices, with their centrings, by crystal system.
LATTICES: Mapping[str, tuple[tuple[int, str], ...]] = MappingProxyType(
    {
        "cubic": ((0, "F"), (1, "I"), (2, "P")),
        "trigonal": ((3, "R"),),
        "hexagonal": ((4, "P"),),
        "tetragonal": ((5, "I"), (6, "P")),
        "orthorhombic": ((7, "F"), (8, "I"), (9, "A"), (10, "B"), (11, "C"), (12, "P")),
        "monoclinic": ((13, "I"), (14, "A"), (15, "C"), (16, "P")),
        "triclinic": ((17, "P"),),
    }
)
#: fewest lines that tell cells apart, and how many calculated lines there may be for each observed one.
LEAST_LINES, MOST_CALCULATED = 8, 4.0
#: strongest lines that are taken however weak they are.
FIRST_LINES = 8


class Gsas2Warning(UserWarning):
    """GSAS-II gave no answer, and the search goes on without it."""


class Gsas2Indexing(CellPredictor):
    """Cells by GSAS-II's random search over lattices of growing volume (Coelho 2003, doi:10.1107/S0021889802019878).

    The figure of merit is de Wolff's M20; cells that leave more of the first twenty lines unindexed than
    ``options.most_unindexed`` are dropped, because M20 alone favours sub-cells.

    Args:
        options: see :class:`Gsas2IndexingOptions`.
        call: how the worker is asked; tests hand in another.
    """

    def __init__(self, options: Gsas2IndexingOptions | None = None, *, call: Call = call) -> None:
        self.options = options or Gsas2IndexingOptions()
        self._call = call

    def predict(self, problem: CellProblem, count: int, rng: Generator) -> list[CellHypothesis]:
        """At most ``count`` hypotheses by M20; none, with a warning, when this call to GSAS-II failed.

        Raises:
            CellError: too few lines.
            Gsas2Error: no call can succeed, because GSAS-II is missing or too old.
        """
        peaks = problem.prepared.peaks
        wavelength = problem.prepared.instrument.radiation.wavelength
        angles = np.asarray(peaks.two_theta, dtype=np.float64)
        if angles.size < LEAST_LINES:
            raise CellError(f"got {angles.size} peaks, expected at least {LEAST_LINES} to find a cell")
        strong = int((peaks.relative_intensity >= self.options.least_intensity).sum())
        # peaks come by increasing angle
        first = np.sort(np.argsort(-peaks.area)[: max(strong, FIRST_LINES)])[: self.options.lines]
        lines = [
            {"two_theta": float(angles[i]), "intensity": float(peaks.area[i]), "d": float(d)}
            for i, d in zip(first, d_from_two_theta(angles[first], wavelength), strict=True)
        ]
        request: dict[str, object] = {
            "lines": lines,
            "lattices": [number for system in self.options.systems for number, _ in LATTICES[system]],
            "zero": 0.0,
            "seed": int(rng.integers(2**31)),
            "seconds": self.options.seconds_per_lattice,
            "most_calculated": MOST_CALCULATED,
            "start_volume": self.options.start_volume,
            "least_m20": self.options.least_m20,
            "most_x20": self.options.most_unindexed,
        }
        try:
            answer = self._call("index", request, self.options)
        except Gsas2Error as error:
            if error.kind.lasting:
                raise
            warnings.warn(f"no cells from GSAS-II: {error}", Gsas2Warning, stacklevel=2)
            return []
        found = (_hypothesis(entry) for entry in answer.value["cells"])
        small = [cell for cell in found if cell is not None and cell.cell.volume <= problem.max_volume]
        return _distinct(small)[:count]


def _hypothesis(entry: Mapping[str, Any]) -> CellHypothesis | None:
    centring = next(letter for group in LATTICES.values() for number, letter in group if number == entry["lattice"])
    try:
        cell = UnitCell.from_numbers([float(value) for value in entry["cell"]])
        reduced, _ = UnitCell.from_basis(primitive_vectors(centring, cell) @ cell.basis).niggli()
    except CellError:
        return None
    merits = {"m20": float(entry["m20"]), "x20": float(entry["x20"])}
    return CellHypothesis(cell=reduced, origin="gsas2", score=merits["m20"], merits=MappingProxyType(merits))


def _distinct(hypotheses: Sequence[CellHypothesis]) -> list[CellHypothesis]:
    """The first of each set of cells alike within 0.2 %."""
    kept: list[CellHypothesis] = []
    for hypothesis in sorted(hypotheses, key=lambda entry: -entry.score):
        mine = np.array(hypothesis.cell.parameters)
        if not any(np.allclose(mine, other.cell.parameters, rtol=2e-3) for other in kept):
            kept.append(hypothesis)
    return kept
