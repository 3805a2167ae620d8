"""What the gsas2 refiner asks its worker for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.plugins.registry import default_registry
from pxrdgen.values.cell import UnitCell
from pxrdgen.values.crystal import Crystal
from pxrdgen_gsas2.conventional_phase import conventional_phase
from pxrdgen_gsas2.indexing import Gsas2Indexing
from pxrdgen_gsas2.options import Gsas2Options
from pxrdgen_gsas2.refiner import Gsas2Refiner, u_groups
from pxrdgen_testing.samples import rutile

from .stand_in import StandIn, corundum, flat, symmetric


def test_the_worker_gets_the_asymmetric_unit_in_origin_choice_2() -> None:
    stand_in = StandIn()
    Gsas2Refiner(call=stand_in).refine(flat(), [symmetric(corundum())[1]])
    phase = stand_in.requests[0]["phase"]
    assert phase["space_group"] == "R -3 c"
    assert phase["expected_atoms"] == 30
    assert sorted(atom["element"] for atom in phase["atoms"]) == ["Al", "O"]
    assert phase["cell"][2] == pytest.approx(12.9933, abs=1e-4)
    assert phase["centrosymmetric"]


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
    directions = [entry.direction for entry in result.quantities if entry.name == "march_dollase"]
    assert directions == [tuple(axis.tolist())]


def test_backgrounds_are_given_or_left_to_the_polynomial() -> None:
    stand_in = StandIn()
    _, start = symmetric(rutile())
    Gsas2Refiner(call=stand_in).refine(flat(), [start])
    Gsas2Refiner(Gsas2Options(background="chebyshev", background_terms=9), call=stand_in).refine(flat(), [start])
    given, alone = stand_in.requests
    assert given["measurement"]["background"] == [60.0] * 200
    assert alone["measurement"]["background"] is None
    assert alone["options"]["background_terms"] == 9


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


@pytest.mark.parametrize(("field", "word"), [("sigma", "positive"), ("background", "lengths")])
def test_broken_measurements_are_not_sent(field: str, word: str) -> None:
    good = flat()
    bad = replace(good, sigma=np.zeros(200)) if field == "sigma" else replace(good, background=np.zeros(3))
    stand_in = StandIn()
    result = Gsas2Refiner(call=stand_in).refine(bad, [symmetric(rutile())[1]])[0]
    assert word in result.message
    assert not stand_in.requests


def test_the_components_are_found_by_their_name() -> None:
    registry = default_registry()
    assert isinstance(registry.build(ComponentKind.REFINER, "gsas2", {"workers": 2}), Gsas2Refiner)
    assert isinstance(registry.build(ComponentKind.CELL_PREDICTOR, "gsas2", {}), Gsas2Indexing)
