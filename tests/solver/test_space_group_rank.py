"""Space groups ranked from a pattern: measured and simulated crystals, wrong groups, nearly symmetric cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from pxrdgen.errors import SymmetryError
from pxrdgen.plugins.registry import default_registry
from pxrdgen.values.cell import UnitCell
from pxrdgen.values.composition import Composition
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.instrument import CUKA, LABORATORY, Instrument
from pxrdgen.values.pattern import PowderPattern
from pxrdgen.values.prepared_pattern import PreparedPattern
from pxrdgen.values.problem import StructureProblem
from pxrdgen_app.examples.examples import example
from pxrdgen_crystallography.decomposition.decompose import Decomposition, decompose
from pxrdgen_crystallography.formula.parse import parse_formula
from pxrdgen_crystallography.preparation import prepare
from pxrdgen_crystallography.space_group_symbols import parse_space_group
from pxrdgen_files.patterns import read_pattern
from pxrdgen_solver.question.problem import build_problem
from pxrdgen_solver.space_group.line_fit import fit_lines
from pxrdgen_solver.space_group.rank import rank_space_groups
from pxrdgen_solver.space_group.values import RankedGroups

FloatArray = NDArray[np.float64]
Profile = Callable[..., FloatArray]
GRID = np.arange(12.0, 80.0, 0.02)


@dataclass(frozen=True)
class Asked:
    """A prepared pattern with its problem and decomposition."""

    prepared: PreparedPattern
    problem: StructureProblem
    decomposition: Decomposition

    def ranked(self) -> RankedGroups:
        return rank_space_groups(self.prepared, self.problem, self.decomposition)


def asked(prepared: PreparedPattern, composition: Composition, cell: UnitCell, z: int) -> Asked:
    problem = build_problem(prepared.pattern, composition, cell=cell, z=z)
    decomposition = decompose(
        prepared.pattern.two_theta,
        prepared.pattern.intensity,
        prepared.pattern.uncertainty,
        prepared.background,
        prepared.instrument,
        problem.basis,
        background_su=prepared.background_su,
    )
    return Asked(prepared, problem, decomposition)


def simulated(profile: Profile, crystal: Crystal, cell: UnitCell | None = None) -> Asked:
    """Poisson counts, 10 000 at the highest peak above a flat background of 50."""
    counts = np.random.default_rng(3).poisson(1e4 * profile(crystal, GRID, LABORATORY) + 50.0).astype(float)
    pattern = PowderPattern(two_theta=GRID, intensity=counts, instrument=Instrument(radiation=CUKA))
    composition, z = Composition.from_species(crystal.species).reduced()
    return asked(prepare(pattern), composition, cell or crystal.cell, z)


@pytest.fixture(scope="module")
def lead_sulphate() -> PreparedPattern:
    return prepare(read_pattern(example("pbso4").pattern, registry=default_registry()))


@pytest.fixture(scope="module")
def anglesite(lead_sulphate: PreparedPattern) -> Asked:
    known = example("pbso4")
    return asked(lead_sulphate, parse_formula(known.formula)[0], UnitCell.from_numbers(known.cell), known.z)


def named(asked_for: Asked, symbol: str) -> Asked:
    return replace(asked_for, problem=replace(asked_for.problem, space_group=parse_space_group(symbol)))


def pseudo_cubic() -> Crystal:
    """P 21 21 21 with five atoms in general positions and axes that differ by 0.2 % and 0.5 %."""
    group = parse_space_group("P212121")
    places = np.random.default_rng(11).random((3, 3))
    coords = np.concatenate([(group.rotations @ place + group.translations) for place in places])
    species = np.repeat([26, 16, 8], 4)
    basis = UnitCell(6.2, 6.2124, 6.231).basis
    return Crystal(species=species, frac_coords=coords % 1.0, basis=basis, name="pseudo-cubic").sorted_by_species()


def test_pnma_of_anglesite_comes_first_from_the_measured_pattern(anglesite: Asked) -> None:
    ranked = anglesite.ranked()
    assert ranked[0].space_group.number == 62
    assert ranked.classes[0].symbol == "P n - a"
    # P n a 21 in the setting with the same absences cannot be told apart from it
    assert {member.space_group.number for member in ranked.classes[0].members} == {33, 62}
    assert sum(entry.probability for entry in ranked) == pytest.approx(1.0)
    assert sum(entry.probability for entry in ranked.classes) == pytest.approx(1.0)


def test_the_conventional_cell_of_the_first_candidate_is_the_one_of_its_setting(anglesite: Asked) -> None:
    first = anglesite.ranked()[0]
    cell = UnitCell.from_basis(first.to_conventional @ anglesite.decomposition.basis)
    assert cell.parameters[:3] == pytest.approx((8.48, 5.40, 6.96), abs=0.02)
    rotations, translations = first.operations()
    assert rotations.shape == (8, 3, 3)
    assert translations.shape == (8, 3)


def test_a_group_named_by_the_user_is_judged_alone_and_keeps_its_setting(anglesite: Asked) -> None:
    ranked = named(anglesite, "Pnma").ranked()
    assert [entry.space_group.hm_symbol for entry in ranked] == ["P n m a"]
    assert ranked[0].forbidden == 0
    assert ranked.notes == ()


def test_lines_that_a_wrong_group_forbids_are_reported(anglesite: Asked) -> None:
    ranked = named(anglesite, "Pbnm").ranked()
    assert ranked[0].forbidden > 5
    assert ranked[0].evidence < -30
    assert "observed lines are forbidden by P b n m: 2theta 20.8" in ranked.notes[0]


def test_a_group_that_cannot_hold_the_composition_is_refused(anglesite: Asked) -> None:
    problem = anglesite.problem
    with pytest.raises(SymmetryError, match=r"multiplicities 16, 32 any number of times, and once each 8"):
        build_problem(
            problem.pattern, problem.composition, cell=problem.user_cell, z=4, space_group=parse_space_group("Fddd")
        )


@pytest.mark.parametrize(
    ("name", "symbol", "number"),
    [("rutile", "P - n -", 136), ("quartz", "P 31 - -", 152), ("perovskite", "P - - -", 221)],
)
def test_known_crystals_are_recognised(
    name: str, symbol: str, number: int, profile: Profile, known: dict[str, Crystal]
) -> None:
    ranked = simulated(profile, known[name]).ranked()
    assert ranked.classes[0].symbol.split()[1:] == symbol.split()[1:]
    assert number in [entry.space_group.number for entry in ranked[:3]]


def test_of_mirror_images_one_is_listed_and_the_other_named(profile: Profile, known: dict[str, Crystal]) -> None:
    ranked = simulated(profile, known["quartz"]).ranked()
    numbers = [entry.space_group.number for entry in ranked]
    assert 152 in numbers
    assert 154 not in numbers
    assert ranked[numbers.index(152)].enantiomorph == 154


def test_absent_lines_of_rutile_are_zero_within_their_uncertainty(profile: Profile, known: dict[str, Crystal]) -> None:
    case = simulated(profile, known["rutile"])
    fit = fit_lines(case.prepared, case.decomposition)
    # h00 and 00l with an odd index are absent in P 42/m n m; some share a line with reflections that are not
    odd = (np.count_nonzero(fit.hkl, axis=1) == 1) & (fit.hkl.sum(axis=1) % 2 == 1)
    alone = [line for line in np.unique(fit.group[odd]) if odd[fit.group == line].all()]
    assert len(alone) >= 3
    assert np.abs(fit.intensity[alone] / fit.su[alone]).max() < 4


def test_an_orthorhombic_crystal_in_a_nearly_cubic_cell_stays_orthorhombic(profile: Profile) -> None:
    ranked = simulated(profile, pseudo_cubic()).ranked()
    assert ranked[0].space_group.crystal_system in {"orthorhombic", "monoclinic"}
    # axes 0.2 % apart leave few lines of one zone alone, so other orthorhombic groups stay likely
    assert 19 in [entry.space_group.number for entry in ranked[:10]]
    higher = [entry for entry in ranked if entry.space_group.crystal_system in {"tetragonal", "cubic"}]
    assert higher
    assert all(entry.strain > 5e-4 for entry in higher)
    assert sum(entry.probability for entry in higher) < 1e-6


def test_a_cell_typed_a_tenth_of_a_degree_off_still_leads_to_the_higher_symmetry(
    lead_sulphate: PreparedPattern,
) -> None:
    known = example("pbso4")
    a, b, c = known.cell[:3]
    slanted = asked(lead_sulphate, parse_formula(known.formula)[0], UnitCell(a, c, b, 90, 90.1, 90), known.z)
    assert slanted.ranked()[0].space_group.number == 62
