"""What the gsas2 refiner asks and what it makes of the answers; a stand-in answers, so GSAS-II is not needed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pxrdgen.cell import UnitCell
from pxrdgen.cells.values import CellProblem
from pxrdgen.components import ComponentKind
from pxrdgen.crystal import Crystal
from pxrdgen.errors import CellError
from pxrdgen.instrument import CUKA, LABORATORY, Instrument
from pxrdgen.preparation.peaks import PeakList
from pxrdgen.registry import default_registry
from pxrdgen.solver.values import Measurement, RefinementStart
from pxrdgen.symmetry.symmetrise import SymmetrisedCrystal, find_symmetry, invariance_error
from pxrdgen_refiners.gsas2.client import Answer, Gsas2Version
from pxrdgen_refiners.gsas2.conventional_phase import conventional_phase
from pxrdgen_refiners.gsas2.failures import FailureKind, Gsas2Error
from pxrdgen_refiners.gsas2.indexing import Gsas2Indexing, Gsas2Warning
from pxrdgen_refiners.gsas2.options import Gsas2IndexingOptions, Gsas2Options, Gsas2WorkerOptions
from pxrdgen_refiners.gsas2.refiner import Gsas2Refiner, u_groups

FloatArray = NDArray[np.float64]
VERSION = Gsas2Version(version="5838", commit="d46e7a0a", folder="/somewhere", python="/usr/bin/python")


def rutile() -> Crystal:
    x = 0.3053
    coords = [[0, 0, 0], [0.5, 0.5, 0.5], [x, x, 0], [-x, -x, 0], [0.5 + x, 0.5 - x, 0.5], [0.5 - x, 0.5 + x, 0.5]]
    return Crystal(
        species=np.array([22, 22, 8, 8, 8, 8]),
        frac_coords=np.array(coords),
        basis=UnitCell(4.5937, 4.5937, 2.9587).basis,
        name="rutile",
    )


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


def lopsided() -> Crystal:
    """Four atoms without symmetry."""
    coords = np.array([[0.02, 0.11, 0.31], [0.51, 0.37, 0.72], [0.25, 0.81, 0.07], [0.77, 0.63, 0.44]])
    return Crystal(
        species=np.array([26, 14, 8, 8]), frac_coords=coords, basis=UnitCell(4.1, 4.6, 5.3, 85, 95, 101).basis
    )


def flat(points: int = 200, instrument: Instrument = LABORATORY) -> Measurement:
    grid = np.linspace(20.0, 60.0, points)
    return Measurement(
        two_theta=grid,
        intensity=np.full(points, 110.0),
        sigma=np.full(points, 10.0),
        background=np.full(points, 60.0),
        instrument=instrument,
    )


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


def symmetric(crystal: Crystal) -> tuple[SymmetrisedCrystal, RefinementStart]:
    sym = find_symmetry(crystal, 0.01)
    return sym, RefinementStart(crystal=sym.crystal, symmetry=sym)


@pytest.mark.parametrize("crystal", [rutile(), corundum(), lopsided()], ids=["rutile", "corundum", "lopsided"])
def test_an_unchanged_structure_comes_back_in_its_own_cell_and_order(crystal: Crystal) -> None:
    sym, start = symmetric(crystal)
    result = Gsas2Refiner(call=StandIn()).refine(flat(), [start])[0]
    assert np.abs(result.crystal.frac_coords - sym.crystal.frac_coords).max() < 1e-9
    assert np.abs(result.crystal.basis - sym.crystal.basis).max() < 1e-6
    assert result.crystal.species.tolist() == sym.crystal.species.tolist()
    assert result.crystal.u_iso is not None
    assert np.allclose(result.crystal.u_iso, 0.02)


def test_the_worker_gets_the_asymmetric_unit_in_origin_choice_2() -> None:
    stand_in = StandIn()
    Gsas2Refiner(call=stand_in).refine(flat(), [symmetric(corundum())[1]])
    phase = stand_in.requests[0]["phase"]
    assert phase["space_group"] == "R -3 c"
    assert phase["expected_atoms"] == 30
    assert sorted(atom["element"] for atom in phase["atoms"]) == ["Al", "O"]
    assert phase["cell"][2] == pytest.approx(12.9933, abs=1e-4)
    assert phase["centrosymmetric"]


@pytest.mark.parametrize("crystal", [rutile(), corundum()], ids=["rutile", "corundum"])
def test_a_moved_atom_takes_its_whole_orbit_along(crystal: Crystal) -> None:
    sym, start = symmetric(crystal)
    moves = []

    def move(value: dict[str, Any]) -> None:
        phase = conventional_phase(sym.crystal, sym)
        for number, atom in enumerate(phase.representatives):
            if phase.conventional.crystal.species[atom] == 8:
                group = phase.conventional.space_group
                place = phase.conventional.crystal.frac_coords[atom]
                images = group.rotations @ place + group.translations
                stays = np.abs((images - place + 0.5) % 1.0 - 0.5).max(axis=1) < 1e-6
                allowed = group.rotations[stays].mean(axis=0) @ np.array([0.013, 0.007, 0.011])
                moves.append(allowed)
                value["phases"][0]["coordinates"][number] = (place + allowed).tolist()

    result = Gsas2Refiner(call=StandIn(move)).refine(flat(), [start])[0]
    assert np.linalg.norm(moves[0]) > 0.001
    moved = np.abs(result.crystal.frac_coords - sym.crystal.frac_coords).max(axis=1)
    assert np.all((moved > 1e-3) == (sym.crystal.species == 8))
    assert invariance_error(replace(sym, crystal=result.crystal)) < 1e-6


def test_uncertainties_follow_the_atoms_into_the_primitive_cell() -> None:
    """x of oxygen in corundum: the shift of the atom in A is what it is in either cell."""
    sym, start = symmetric(corundum())
    phase = conventional_phase(sym.crystal, sym)
    oxygen = next(n for n, a in enumerate(phase.representatives) if phase.conventional.crystal.species[a] == 8)
    place = phase.conventional.crystal.frac_coords[phase.representatives[oxygen]]
    images = phase.conventional.space_group.rotations @ place + phase.conventional.space_group.translations
    stays = np.abs((images - place + 0.5) % 1.0 - 0.5).max(axis=1) < 1e-6
    direction = phase.conventional.space_group.rotations[stays].mean(axis=0) @ np.array([1.0, 0.3, 0.2])

    def uncertain(value: dict[str, Any]) -> None:
        value["phases"][0] |= {
            "moves": [{"atom": oxygen, "direction": direction.tolist()}],
            "move_covariance": [[4e-6]],
        }

    result = Gsas2Refiner(call=StandIn(uncertain)).refine(flat(), [start])[0]
    assert result.coordinate_su is not None
    expected = 2e-3 * np.linalg.norm(direction @ phase.conventional.crystal.basis)
    for atom, z in enumerate(sym.crystal.species):
        sus = result.coordinate_su[atom]
        if z == 13:
            assert not sus.any()
            continue
        # one direction moves each oxygen, so its three uncertainties make one vector up to signs
        signs = [np.array([a, b, c]) for a in (1, -1) for b in (1, -1) for c in (1, -1)]
        lengths = [np.linalg.norm(sign * sus @ sym.crystal.basis) for sign in signs]
        assert min(abs(length - expected) for length in lengths) < 1e-6


def test_cell_uncertainties_are_those_of_the_start_s_cell() -> None:
    sym, start = symmetric(corundum())
    a, c = 4.7602, 12.9933
    su_a, su_c = 2e-4, 9e-4
    slope_a, slope_c = 2 / (0.75 * a**3), 2 / c**3  # A0 = 4 / (3 a^2), A2 = 1 / c^2

    def uncertain(value: dict[str, Any]) -> None:
        variances = [(su_a * 4 * slope_a / 4 * 1.0) ** 2, (su_c * slope_c) ** 2]
        value["phases"][0] |= {"cell_variables": [0, 2], "cell_covariance": np.diag(variances).tolist()}

    result = Gsas2Refiner(call=StandIn(uncertain)).refine(flat(), [start])[0]
    assert result.cell_su is not None
    edge = sym.crystal.cell.a  # a_R^2 = a^2 / 3 + c^2 / 9
    expected = np.hypot(a / 3 * su_a, c / 9 * su_c) / edge
    assert result.cell_su[:3] == pytest.approx([expected] * 3, rel=1e-3)


def test_a_free_origin_is_held_at_the_mean() -> None:
    """In P1 one atom is held by GSAS-II; the uncertainty is shared out among all."""
    moves = [
        {"atom": atom, "direction": [float(axis == other) for other in range(3)]}
        for atom in (1, 2, 3)
        for axis in (0, 1, 2)
    ]

    def uncertain(value: dict[str, Any]) -> None:
        value["phases"][0] |= {"moves": moves, "move_covariance": (1e-6 * np.eye(9)).tolist()}

    result = Gsas2Refiner(call=StandIn(uncertain)).refine(flat(), [RefinementStart(crystal=lopsided())])[0]
    assert result.coordinate_su is not None
    held = int(conventional_phase(lopsided(), None).representatives[0])
    for atom, su in enumerate(result.coordinate_su):
        shared = np.sqrt(3) if atom == held else np.sqrt(9 + 1 + 1)
        assert su == pytest.approx([shared / 4 * 1e-3] * 3)


def test_agreement_factors_are_pxrdgen_s_own() -> None:
    result = Gsas2Refiner(call=StandIn()).refine(flat(), [symmetric(rutile())[1]])[0]
    assert result.r_wp == pytest.approx(10 / 110)
    assert result.r_wp_without_background == pytest.approx(10 / 50)
    assert result.r_exp == pytest.approx(np.sqrt((200 - 10) * 100 / (200 * 110**2)))
    assert result.num_parameters == 10
    assert result.parameters["u_iso_Ti"] == pytest.approx(0.02)
    assert result.parameter_su == {"scale": 0.1, "zero": 0.002}
    assert "5838" in result.message


def test_hydrogen_and_faint_atoms_hold_their_uiso() -> None:
    crystal = Crystal(
        species=np.array([82, 1, 8, 8]),
        frac_coords=np.array([[0, 0, 0], [0.3, 0.3, 0.4], [0.5, 0.1, 0.2], [0.1, 0.6, 0.7]]),
        basis=UnitCell(5, 6, 7, 80, 85, 95).basis,
    )
    phase = conventional_phase(crystal, None)
    of = {
        int(phase.conventional.crystal.species[a]): g
        for a, g in zip(phase.representatives, u_groups(phase, "element"), strict=True)
    }
    assert of[1] is None
    assert of[82] is not None
    assert len({g for g in u_groups(phase, "overall") if g is not None}) == 1
    assert len({g for g in u_groups(phase, "site") if g is not None}) == 3


def test_the_texture_axis_is_told_in_both_cells() -> None:
    """(1 1 1) of the primitive rhombohedron is (0 0 3) along the hexagonal c axis."""

    def textured(value: dict[str, Any]) -> None:
        axis = stand_in.requests[-1]["options"]["texture_axis"]
        value["parameters"] |= {f"texture_{name}": [float(x), 0.0] for name, x in zip("hkl", axis, strict=True)}

    stand_in = StandIn(textured)
    sym, start = symmetric(corundum())
    axis = np.rint(np.linalg.inv(sym.to_standard) @ [0, 0, 3]).astype(int)
    options = Gsas2Options(texture_axis=tuple(axis.tolist()))
    result = Gsas2Refiner(options, call=stand_in).refine(flat(), [start])[0]
    assert np.abs(stand_in.requests[0]["options"]["texture_axis"]).tolist() == [0, 0, 3]
    assert [result.parameters[f"texture_{name}"] for name in "hkl"] == pytest.approx(axis)


def test_backgrounds_are_given_or_left_to_the_polynomial() -> None:
    stand_in = StandIn()
    _, start = symmetric(rutile())
    Gsas2Refiner(call=stand_in).refine(flat(), [start])
    Gsas2Refiner(Gsas2Options(background="chebyshev", background_terms=9), call=stand_in).refine(flat(), [start])
    given, alone = stand_in.requests
    assert given["measurement"]["background"] == [60.0] * 200
    assert alone["measurement"]["background"] is None
    assert alone["options"]["background_terms"] == 9


def test_an_impurity_is_a_phase_of_its_own() -> None:
    result = Gsas2Refiner(call=StandIn()).refine(replace(flat(), impurities=(corundum(),)), [symmetric(rutile())[1]])[0]
    found = result.impurities[0]
    assert np.abs(found.crystal.basis - corundum().basis).max() < 1e-6
    mass = {"rutile": 2 * 79.865, "corundum": 6 * 101.961}
    assert found.weight_fraction == pytest.approx(mass["corundum"] / sum(mass.values()), abs=1e-3)
    assert found.scale == pytest.approx(1.0)


def test_an_instrument_file_is_handed_on(tmp_path: Path) -> None:
    path = tmp_path / "mine.instprm"
    path.write_text(
        "#GSAS-II instrument parameter file\nType:PXC\nBank:1.0\nLam:0.7093\nPolariz.:0.6\nU:3\nV:-1\nW:4\n"
    )
    stand_in = StandIn()
    Gsas2Refiner(Gsas2Options(instrument_file=path), call=stand_in).refine(flat(), [symmetric(rutile())[1]])
    assert stand_in.requests[0]["instrument"]["file"] == str(path)
    assert stand_in.requests[0]["instrument"]["wavelengths"] == [0.7093]


def test_projects_kept_have_names_of_their_own(tmp_path: Path) -> None:
    stand_in = StandIn()
    (tmp_path / "rutile_01.gpx").write_text("another")
    options = Gsas2Options(keep_projects=tmp_path)
    _, start = symmetric(rutile())
    Gsas2Refiner(options, call=stand_in).refine(flat(), [start, start])
    assert [Path(request["keep"]).name for request in stand_in.requests] == ["rutile_01_2.gpx", "rutile_02.gpx"]


@pytest.mark.parametrize("workers", [1, 3])
def test_one_failure_leaves_the_others_alone_and_in_order(workers: int) -> None:
    good = StandIn()

    def sometimes(verb: str, request: Mapping[str, Any], options: Gsas2WorkerOptions) -> Answer:
        if not request["phase"]["centrosymmetric"]:
            raise Gsas2Error(FailureKind.CRASHED, "signal SIGSEGV")
        return good(verb, request, options)

    starts = [symmetric(rutile())[1], RefinementStart(crystal=lopsided()), symmetric(corundum())[1]]
    results = Gsas2Refiner(Gsas2Options(workers=workers), call=sometimes).refine(flat(), starts)
    assert [result.crystal.name for result in results] == ["rutile", "", "corundum"]
    assert [result.converged for result in results] == [True, False, True]
    assert "SIGSEGV" in results[1].message
    assert "trying again may help" in results[1].message
    assert results[1].r_wp == float("inf")
    assert results[1].crystal.species.tolist() == [26, 14, 8, 8]


def test_a_missing_gsas2_is_asked_for_once() -> None:
    calls = []

    def missing(verb: str, request: Mapping[str, Any], options: Gsas2WorkerOptions) -> Answer:
        calls.append(verb)
        raise Gsas2Error(FailureKind.NOT_INSTALLED, "no package GSASII")

    refiner, start = Gsas2Refiner(call=missing), symmetric(rutile())[1]
    results = [*refiner.refine(flat(), [start, start]), *refiner.refine(flat(), [start])]
    assert len(calls) == 1
    assert all("GSAS-II is missing" in result.message and not result.converged for result in results)


def test_at_most_so_many_processes_run_at_a_time() -> None:
    good, running, most, lock = StandIn(), [0], [0], threading.Lock()

    def slow(verb: str, request: Mapping[str, Any], options: Gsas2WorkerOptions) -> Answer:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.05)
        with lock:
            running[0] -= 1
        return good(verb, request, options)

    starts = [symmetric(rutile())[1]] * 6
    Gsas2Refiner(Gsas2Options(workers=2), call=slow).refine(flat(), starts)
    assert most[0] == 2


@pytest.mark.parametrize("broken", ["calculated", "phases", "nan"])
def test_answers_that_make_no_sense_are_results(broken: str) -> None:
    def damage(value: dict[str, Any]) -> None:
        if broken == "nan":
            value["calculated"][3] = float("nan")
        else:
            value[broken] = value[broken][:0]

    result = Gsas2Refiner(call=StandIn(damage)).refine(flat(), [symmetric(rutile())[1]])[0]
    assert not result.converged
    assert "cannot be used" in result.message


@pytest.mark.parametrize(("field", "word"), [("sigma", "positive"), ("background", "lengths")])
def test_broken_measurements_are_not_sent(field: str, word: str) -> None:
    good = flat()
    bad = replace(good, sigma=np.zeros(200)) if field == "sigma" else replace(good, background=np.zeros(3))
    stand_in = StandIn()
    result = Gsas2Refiner(call=stand_in).refine(bad, [symmetric(rutile())[1]])[0]
    assert word in result.message
    assert not stand_in.requests


@pytest.mark.parametrize(("found", "word"), [("off", "off without"), ("repaired", "put in its place"), ("fine", "")])
def test_a_structure_without_a_centre_is_warned_about(found: str, word: str) -> None:
    stand_in = StandIn(lambda value: value.update(friedel=found))
    result = Gsas2Refiner(call=stand_in).refine(flat(), [RefinementStart(crystal=lopsided())])[0]
    assert word in result.message
    assert ("Friedel" in result.message) is bool(word)


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


def test_the_components_are_found_by_their_name() -> None:
    registry = default_registry()
    assert isinstance(registry.build(ComponentKind.REFINER, "gsas2", {"workers": 2}), Gsas2Refiner)
    assert isinstance(registry.build(ComponentKind.CELL_PREDICTOR, "gsas2", {}), Gsas2Indexing)
