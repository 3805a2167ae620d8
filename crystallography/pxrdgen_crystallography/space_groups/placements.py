"""Every way to lay a space group into a lattice: group, conventional cell, operations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.space_group import SpaceGroup
from pxrdgen_crystallography.space_group_symbols import parse_space_group
from pxrdgen_crystallography.space_groups.absences import reflection_conditions
from pxrdgen_crystallography.space_groups.frames import Frame, frames_of
from pxrdgen_crystallography.space_groups.subgroups import LatticeSymmetry
from pxrdgen_crystallography.symmetry.conventional import ENANTIOMORPHS

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Miller indices up to this tell placements apart.
_BLOCK = 6


@dataclass(frozen=True, kw_only=True)
class Placement:
    """A space group in a definite conventional cell of a lattice.

    Args:
        space_group: in the setting of that cell.
        to_conventional: [3, 3] conventional basis (rows) = to_conventional @ primitive basis.
        rotations, translations: [K, 3, 3], [K, 3] operations in the primitive cell.
        metric: [3, 3] of the primitive basis, averaged over the rotations.
    """

    space_group: SpaceGroup
    to_conventional: IntArray
    rotations: IntArray
    translations: FloatArray
    metric: FloatArray

    @classmethod
    def without_symmetry(cls, basis: FloatArray) -> Placement:
        """P -1 in the primitive cell: the highest symmetry that every lattice has."""
        return place(parse_space_group(2), np.eye(3, dtype=np.int64), basis)


def placements(basis: FloatArray, lattice: LatticeSymmetry) -> Iterator[Placement]:
    """Every placement that the lattice's exact symmetry does not map onto an earlier one, highest symmetry first.

    Of two groups that are mirror images (P 41, P 43) only the first is laid: the pattern is the same.
    """
    block = _Block(lattice)
    metric = basis @ basis.T
    for members in lattice.subgroups:
        rotations = lattice.rotations[list(members)]
        averaged = np.einsum("gij,jk,glk->il", rotations, metric, rotations) / len(rotations)
        proper = {rotation.tobytes() for rotation in rotations}
        seen: set[tuple[int, bytes]] = set()
        for frame in frames_of(rotations, averaged):
            for group in _groups(frame.crystal_system, frame.centring):
                placement = _place(group, frame, averaged)
                if {_proper(rotation).tobytes() for rotation in placement.rotations} != proper:
                    continue
                signatures = block.signatures(placement)
                if (group.number, signatures[0]) not in seen:
                    yield placement
                seen.update((group.number, signature) for signature in signatures)


def place(group: SpaceGroup, to_conventional: IntArray, basis: FloatArray) -> Placement:
    """A group the user named, in the user's cell.

    Raises:
        SymmetryError: its rotations do not map the lattice onto itself.
    """
    rotations, translations = group.operations_in(to_conventional)
    metric = np.einsum("gji,jk,gkl->il", rotations, basis @ basis.T, rotations) / len(rotations)
    return Placement(
        space_group=group,
        to_conventional=to_conventional,
        rotations=rotations,
        translations=translations,
        metric=metric,
    )


def same_placements(one: Placement, others: Sequence[Placement], lattice: LatticeSymmetry) -> list[bool]:
    """Which of ``others`` are the same group in the same place, exact rotations of the lattice and inversion aside."""
    block = _Block(lattice)
    number = _first_of_pair(one.space_group.number)
    wanted = set(block.signatures(one))
    return [
        _first_of_pair(other.space_group.number) == number and block.signatures(other)[0] in wanted for other in others
    ]


def canonical_absences(placed: Sequence[Placement], lattice: LatticeSymmetry) -> list[bytes]:
    """What each placement extinguishes, equal for placements that exact rotations of the lattice map onto another."""
    block = _Block(lattice)
    return [min(absent[image].tobytes() for image in block.images) for absent in map(block.absent, placed)]


def _place(group: SpaceGroup, frame: Frame, metric: FloatArray) -> Placement:
    rotations, translations = group.operations_in(frame.to_conventional)
    return Placement(
        space_group=group,
        to_conventional=frame.to_conventional,
        rotations=rotations,
        translations=translations,
        metric=metric,
    )


def _proper(rotation: IntArray) -> IntArray:
    """The rotation part as it acts on basis rows, inversion taken out."""
    return np.ascontiguousarray(rotation.T) * round(float(np.linalg.det(rotation)))


def _first_of_pair(number: int) -> int:
    """Of mirror images the lower number."""
    return min(number, ENANTIOMORPHS.get(number, number))


@lru_cache(maxsize=32)
def _groups(crystal_system: str, centring: str) -> tuple[SpaceGroup, ...]:
    return tuple(
        group for group in _reference_groups() if group.crystal_system == crystal_system and group.centring == centring
    )


@lru_cache(maxsize=1)
def _reference_groups() -> tuple[SpaceGroup, ...]:
    """The 230 in their reference settings, of mirror images the first."""
    return tuple(parse_space_group(number) for number in range(1, 231) if _first_of_pair(number) == number)


class _Block:
    """A block of Miller indices and how the exact rotations of the lattice permute it."""

    def __init__(self, lattice: LatticeSymmetry) -> None:
        steps = np.arange(-_BLOCK, _BLOCK + 1)
        box = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
        exact = lattice.exact_rotations
        # indices h go with the basis: h' = W h; rows whose images all stay inside the box are kept
        images = np.einsum("gij,nj->gni", exact, box)
        inside = (np.abs(images).max(axis=2) <= _BLOCK).all(axis=0)
        self.hkl = box[inside]
        place = {tuple(h): row for row, h in enumerate(self.hkl.tolist())}
        self.images = np.array([[place[tuple(h)] for h in image[inside].tolist()] for image in images])
        self.exact = exact
        self.inverse = np.rint(np.linalg.inv(exact)).astype(np.int64)

    def absent(self, placement: Placement) -> NDArray[np.bool_]:
        """[block] which reflections are extinct."""
        return reflection_conditions(self.hkl, placement.rotations, placement.translations)[0]

    def signatures(self, placement: Placement) -> list[bytes]:
        """The point group and the absences as seen after each exact rotation of the lattice, its own first."""
        absent = self.absent(placement)
        weights = 7 ** np.arange(9)
        rows = placement.rotations.transpose(0, 2, 1)
        turned = np.einsum("gij,kjl,glm->gkim", self.exact, rows, self.inverse).reshape(len(self.exact), -1, 9)
        codes = np.sort((turned + 3) @ weights, axis=1)
        return [code.tobytes() + absent[image].tobytes() for code, image in zip(codes, self.images, strict=True)]
