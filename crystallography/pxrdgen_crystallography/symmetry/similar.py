"""Are two structures the same? pymatgen's matcher decides (Ong et al. 2013, doi:10.1016/j.commatsci.2012.10.028)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pxrdgen.values.composition import Composition
from pxrdgen.values.crystal import Crystal
from pxrdgen_crystallography.symmetry.contacts import neighbour_distances
from pxrdgen_crystallography.symmetry.pymatgen_structure import crystal_to_pymatgen
from pxrdgen_crystallography.time_limit import time_limit

#: Neighbours of each species that the quick test compares; 26 images leave at least this many for one atom a cell.
_NEIGHBOURS = 12
#: seconds for one comparison: the matcher needs milliseconds, and hours for some large pseudo-symmetric cells.
SECONDS_TO_COMPARE = 10.0


def same_structure(
    a: Crystal,
    b: Crystal,
    *,
    ltol: float = 0.2,
    stol: float = 0.3,
    angle_tol: float = 5.0,
    patience: float = SECONDS_TO_COMPARE,
) -> float | None:
    """Root mean square displacement of matched atoms over (V/N)^(1/3), or ``None`` when the structures differ.

    Args:
        a, b: in any cells; reduced to primitive ones, volumes scaled to each other, mirror images count as equal.
        ltol: relative tolerance on lengths.
        stol: largest displacement over (V/N)^(1/3).
        angle_tol: degrees.
        patience: seconds after which the answer is ``None`` (on the main thread; elsewhere there is no limit).
    """
    if Composition.from_species(a.species).reduced()[0] != Composition.from_species(b.species).reduced()[0]:
        return None
    from pymatgen.analysis.structure_matcher import StructureMatcher

    matcher = StructureMatcher(ltol=ltol, stol=stol, angle_tol=angle_tol)
    try:
        with time_limit(patience):
            found = matcher.get_rms_dist(crystal_to_pymatgen(a), crystal_to_pymatgen(b))  # type: ignore[no-untyped-call]
    except TimeoutError:
        return None
    return None if found is None else float(found[0])


def merge_duplicates(
    crystals: Sequence[Crystal],
    *,
    ltol: float = 0.2,
    stol: float = 0.3,
    angle_tol: float = 5.0,
    patience: float = SECONDS_TO_COMPARE,
) -> list[tuple[int, ...]]:
    """Groups of indices of equal structures, each led by its first member, in order of first appearance.

    Structures whose distances to their nearest neighbours agree are taken as equal without asking the matcher, those
    whose volumes a formula unit differ by more than ``ltol`` allows as different. Other arguments as in
    :func:`same_structure`.
    """
    groups: list[list[int]] = []
    for index, crystal in enumerate(crystals):
        for group in groups:
            leader = crystals[group[0]]
            if looks_identical(leader, crystal) or (
                _volumes_agree(leader, crystal, ltol)
                and same_structure(leader, crystal, ltol=ltol, stol=stol, angle_tol=angle_tol, patience=patience)
                is not None
            ):
                group.append(index)
                break
        else:
            groups.append([index])
    return [tuple(group) for group in groups]


def looks_identical(a: Crystal, b: Crystal, *, tolerance: float = 0.03) -> bool:
    """Whether two crystals of as many atoms have the same 12 nearest distances to every species, within A; cheap."""
    if len(a) != len(b) or not np.array_equal(np.sort(a.species), np.sort(b.species)):
        return False
    if abs(a.volume - b.volume) > 0.02 * a.volume:
        return False
    for number in np.unique(a.species):
        ours = neighbour_distances(a, _NEIGHBOURS)[a.species == number]
        theirs = neighbour_distances(b, _NEIGHBOURS)[b.species == number]
        if np.abs(np.sort(ours, axis=0) - np.sort(theirs, axis=0)).max() > tolerance:
            return False
    return True


def _volumes_agree(a: Crystal, b: Crystal, ltol: float) -> bool:
    ratio = (a.volume / len(a)) / (b.volume / len(b))
    return 1.0 / (1.0 + ltol) ** 3 <= ratio <= (1.0 + ltol) ** 3
