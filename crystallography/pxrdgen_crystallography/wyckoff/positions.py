"""Wyckoff positions of a space group in the primitive cell of a problem, whatever setting the group was given in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import SymmetryError
from pxrdgen.values.space_group import SpaceGroup
from pxrdgen_crystallography.wyckoff.derivation import SiteFamily
from pxrdgen_crystallography.wyckoff.table import tabulated_positions

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_GENERIC = np.array([0.13717, 0.28391, 0.41913])
_CLOSE = 1e-6


@dataclass(frozen=True, kw_only=True)
class OrbitFamily:
    """All orbits of one Wyckoff position: atom k sits at linear[k] @ u + constant[k], u of ``freedom`` numbers.

    Args:
        letter: in the reference setting.
        linear: [m, 3, freedom].
        constant: [m, 3].
        frequency: orbits on this position in the training split.
    """

    letter: str
    linear: FloatArray = field(repr=False)
    constant: FloatArray = field(repr=False)
    frequency: int

    @property
    def multiplicity(self) -> int:
        """Atoms of an orbit in the primitive cell."""
        return int(self.linear.shape[0])

    @property
    def freedom(self) -> int:
        """Free coordinates, 0 to 3."""
        return int(self.linear.shape[2])

    def places(self, free: FloatArray) -> FloatArray:
        """[..., m, 3] atoms of the orbits with free coordinates [..., freedom]."""
        return np.asarray(np.einsum("kif,...f->...ki", self.linear, free) + self.constant)

    def family(self) -> SiteFamily:
        """The first atom's places as a subspace."""
        return SiteFamily(multiplicity=self.multiplicity, directions=self.linear[0], origin=self.constant[0])


@dataclass(frozen=True, kw_only=True)
class CellGroup:
    """A space group in a primitive cell, with its Wyckoff positions.

    Args:
        space_group: in the setting it was given in.
        rotations, translations: [G, 3, 3] and [G, 3], x' = R x + t in the primitive cell; G is the point group's order.
        families: by letter.
    """

    space_group: SpaceGroup
    rotations: IntArray = field(repr=False)
    translations: FloatArray = field(repr=False)
    families: tuple[OrbitFamily, ...] = field(repr=False)

    @property
    def order(self) -> int:
        """Of the point group."""
        return len(self.rotations)

    @property
    def polar_directions(self) -> int:
        """Dimensions in which the origin may float."""
        return round(float(np.trace(self.rotations.mean(axis=0))))

    def possible_multiplicities(self) -> tuple[int, ...]:
        """Atoms that one orbit can hold, each number once, rising."""
        return tuple(sorted({family.multiplicity for family in self.families}))


def cell_group(space_group: SpaceGroup, to_conventional: IntArray) -> CellGroup:
    """A group in the primitive cell with basis conventional basis = to_conventional @ primitive basis.

    Raises:
        SymmetryError: the group does not map the primitive lattice onto itself.
    """
    rotations, translations = space_group.operations_in(to_conventional)
    linear, shift = _from_reference(space_group)
    to_primitive = np.asarray(to_conventional, dtype=np.float64).T
    families = []
    for position in tabulated_positions()[space_group.number]:
        directions = to_primitive @ linear @ position.directions
        origin = to_primitive @ (linear @ position.origin + shift)
        families.append(_orbit_family(position.letter, directions, origin, rotations, translations, position.frequency))
    general = families[-1].multiplicity
    if general != len(rotations):
        raise SymmetryError(f"got {space_group} in a cell in which its general position has {general} atoms")
    return CellGroup(space_group=space_group, rotations=rotations, translations=translations, families=tuple(families))


def _orbit_family(
    letter: str,
    directions: FloatArray,
    origin: FloatArray,
    rotations: IntArray,
    translations: FloatArray,
    frequency: int,
) -> OrbitFamily:
    point = directions @ _GENERIC[: directions.shape[1]] + origin
    images = rotations @ point + translations
    difference = images[:, None, :] - images[None, :, :]
    same = np.abs(difference - np.rint(difference)).max(axis=-1) < _CLOSE
    cosets = np.flatnonzero(same.argmax(axis=1) == np.arange(len(images)))
    return OrbitFamily(
        letter=letter,
        linear=rotations[cosets] @ directions,
        constant=rotations[cosets] @ origin + translations[cosets],
        frequency=frequency,
    )


def _from_reference(space_group: SpaceGroup) -> tuple[FloatArray, FloatArray]:
    """Linear part and shift that take coordinates of the reference setting to the group's own setting."""
    import gemmi

    found = gemmi.find_spacegroup_by_ops(gemmi.symops_from_hall(space_group.hall_symbol))
    operation = found.basisop
    scale = float(operation.DEN)
    return np.array(operation.rot, dtype=np.float64) / scale, np.array(operation.tran, dtype=np.float64) / scale


def letters_of(families: Sequence[OrbitFamily], orbits: Sequence[Sequence[int]]) -> tuple[str, ...]:
    """Multiplicity in the primitive cell and letter of each element's orbits: ``("4c", "4c 4c 8d")``."""
    return tuple(
        " ".join(f"{families[index].multiplicity}{families[index].letter}" for index in chosen) for chosen in orbits
    )
