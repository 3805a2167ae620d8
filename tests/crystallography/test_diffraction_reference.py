"""The closed form agrees with GSAS-II, point by point and reflection by reflection.

``gsas2_reference.npz``: sixteen crystals in P1 (AFLOW prototypes from pymatgen, two random cells, a rattled prototype),
simulated with GSAS-II commit 013259a0: Cu K-alpha 1.54056 / 1.54433 A 2:1, polarisation 0.7, U 2, V -2, W 5,
SH/L 0.002, 1 um crystallites, microstrain 1000, Uiso 0.01 A^2, constant background 1, 5-80 degrees by 0.01; every third
point is kept. ``patterns`` [16, 2501] are divided by ``ymax`` [16]; ``offsets`` [17] cut ``hkl`` and ``f_squared`` into
crystals; ``meta_json`` holds name, source and CIF of each.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import gemmi
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pxrdgen.values.cell import UnitCell
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.crystal_batch import CrystalBatch
from pxrdgen.values.instrument import GSAS2_DEFAULT
from pxrdgen_crystallography.diffraction import simulate_profile, simulate_reflections

FIXTURE = Path(__file__).resolve().parent.parent / "fixtures" / "gsas2_reference.npz"
#: largest difference allowed, as a fraction of the highest point.
TOLERANCE = 3e-4


@dataclass(frozen=True, kw_only=True)
class Reference:
    """One crystal as GSAS-II sees it."""

    name: str
    cif: str
    two_theta: NDArray[np.float64]
    pattern: NDArray[np.float32]
    highest: float
    f_squared: dict[tuple[int, ...], float]


def sites_as_listed(cif: str) -> CrystalBatch:
    """The sites of a P1 CIF, none merged, none left out; mixed sites keep their occupancy."""
    structure = gemmi.make_small_structure_from_block(gemmi.cif.read_string(cif).sole_block())
    cell, sites = structure.cell, list(structure.sites)
    crystal = Crystal(
        species=np.array([site.element.atomic_number for site in sites]),
        frac_coords=np.array([[site.fract.x, site.fract.y, site.fract.z] for site in sites]),
        basis=UnitCell(cell.a, cell.b, cell.c, cell.alpha, cell.beta, cell.gamma).basis,
    )
    batch = CrystalBatch.from_crystals([crystal], dtype=torch.float64)
    occupancy = torch.tensor([[site.occ for site in sites]], dtype=torch.float64)
    return batch if bool((occupancy == 1.0).all()) else replace(batch, occupancy=occupancy)


def references(path: Path, f_squared: str) -> list[Reference]:
    """All P1 entries of a file of GSAS-II simulations."""
    with np.load(path) as data:
        arrays = {key: data[key] for key in ("two_theta", "patterns", "ymax", "offsets", "hkl", f_squared, "meta_json")}
    found = []
    for row, meta in enumerate(json.loads(bytes(arrays["meta_json"]))):
        if meta.get("gsas_sg", "P 1") != "P 1":
            continue
        lines = slice(arrays["offsets"][row], arrays["offsets"][row + 1])
        found.append(
            Reference(
                name=meta["name"],
                cif=meta["cif"],
                two_theta=arrays["two_theta"],
                pattern=arrays["patterns"][row],
                highest=float(arrays["ymax"][row]),
                f_squared=dict(
                    zip(map(tuple, arrays["hkl"][lines].tolist()), arrays[f_squared][lines].tolist(), strict=True)
                ),
            )
        )
    return found


def largest_difference(reference: Reference) -> float:
    """Between simulated and GSAS-II's points, as a fraction of GSAS-II's highest; no scale is fitted."""
    grid = torch.from_numpy(reference.two_theta)
    profile = simulate_profile(
        sites_as_listed(reference.cif), GSAS2_DEFAULT, grid, background=1.0, reflection_range=(5.0, 80.0)
    )
    return float(np.abs(profile[0].numpy() / reference.highest - reference.pattern).max())


def simulated_f_squared(reference: Reference) -> dict[tuple[int, ...], float]:
    """|F|^2 by index, named as GSAS-II names it: one of each Friedel pair."""
    reflections = simulate_reflections(sites_as_listed(reference.cif), GSAS2_DEFAULT)
    keep = reflections.mask[0]
    indices = reflections.hkl[0][keep].round().long().tolist()
    named = {}
    for index, value in zip(indices, reflections.f_squared[0][keep].tolist(), strict=True):
        mate = tuple(-number for number in index)
        named[mate if mate in reference.f_squared else tuple(index)] = value
    return named


FIXTURES = references(FIXTURE, "f_squared")


@pytest.mark.parametrize("reference", FIXTURES, ids=lambda reference: reference.name)
def test_the_profile_is_gsas2s(reference: Reference) -> None:
    assert largest_difference(reference) <= TOLERANCE


@pytest.mark.parametrize("reference", FIXTURES, ids=lambda reference: reference.name)
def test_reflections_and_structure_factors_are_gsas2s(reference: Reference) -> None:
    ours = simulated_f_squared(reference)
    assert ours.keys() == reference.f_squared.keys()
    largest = max(reference.f_squared.values())
    assert max(abs(ours[index] - value) for index, value in reference.f_squared.items()) <= 1e-6 * largest


def test_the_fixture_covers_every_crystal_system_and_heavy_and_light_elements() -> None:
    with np.load(FIXTURE) as data:
        meta = json.loads(bytes(data["meta_json"]))
    assert len({entry["system"] for entry in meta}) == 7
    elements = {int(number) for entry in FIXTURES for number in sites_as_listed(entry.cif).species[0].tolist()}
    assert min(elements) == 1
    assert max(elements) >= 89


def test_a_wrong_displacement_parameter_would_be_seen() -> None:
    reference = FIXTURES[0]
    batch = sites_as_listed(reference.cif)
    rigid = replace(batch, u_iso=torch.zeros_like(batch.frac_coords[..., 0]))
    profile = simulate_profile(rigid, GSAS2_DEFAULT, torch.from_numpy(reference.two_theta), background=1.0)[0].numpy()
    assert np.abs(profile / reference.highest - reference.pattern).max() > 10 * TOLERANCE


@pytest.fixture(scope="module")
def all_references(shared_data: Path) -> list[Reference]:
    return references(shared_data / "gsas_reference.npz", "F2")


def test_every_p1_pattern_of_the_reference_set(all_references: list[Reference]) -> None:
    assert len(all_references) == 145
    difference, name = max((largest_difference(reference), reference.name) for reference in all_references)
    assert difference <= TOLERANCE, name


def test_every_structure_factor_of_the_reference_set(all_references: list[Reference]) -> None:
    for reference in all_references:
        ours = simulated_f_squared(reference)
        assert ours.keys() == reference.f_squared.keys(), reference.name
        largest = max(reference.f_squared.values())
        error = max(abs(ours[index] - value) for index, value in reference.f_squared.items())
        assert error <= 1e-6 * largest, reference.name


@pytest.mark.parametrize("name", ["Ba2Mg1Os1O6", "Ca2La2Fe2Sn2O12"])
def test_the_patterns_the_authors_of_pxrdgen_released(shared_data: Path, name: str) -> None:
    folder = shared_data / "pxrdgen_samples"
    released = np.loadtxt(folder / f"{name}_XRD.dat")
    grid = 5.0 + 0.01 * torch.arange(released.size, dtype=torch.float64)
    batch = sites_as_listed((folder / f"{name}_target.cif").read_text(encoding="utf-8"))
    profile = simulate_profile(batch, GSAS2_DEFAULT, grid, background=1.0, reflection_range=(5.0, 80.0))[0].numpy()
    assert released.size == 7500
    assert np.abs(profile / profile.max() - released).max() <= TOLERANCE
