"""Hydrogen is left out of the search where X-rays do not see it and geometry can place it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from pxrdgen.values.intensity_target import IntensityTarget
from pxrdgen_crystallography.oxidation_numbers import valences_of
from pxrdgen_crystallography.structure_fit.visible_atoms import without_hydrogen, without_unseen_hydrogen

TargetOf = Callable[[str], IntensityTarget]


def with_species(target: IntensityTarget, species: list[int]) -> IntensityTarget:
    """The target as if its cell held these atoms; form factors are the atomic numbers."""
    numbers = torch.tensor(sorted(species))
    elements = torch.unique(numbers)
    return replace(
        target,
        species=numbers,
        elements=elements,
        element_of=torch.searchsorted(elements, numbers),
        valence=torch.as_tensor(valences_of(numbers.numpy()), dtype=torch.float32),
        normal=elements.float().repeat(target.hkl.shape[0], 1),
        anomalous=torch.zeros(len(elements)),
    )


@pytest.mark.parametrize(
    ("species", "left"),
    [
        ([12, 8, 8, 1, 1], [8, 8, 12]),  # brucite
        ([82, 1, 1], [1, 1, 82]),  # a hydride: nothing that hydrogen is bonded to
        ([6, 1, 1, 1, 1], [1, 1, 1, 1, 6]),  # methane: a tenth of what scatters
        ([14, 8, 8], [8, 8, 14]),
    ],
)
def test_only_hydrogen_that_is_unseen_and_has_donors_goes(
    target_of: TargetOf, species: list[int], left: list[int]
) -> None:
    target = without_unseen_hydrogen(with_species(target_of("quartz"), species))
    assert target.species.tolist() == left


def test_the_rest_keeps_its_factors_and_oxidation_numbers(target_of: TargetOf) -> None:
    whole = with_species(target_of("quartz"), [12, 8, 8, 1, 1])
    heavy = without_hydrogen(whole)
    assert heavy.elements.tolist() == [8, 12]
    assert heavy.valence.tolist() == [-2.0, -2.0, 2.0]
    assert np.array_equal(heavy.normal[0].numpy(), [8.0, 12.0])
    assert heavy.elements[heavy.element_of].tolist() == heavy.species.tolist()
    assert without_hydrogen(heavy) is heavy
