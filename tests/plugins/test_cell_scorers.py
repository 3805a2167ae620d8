"""The scorers of cells: the true cell comes before those that are off, too small or too large."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from pxrdgen.errors import CellError
from pxrdgen.interfaces.cell_scorer import CellScorer
from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.plugins.registry import default_registry
from pxrdgen.values.cell import UnitCell
from pxrdgen.values.cells import CellHypothesis, CellProblem
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.crystal_batch import CrystalBatch
from pxrdgen.values.instrument import GSAS2_DEFAULT
from pxrdgen.values.pattern import PowderPattern
from pxrdgen_cells.scorers.fastdtw_scorer import line_spacings
from pxrdgen_cells.scorers.lebail_scorer import screening
from pxrdgen_cells.scorers.warping import ApproximateWarping, ExactWarping
from pxrdgen_crystallography.diffraction import simulate_profile
from pxrdgen_crystallography.formula.parse import parse_formula
from pxrdgen_crystallography.preparation import prepare

TRUE = UnitCell(3.9, 4.6, 5.5)
WRONG = {
    "edges 3 % off": UnitCell(4.02, 4.46, 5.66),
    "doubled": UnitCell(3.9, 4.6, 11.0),
    "too small": UnitCell(2.6, 3.1, 3.7),
}


@pytest.fixture(scope="module")
def problem() -> CellProblem:
    """An orthorhombic oxide with atoms in general places, noise-free."""
    crystal = Crystal(
        species=np.array([8, 8, 22, 38]),
        frac_coords=np.array([[0.1, 0.2, 0.35], [0.62, 0.7, 0.15], [0.0, 0.0, 0.0], [0.43, 0.52, 0.61]]),
        basis=TRUE.basis,
        name="oxide",
    )
    grid = torch.arange(10.0, 80.0, 0.02, dtype=torch.float64)
    batch = CrystalBatch.from_crystals([crystal], dtype=torch.float64)
    profile = simulate_profile(batch, GSAS2_DEFAULT, grid)[0].numpy()
    pattern = PowderPattern(
        two_theta=grid.numpy(), intensity=1e4 * profile / profile.max() + 50.0, instrument=GSAS2_DEFAULT
    )
    return CellProblem(prepared=prepare(pattern))


def scorer(name: str, **options: object) -> CellScorer:
    built = default_registry().build(ComponentKind.CELL_SCORER, name, options)
    assert isinstance(built, CellScorer)
    return built


def hypotheses(*cells: UnitCell) -> list[CellHypothesis]:
    return [CellHypothesis(cell=cell, origin="test") for cell in cells]


# --- time warping ---


@pytest.mark.parametrize("warping", [ExactWarping(), ApproximateWarping(radius=3)])
def test_the_distance_of_short_lists_is_the_one_worked_out_by_hand(warping: ExactWarping | ApproximateWarping) -> None:
    """1 and 2 both go to 2, 3 to 3, then 3 to 4: 1 + 0 + 0 + 1."""
    assert warping.distance(np.array([1.0, 2.0, 3.0]), np.array([2.0, 3.0, 4.0])) == pytest.approx(2.0)
    assert warping.distance(np.array([1.0, 2.0]), np.array([1.0, 2.0])) == 0.0


def test_the_approximation_is_never_shorter_than_the_exact_distance() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        first, second = -np.sort(-rng.random(30)), -np.sort(-rng.random(45))
        assert ApproximateWarping().distance(first, second) >= ExactWarping().distance(first, second) - 1e-12


def test_lines_of_a_cubic_cell_are_those_of_its_lattice() -> None:
    spacing = line_spacings(hypotheses(UnitCell(4.0, 4.0, 4.0))[0], 1.540593, 10.0, 60.0)
    assert (4.0 / spacing[:5]) ** 2 == pytest.approx([1.0, 2.0, 3.0, 4.0, 5.0])


@pytest.mark.parametrize("implementation", ["dtaidistance", "fastdtw"])
@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_fastdtw_prefers_the_true_cell(problem: CellProblem, implementation: str, wrong: str) -> None:
    true, other = scorer("fastdtw", implementation=implementation).score(problem, hypotheses(TRUE, WRONG[wrong]))
    assert true > other


def test_a_zero_shift_that_is_known_is_taken_out(problem: CellProblem) -> None:
    shifted = replace(
        problem,
        prepared=replace(
            problem.prepared, peaks=replace(problem.prepared.peaks, two_theta=problem.prepared.peaks.two_theta + 0.2)
        ),
    )
    plain = hypotheses(TRUE)[0]
    without, with_zero = scorer("fastdtw").score(shifted, [plain, replace(plain, zero=0.2)])
    assert with_zero > without


def test_the_formula_decides_between_cells_that_explain_the_peaks_alike(problem: CellProblem) -> None:
    """SrTi2O5 needs about 103 A^3; half of the true cell's 99 would not hold it."""
    known = replace(problem, composition=parse_formula("SrTi2O5")[0], z=1)
    cells = hypotheses(TRUE, UnitCell(3.9, 4.6, 2.75))
    gap = np.subtract(*scorer("fastdtw").score(problem, cells))
    gap_known = np.subtract(*scorer("fastdtw").score(known, cells))
    assert gap_known > gap + 2.0


# --- Le Bail ---


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_lebail_prefers_the_true_cell(problem: CellProblem, wrong: str) -> None:
    true, other = scorer("lebail").score(problem, hypotheses(TRUE, WRONG[wrong]))
    assert true > other


def test_cells_that_explain_too_few_peaks_are_not_fitted(problem: CellProblem) -> None:
    scores = scorer("lebail", at_most=1).score(problem, hypotheses(WRONG["edges 3 % off"], TRUE))
    assert scores[0] == -1e9
    assert scores[1] > -1e6


def test_lines_everywhere_count_as_chance(problem: CellProblem) -> None:
    dense = UnitCell(19.5, 23.0, 27.5)
    true, chance = (screening(problem.prepared, entry) for entry in hypotheses(TRUE, dense))
    assert true > 0.7
    assert chance < 0.3


# --- both ---


@pytest.mark.parametrize("name", ["fastdtw", "lebail"])
def test_scores_are_finite_and_in_order(problem: CellProblem, name: str) -> None:
    cells = hypotheses(TRUE, *WRONG.values())
    scores = scorer(name).score(problem, cells)
    backwards = scorer(name).score(problem, cells[::-1])
    assert np.isfinite(scores).all()
    assert scores == pytest.approx(backwards[::-1])
    assert scorer(name).score(problem, []).shape == (0,)


def test_too_few_peaks_are_refused(problem: CellProblem) -> None:
    peaks = problem.prepared.peaks
    few = replace(problem, prepared=replace(problem.prepared, peaks=peaks.select(np.arange(len(peaks)) < 3)))
    with pytest.raises(CellError, match="at least 4"):
        scorer("fastdtw").score(few, hypotheses(TRUE))
