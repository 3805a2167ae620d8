"""Cells as unbounded numbers."""

from __future__ import annotations

import pytest
import torch

from pxrdgen.values.cell import UnitCell
from pxrdgen_learning.generative.cell_coordinates import CellCoordinates, LengthsAngles, RawMatrix

CELLS = torch.tensor(
    [
        UnitCell(3.1, 3.1, 4.8, 90, 90, 120).basis.tolist(),
        UnitCell(4.0, 5.2, 9.7, 62.0, 71.0, 84.0).basis.tolist(),
        UnitCell(5.0, 5.5, 6.5, 98.0, 103.0, 111.0).basis.tolist(),
    ]
)


@pytest.mark.parametrize("coordinates", [LengthsAngles(), RawMatrix()], ids=lambda c: type(c).__name__)
class TestCoordinates:
    def test_there_and_back(self, coordinates: CellCoordinates) -> None:
        assert torch.allclose(coordinates.basis(coordinates.of(CELLS, 6), 6), CELLS, atol=2e-4)

    def test_any_numbers_are_a_cell(self, coordinates: CellCoordinates) -> None:
        numbers = 3.0 * torch.randn(500, coordinates.size, generator=torch.Generator().manual_seed(0))
        basis = coordinates.basis(numbers, 8)
        assert bool(torch.isfinite(basis).all())
        assert float(torch.linalg.det(basis).min()) > 1.0
        assert float(torch.triu(basis, 1).abs().max()) == 0.0

    def test_usual_cells_are_of_unit_size(self, coordinates: CellCoordinates) -> None:
        assert float(coordinates.of(CELLS, 6).abs().max()) < 3.0
