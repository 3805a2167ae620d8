"""Whether a compound counts as valid in the published tables: charges that can balance, atoms that do not overlap."""

from __future__ import annotations

import importlib.util
from functools import lru_cache

import numpy as np

from pxrdgen.values.crystal import Crystal
from pxrdgen.values.elements import SYMBOLS

#: A; atoms nearer than this overlap (CDVAE's criterion, Xie et al. 2022, arXiv:2110.06197).
SHORTEST = 0.5


def is_valid(crystal: Crystal) -> bool | None:
    """By SMACT (Davies et al. 2019, doi:10.21105/joss.01361) and shortest distance; ``None`` without smact."""
    charges = _charges_balance(tuple(sorted(crystal.species.tolist())))
    return None if charges is None else charges and shortest_distance(crystal) > SHORTEST


def shortest_distance(crystal: Crystal) -> float:
    """Between any two atoms, images included, in A."""
    cells = np.array(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij")).reshape(3, -1).T
    delta = crystal.frac_coords[:, None] - crystal.frac_coords[None]
    delta = delta - np.rint(delta)
    distances = np.linalg.norm((delta[:, :, None] + cells) @ crystal.basis, axis=-1)
    return float(distances[distances > 1e-6].min(initial=np.inf)) if len(np.unique(distances.round(6))) else np.inf


@lru_cache(maxsize=4096)
def _charges_balance(species: tuple[int, ...]) -> bool | None:
    if importlib.util.find_spec("smact") is None:
        return None
    from smact.screening import smact_validity

    counts = {SYMBOLS[number]: species.count(number) for number in dict.fromkeys(species)}
    return bool(smact_validity("".join(f"{symbol}{count}" for symbol, count in counts.items())))
