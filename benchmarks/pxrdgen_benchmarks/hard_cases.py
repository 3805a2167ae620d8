"""Crystals that are hard for X-rays, and what is hard about them. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.composition import Composition
from pxrdgen.values.crystal import Crystal
from pxrdgen_crystallography.formula.parse import parse_formula

#: compounds of figures 4 to 6 and S3 of Li et al. 2025, as formula units.
PAPER_COMPOUNDS = (
    "ZrNiH3",
    "Li3AuS2",
    "Sr(OH)2.H2O",
    "MnFeAs",
    "Sr3Fe2Cu2Se2O5",
    "Y6PdBr10",
    "NaTiVS4",
    "NaAlP2S6",
    "Ce2AlGaNi2",
)
#: elements this close in atomic number are merged when geometry is judged apart from assignment.
CLOSE = 3


def nearest_pair(species: NDArray[np.int64]) -> int:
    """Smallest difference in atomic number between two elements of the crystal; 0 for one element."""
    elements = np.unique(species)
    return int(np.diff(elements).min()) if len(elements) > 1 else 0


def merged(crystal: Crystal, close: int = CLOSE) -> Crystal:
    """The crystal with elements at most ``close`` apart taken for one (the lightest of each chain)."""
    elements = np.unique(crystal.species)
    first: dict[int, int] = {}
    for place, number in enumerate(elements.tolist()):
        before = int(elements[place - 1]) if place else -100
        first[number] = first[before] if number - before <= close else number
    species = np.array([first[number] for number in crystal.species.tolist()])
    return Crystal(species=species, frac_coords=crystal.frac_coords, basis=crystal.basis, name=crystal.name)


def is_paper_compound(crystal: Crystal) -> bool:
    """Whether the paper shows this compound."""
    formula = Composition.from_species(crystal.species).reduced()[0]
    return formula in {parse_formula(text)[0].reduced()[0] for text in PAPER_COMPOUNDS}


def peak_overlap(crystals: Sequence[Crystal]) -> NDArray[np.float64]:
    """[B] share of the lines between 5 and 80 degrees (Cu K-alpha1) that have another within the line's width."""
    import torch

    from pxrdgen.values.crystal_batch import CrystalBatch
    from pxrdgen.values.instrument import GSAS2_DEFAULT
    from pxrdgen_crystallography.diffraction import simulate_reflections
    from pxrdgen_crystallography.powder_line.widths import line_widths

    shares = []
    for start in range(0, len(crystals), 64):
        batch = CrystalBatch.from_crystals(crystals[start : start + 64])
        with torch.no_grad():
            found = simulate_reflections(batch, GSAS2_DEFAULT, two_theta_min=5.0, two_theta_max=80.0)
        for angles, mask in zip(found.two_theta.numpy(), found.mask.numpy(), strict=True):
            # lines of one form coincide exactly; only different ones overlap
            lines = np.unique(np.sort(angles[mask]).astype(np.float64).round(5))
            width = np.asarray(line_widths(np.radians(lines) / 2.0, GSAS2_DEFAULT)[0]) if lines.size else lines
            gap = np.diff(lines)
            near = np.zeros(lines.size, dtype=bool)
            near[:-1] |= gap < width[:-1]
            near[1:] |= gap < width[1:]
            shares.append(float(near.mean()) if lines.size else 0.0)
    return np.array(shares)
