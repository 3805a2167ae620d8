"""What the gsas2 cell predictor asks and what it makes of the answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from pxrdgen.errors import CellError
from pxrdgen.values.cells import CellProblem
from pxrdgen.values.instrument import CUKA, Instrument
from pxrdgen.values.prepared_pattern import PeakList
from pxrdgen_gsas2.client import Answer
from pxrdgen_gsas2.failures import FailureKind, Gsas2Error
from pxrdgen_gsas2.indexing import Gsas2Indexing, Gsas2Warning
from pxrdgen_gsas2.options import Gsas2IndexingOptions, Gsas2WorkerOptions

from .stand_in import VERSION


class Lines:
    """As much of a prepared pattern as indexing looks at."""

    def __init__(self, two_theta: list[float]) -> None:
        angles = np.array(two_theta)
        self.instrument = Instrument(radiation=CUKA)
        ones = np.ones_like(angles)
        self.peaks = PeakList(
            two_theta=angles,
            two_theta_su=0.01 * ones,
            height=ones,
            area=ones,
            area_su=0.1 * ones,
            fwhm=0.1 * ones,
            wavelength=CUKA.wavelength,
        )


def test_cells_found_are_primitive_and_reduced_best_first() -> None:
    cells = [
        {"m20": 20.0, "x20": 1, "lattice": 2, "cell": [9.0, 9.0, 9.0, 90, 90, 90]},
        {"m20": 35.0, "x20": 0, "lattice": 0, "cell": [5.64, 5.64, 5.64, 90, 90, 90]},
        {"m20": 30.0, "x20": 0, "lattice": 0, "cell": [5.641, 5.641, 5.641, 90, 90, 90]},
        {"m20": 33.0, "x20": 0, "lattice": 12, "cell": [15.0, 16.0, 17.0, 90, 90, 90]},
    ]
    seen: list[Mapping[str, Any]] = []

    def answering(verb: str, request: Mapping[str, Any], options: Gsas2WorkerOptions) -> Answer:
        assert verb == "index"
        seen.append(request)
        return Answer(value={"cells": cells}, gsas2=VERSION)

    problem = CellProblem(prepared=Lines([27.4, 31.7, 45.4, 53.9, 56.5, 66.2, 73.1, 75.3]))  # type: ignore[arg-type]
    options = Gsas2IndexingOptions(systems=("cubic",))
    found = Gsas2Indexing(options, call=answering).predict(problem, 5, np.random.default_rng(1))
    assert [hypothesis.merits["m20"] for hypothesis in found] == [35.0, 20.0]
    assert found[0].cell.parameters == pytest.approx([5.64 / np.sqrt(2)] * 3 + [60.0] * 3)
    assert seen[0]["lattices"] == [0, 1, 2]
    assert len(seen[0]["lines"]) == 8
    assert seen[0]["lines"][0]["d"] == pytest.approx(3.2525, abs=1e-3)


@pytest.mark.parametrize("kind", [FailureKind.TIMED_OUT, FailureKind.FAILED])
def test_the_search_for_cells_goes_on_without_a_failed_gsas2(kind: FailureKind) -> None:
    def failing(verb: str, request: Mapping[str, Any], options: Gsas2WorkerOptions) -> Answer:
        raise Gsas2Error(kind, "no answer")

    problem = CellProblem(prepared=Lines([27.4, 31.7, 45.4, 53.9, 56.5, 66.2, 73.1, 75.3]))  # type: ignore[arg-type]
    with pytest.warns(Gsas2Warning, match="no answer"):
        assert Gsas2Indexing(call=failing).predict(problem, 5, np.random.default_rng(1)) == []


def test_too_few_lines_cannot_be_indexed() -> None:
    problem = CellProblem(prepared=Lines([27.4, 31.7]))  # type: ignore[arg-type]
    with pytest.raises(CellError, match="2 peaks"):
        Gsas2Indexing().predict(problem, 5, np.random.default_rng(1))
