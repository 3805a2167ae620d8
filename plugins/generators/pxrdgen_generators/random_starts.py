"""Random arrangements of the atoms of a problem: with a random symmetry, with an inversion centre, or with none."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pxrdgen.values.intensity_target import IntensityTarget
from pxrdgen_crystallography.lattice.lattice_symmetry import lattice_point_group
from pxrdgen_crystallography.structure_fit.contact_prior import ContactPenalty
from pxrdgen_generators.random_symmetry import RandomGroup, coordinate_rotations, random_arrangement, random_group

#: draws for each start that is kept; the ones with the fewest short contacts stay.
OVERSAMPLING = 4
#: groups tried before a start falls back to no symmetry.
GROUP_DRAWS = 12


class RandomStarts:
    """Draws arrangements for one problem; all symmetric ones in ``group`` where the user named one."""

    def __init__(self, target: IntensityTarget, group: RandomGroup | None = None) -> None:
        self._counts = torch.bincount(target.element_of, minlength=target.elements.numel()).tolist()
        self._atoms = int(target.species.numel())
        self._rotations = coordinate_rotations(lattice_point_group(target.basis.double().numpy(), tolerance=5e-3))
        self._contacts = ContactPenalty(target.species, target.basis)
        self._group = group

    def draw(self, count: int, symmetric: float, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """``count`` arrangements [count, N, 3], a share ``symmetric`` of them with random symmetry, and their freedom.

        The freedom [count] is how many coordinates the symmetry leaves free.
        """
        with_symmetry = round(count * symmetric)
        numbers = np.random.default_rng(int(torch.randint(2**31 - 1, (1,), generator=rng)))
        coords, freedom = [], []
        if with_symmetry:
            draws = [self._symmetric(numbers) for _ in range(2 * with_symmetry)]
            drawn = torch.as_tensor(np.array([arrangement for arrangement, _ in draws]), dtype=torch.float32)
            free = torch.tensor([number for _, number in draws])
            kept = self._least_crowded(drawn, with_symmetry)
            coords.append(drawn[kept])
            freedom.append(free[kept])
        if count > with_symmetry:
            plain = torch.rand(OVERSAMPLING * (count - with_symmetry), self._atoms, 3, generator=rng)
            kept = self._least_crowded(plain, count - with_symmetry)
            coords.append(plain[kept])
            freedom.append(torch.full((len(kept),), self._unconstrained))
        return torch.cat(coords), torch.cat(freedom)

    @property
    def _unconstrained(self) -> int:
        return 3 * self._atoms - 3

    def _symmetric(self, numbers: np.random.Generator) -> tuple[NDArray[np.float64], int]:
        for _ in range(GROUP_DRAWS):
            group = self._group or random_group(self._rotations, numbers, largest=48)
            if group is None or len(group.rotations) == 1:
                continue
            arrangement = random_arrangement(group, self._counts, numbers)
            if arrangement is not None:
                return arrangement
        return numbers.random((self._atoms, 3)), self._unconstrained

    def _least_crowded(self, coords: Tensor, count: int) -> Tensor:
        return self._contacts.value(coords).argsort()[:count]
