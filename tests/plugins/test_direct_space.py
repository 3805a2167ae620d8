"""Random starts obey the groups they claim, and kicks disturb without changing what the crystal is made of."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from pxrdgen.errors import SymmetryError
from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.plugins.registry import default_registry
from pxrdgen.values.cell import UnitCell
from pxrdgen.values.crystal import Crystal
from pxrdgen_crystallography.lattice.lattice_symmetry import lattice_point_group
from pxrdgen_crystallography.space_group_symbols import parse_space_group
from pxrdgen_crystallography.symmetry.freedom import free_coordinates, free_origin
from pxrdgen_crystallography.symmetry.symmetrise import find_symmetry
from pxrdgen_generators.direct_space import DirectSpace
from pxrdgen_generators.kicks import kick
from pxrdgen_generators.options import DirectSpaceOptions
from pxrdgen_generators.random_symmetry import RandomGroup, coordinate_rotations, random_arrangement, random_group

CELLS = {
    "cubic": UnitCell(4.2, 4.2, 4.2),
    "hexagonal": UnitCell(4.2, 4.2, 6.1, 90, 90, 120),
    "tetragonal": UnitCell(4.2, 4.2, 6.1),
    "monoclinic": UnitCell(4.2, 5.3, 6.1, 90, 101, 90),
    "triclinic": UnitCell(4.2, 5.3, 6.1, 81, 95, 102),
}


def target(species: list[int], cell: UnitCell) -> Any:
    """What a generator looks at: the cell and the atoms."""
    numbers = torch.tensor(sorted(species))
    elements, element_of = torch.unique(numbers, return_inverse=True)
    basis = torch.as_tensor(cell.basis, dtype=torch.float32)
    return SimpleNamespace(species=numbers, elements=elements, element_of=element_of, basis=basis)


def groups_of(cell: UnitCell, count: int, seed: int = 0) -> list[RandomGroup]:
    rotations = coordinate_rotations(lattice_point_group(cell.basis))
    rng = np.random.default_rng(seed)
    drawn = [random_group(rotations, rng, largest=48) for _ in range(count)]
    return [group for group in drawn if group is not None]


def images(group: RandomGroup, coords: NDArray[np.float64]) -> NDArray[np.float64]:
    """[G, N, 3]."""
    return np.einsum("gij,nj->gni", group.rotations, coords) + group.translations[:, None]


@pytest.mark.parametrize("system", CELLS)
def test_random_groups_are_groups_of_the_lattice(system: str) -> None:
    cell = CELLS[system]
    metric = cell.basis @ cell.basis.T
    groups = groups_of(cell, 60)
    assert len(groups) > 10
    assert len({len(group.rotations) for group in groups}) > 1
    for group in groups:
        known = {rotation.tobytes(): shift for rotation, shift in zip(group.rotations, group.translations, strict=True)}
        assert len(known) == len(group.rotations)
        for rotation, shift in zip(group.rotations, group.translations, strict=True):
            assert rotation.T @ metric @ rotation == pytest.approx(metric, abs=1e-6)
            for other, moved in zip(group.rotations, group.translations, strict=True):
                product = known[(other @ rotation).tobytes()]
                difference = other @ shift + moved - product
                assert difference == pytest.approx(np.rint(difference), abs=1e-9)


def arrangements(system: str, counts: list[int], wanted: int) -> list[tuple[RandomGroup, NDArray[np.float64], int]]:
    rng = np.random.default_rng(5)
    found = []
    for group in groups_of(CELLS[system], 300, seed=1):
        drawn = random_arrangement(group, counts, rng) if len(group.rotations) > 1 else None
        if drawn is not None:
            found.append((group, *drawn))
        if len(found) == wanted:
            break
    return found


@pytest.mark.parametrize("system", CELLS)
def test_arrangements_are_whole_and_map_onto_themselves(system: str) -> None:
    counts = [2, 1, 4]
    found = arrangements(system, counts, 12)
    assert len(found) >= 8
    for group, coords, _ in found:
        assert coords.shape == (7, 3)
        start = 0
        for count in counts:
            own = coords[start : start + count]
            difference = images(group, own)[:, :, None] - own[None, None]
            distance = np.abs(difference - np.rint(difference)).max(axis=-1)
            assert distance.min(axis=2).max() < 1e-3  # each image falls on an atom of the same element
            assert all(len(set(nearest)) == count for nearest in distance.argmin(axis=2).tolist())
            start += count


@pytest.mark.parametrize("system", CELLS)
def test_freedom_counts_the_coordinates_the_group_leaves_free(system: str) -> None:
    counts, species = [2, 1, 4], np.array([8] * 2 + [14] + [26] * 4)
    compared = 0
    for group, coords, freedom in arrangements(system, counts, 12):
        crystal = Crystal(species=species, frac_coords=coords, basis=CELLS[system].basis)
        try:
            symmetry = find_symmetry(crystal, 1e-3)
        except SymmetryError:
            continue
        left = free_coordinates(symmetry).shape[1] - free_origin(symmetry).shape[1]
        if symmetry.order == len(group.rotations):
            assert left == freedom
            compared += 1
        else:  # the arrangement has more symmetry than was asked for
            assert symmetry.order > len(group.rotations)
            assert left <= freedom
    assert compared >= 2


NO_GROUP: Any = SimpleNamespace(space_group=None)


def generator(share: float = 0.6) -> DirectSpace:
    return DirectSpace(DirectSpaceOptions(symmetric_share=share))


def starts(share: float, seed: int = 0, count: int = 30) -> tuple[Tensor, Tensor]:
    known = target([8, 8, 8, 22, 38], CELLS["cubic"])
    rng = torch.Generator().manual_seed(seed)
    batch = generator(share).generate(NO_GROUP, known, count, rng)
    assert batch.freedom is not None
    assert batch.origin == ("direct_space",) * count
    return batch.frac_coords, batch.freedom


def test_starts_are_as_many_as_asked_and_symmetric_as_asked() -> None:
    for share, expected in ((0.0, 0), (0.6, 18), (1.0, 30)):
        coords, freedom = starts(share)
        assert coords.shape == (30, 5, 3)
        assert coords.dtype == torch.float32
        assert bool(torch.isfinite(coords).all())
        assert int((freedom < 12).sum()) == pytest.approx(expected, abs=3)
        assert bool((freedom >= 0).all())
        assert bool((freedom <= 12).all())


def test_a_seed_gives_the_same_starts_and_another_seed_others() -> None:
    first, again, other = starts(0.6, 1)[0], starts(0.6, 1)[0], starts(0.6, 2)[0]
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_space_group_that_was_given_is_kept() -> None:
    group = parse_space_group("P 42/m n m")
    problem: Any = SimpleNamespace(space_group=group, to_user=np.eye(3, dtype=np.int64))
    known = target([8] * 4 + [22] * 2, CELLS["tetragonal"])
    options = DirectSpaceOptions(given_group_share=1.0)
    batch = DirectSpace(options).generate(problem, known, 20, torch.Generator().manual_seed(0))
    rotations, translations = group.operations_in(np.eye(3, dtype=np.int64))
    obeying = 0
    for coords in batch.frac_coords.double().numpy():
        moved = np.einsum("gij,nj->gni", rotations, coords) + np.asarray(translations)[:, None]
        difference = moved[:, :, None] - coords
        obeying += np.abs(difference - np.rint(difference)).max(axis=-1).min(axis=2).max() < 1e-3
    assert obeying == 20


def parents() -> tuple[Any, Tensor]:
    known = target([8, 8, 8, 22, 38], CELLS["tetragonal"])
    return known, torch.rand(200, 5, 3, generator=torch.Generator().manual_seed(3))


def test_kicks_keep_shape_and_cell_and_follow_the_seed() -> None:
    known, coords = parents()
    child = kick(coords, known, 0.5, torch.Generator().manual_seed(4))
    assert child.shape == coords.shape
    assert bool(((child >= 0) & (child < 1)).all())
    assert torch.equal(child, kick(coords, known, 0.5, torch.Generator().manual_seed(4)))
    assert not torch.equal(child, kick(coords, known, 0.5, torch.Generator().manual_seed(5)))


def test_every_kind_of_kick_happens_and_a_stronger_one_goes_further() -> None:
    known, coords = parents()

    def moved(strength: float) -> Tensor:
        delta = kick(coords, known, strength, torch.Generator().manual_seed(6)) - coords
        return (delta - torch.round(delta)).abs().amax(dim=-1)

    weak, strong = moved(0.1), moved(0.9)
    touched = (strong > 1e-6).sum(dim=1)
    assert bool((touched == 5).any())  # jitter of all
    assert bool((touched == 2).any())  # a swap
    assert float(weak.mean()) < 0.8 * float(strong.mean())


def test_renoise_makes_one_child_of_each_parent() -> None:
    known, coords = parents()
    before = coords.clone()
    rng = torch.Generator().manual_seed(0)
    batch = generator().renoise(NO_GROUP, known, coords, 0.5, rng)
    assert batch.frac_coords.shape == coords.shape
    assert torch.equal(coords, before)


def test_a_swap_exchanges_places_and_loses_none() -> None:
    from pxrdgen_generators.kicks import _swapped

    known, coords = parents()
    child = _swapped(coords, known.element_of, torch.Generator().manual_seed(7))
    for row in range(len(coords)):
        assert torch.equal(child[row].sort(dim=0).values, coords[row].sort(dim=0).values)
    # a second swap may undo the first, but rarely does
    assert float((child != coords).any(dim=(1, 2)).float().mean()) > 0.8


def test_a_single_element_can_be_kicked_too() -> None:
    known = target([14, 14], CELLS["cubic"])
    coords = torch.rand(40, 2, 3, generator=torch.Generator().manual_seed(8))
    assert bool(torch.isfinite(kick(coords, known, 0.7, torch.Generator().manual_seed(9))).all())


def test_the_registry_knows_it_by_name() -> None:
    built = default_registry().build(ComponentKind.GENERATOR, "direct_space", {"symmetric_share": 0.25})
    assert isinstance(built, DirectSpace)
    assert built.abilities.can_renoise
