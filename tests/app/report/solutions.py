"""Solutions to report: rock salt, anglesite, and a search that found nothing."""

from __future__ import annotations

import math

import numpy as np

from pxrdgen.values.cell import UnitCell
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.refinement import ProfileCurves, RefinedQuantity, RefinementResult
from pxrdgen.values.solution import Candidate, Evidence, Solution, Verdict

SALT = 5.6402


def curves(points: int = 1500) -> ProfileCurves:
    """A rock-salt like pattern of Gaussian lines with counting noise."""
    two_theta = np.linspace(10.0, 90.0, points)
    ticks = np.array([27.37, 31.70, 45.45, 53.88, 56.48, 66.23, 73.08, 75.30, 83.99])
    heights = np.array([90.0, 1000.0, 620.0, 20.0, 190.0, 80.0, 15.0, 140.0, 100.0])
    background = 40.0 + 60.0 * np.exp(-two_theta / 25.0)
    calculated = background + (heights * np.exp(-(((two_theta[:, None] - ticks) / 0.12) ** 2))).sum(axis=1)
    sigma = np.sqrt(calculated)
    observed = calculated + sigma * np.random.default_rng(3).standard_normal(points)
    return ProfileCurves(
        two_theta=two_theta, observed=observed, calculated=calculated, background=background, sigma=sigma, ticks=ticks
    )


def rock_salt() -> Candidate:
    """NaCl: refined in the primitive cell (origin on Cl), shown in the face-centred one."""
    half = SALT / 2
    primitive = Crystal(
        species=np.array([11, 17]),
        frac_coords=np.array([[0.5, 0.5, 0.5], [0.0, 0.0, 0.0]]),
        basis=np.array([[0.0, half, half], [half, 0.0, half], [half, half, 0.0]]),
        u_iso=np.array([0.018, 0.014]),
    )
    faces = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    conventional = Crystal(
        species=np.array([11] * 4 + [17] * 4),
        frac_coords=np.vstack([faces, faces + 0.5]),
        basis=np.eye(3) * SALT,
        u_iso=np.array([0.018] * 4 + [0.014] * 4),
    )
    refinement = RefinementResult(
        crystal=primitive,
        r_wp=0.0712,
        r_p=0.0534,
        r_exp=0.0655,
        gof=1.087,
        r_wp_without_background=0.1123,
        quantities=(
            RefinedQuantity(name="scale", label="Scale factor", value=1.234e-3),
            RefinedQuantity(name="zero", label="Zero shift", unit="° 2θ", value=-0.0123),
        ),
        cell_su=(0.0003,) * 3 + (0.0,) * 3,
        coordinate_su=np.zeros((2, 3)),
        curves=curves(),
    )
    return Candidate(
        refinement=refinement,
        origin="direct_space",
        space_group_number=225,
        space_group_symbol="Fm-3m",
        conventional=conventional,
        score=0.0712,
    )


def anglesite() -> Candidate:
    """PbSO4 (Miyake, Minato, Morikawa & Iwai 1978) in Pnma; refined in the Niggli order of its axes."""
    asymmetric = [
        (82, 0.1879, 0.25, 0.1667),
        (16, 0.0633, 0.25, 0.6842),
        (8, 0.9079, 0.25, 0.5957),
        (8, 0.1936, 0.25, 0.5432),
    ]
    general = (8, 0.0813, 0.0270, 0.8092)
    species, coords = [], []
    for z, x, y, w in asymmetric:
        for image in ((x, y, w), (0.5 - x, -y, w + 0.5), (-x, y + 0.5, -w), (x + 0.5, 0.5 - y, 0.5 - w)):
            species.append(z)
            coords.append(image)
    z, x, y, w = general
    for image in ((x, y, w), (0.5 - x, -y, w + 0.5), (-x, y + 0.5, -w), (x + 0.5, 0.5 - y, 0.5 - w)):
        species += [z, z]
        coords += [image, tuple(-value for value in image)]
    conventional = Crystal(
        species=np.array(species), frac_coords=np.array(coords), basis=UnitCell(8.482, 5.398, 6.959).basis,
        u_iso=np.full(24, 0.0121),
    )  # fmt: skip
    axes = [1, 2, 0]
    refined = Crystal(
        species=conventional.species,
        frac_coords=conventional.frac_coords[:, axes] + np.array([0.25, 0.0, 0.5]),
        basis=UnitCell(5.398, 6.959, 8.482).basis,
        u_iso=conventional.u_iso,
    )
    refinement = RefinementResult(
        crystal=refined, r_wp=0.0934, r_p=0.071, r_exp=0.041, gof=2.278,
        quantities=(RefinedQuantity(name="scale", label="Scale factor", value=4.2e-4),),
        cell_su=(0.0001, 0.0002, 0.0003, 0.0, 0.0, 0.0),
        coordinate_su=np.tile([0.0, 0.0014, 0.0021], (24, 1)), curves=curves(),
    )  # fmt: skip
    return Candidate(
        refinement=refinement, origin="direct_space", space_group_number=62, space_group_symbol="Pnma",
        conventional=conventional, score=0.0934, warnings=("O2 and O3 contribute 6 % of the intensity.",),
        conventional_cell_su=(0.0003, 0.0001, 0.0002, 0.0, 0.0, 0.0),
        conventional_coordinate_su=np.tile([0.0021, 0.0, 0.0014], (24, 1)),
    )  # fmt: skip


def solved(*candidates: Candidate) -> Solution:
    evidence = Evidence(
        gof=1.087,
        excess=1.04,
        gap=0.12,
        shortest_contact=0.98,
        unexplained=0.004,
        reasons=("The fit reaches 1.09 sigma.",),
    )
    return Solution(
        candidates=candidates or (rock_salt(), anglesite()),
        verdict=Verdict.SOLVED,
        evidence=evidence,
        provenance={
            "spec": {"generator": "direct_space"},
            "seed": 7,
            "versions": {"pxrdgen": "0.1.0"},
            "seconds": math.inf,
            "citations": ["Li et al., Nat. Commun. 16, 7428 (2025), doi:10.1038/s41467-025-62708-8"],
        },
        notes=("Read 1.5418 A as the CuKa doublet.",),
    )


def empty(interrupted: bool = False) -> Solution:
    return Solution(candidates=(), verdict=Verdict.NOT_SOLVED, evidence=None, interrupted=interrupted)
