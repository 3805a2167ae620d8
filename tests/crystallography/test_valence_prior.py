"""The penalty on bond valences that do not add up: its derivatives, its symmetry, what it prefers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from pxrdgen.values.composition import Composition
from pxrdgen.values.crystal import Crystal
from pxrdgen_crystallography.bond_valence import valence_errors
from pxrdgen_crystallography.formula.parse import parse_formula
from pxrdgen_crystallography.oxidation_numbers import usual_valences, valences_of
from pxrdgen_crystallography.structure_fit.valence_prior import NU, SPREAD, ValencePenalty


def penalty_of(crystal: Crystal, species: np.ndarray | None = None) -> ValencePenalty:
    valence = valences_of(crystal.species if species is None else species)
    return ValencePenalty(
        torch.as_tensor(crystal.species), torch.as_tensor(valence), torch.as_tensor(crystal.basis, dtype=torch.float64)
    )


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("Fe3O4", {26: 8 / 3, 8: -2.0}),
        ("Al2SiO5", {13: 3.0, 14: 4.0, 8: -2.0}),
        ("Pb3(ClO)2", {82: 2.0, 17: -1.0, 8: -2.0}),
        ("La2CuO4", {57: 3.0, 29: 2.0, 8: -2.0}),
        ("Fe3Al", {}),
        ("C6N8", {6: 4.0, 7: -3.0}),
    ],
)
def test_the_usual_oxidation_numbers_balance(formula: str, expected: dict[int, float]) -> None:
    composition = parse_formula(formula)[0]
    assert isinstance(composition, Composition)
    assert dict(usual_valences(composition)) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["quartz", "rutile", "perovskite", "fluorite"])
def test_right_structures_cost_little_and_shaken_ones_much(name: str, known: dict[str, Crystal]) -> None:
    crystal, penalty = known[name], penalty_of(known[name])
    at_rest = torch.as_tensor(crystal.frac_coords, dtype=torch.float32)[None]
    shaken = at_rest + 0.25 * torch.rand(40, len(crystal), 3, generator=torch.Generator().manual_seed(1))
    assert float(penalty.mean_cost(at_rest)[0]) < 1.0
    assert float(penalty.mean_cost(shaken).median()) > 3.0 * float(penalty.mean_cost(at_rest)[0]) + 1.0


def test_gradient_is_that_of_half_the_penalty(known: dict[str, Crystal]) -> None:
    crystal, penalty = known["quartz"], penalty_of(known["quartz"])
    at = torch.as_tensor(crystal.frac_coords, dtype=torch.float32)[None]
    at = at + 0.02 * torch.rand(3, len(crystal), 3, generator=torch.Generator().manual_seed(2))
    _, matrix, gradient = penalty.value_and_normal(at)
    step = 3e-4
    for column in range(3 * len(crystal)):
        move = torch.zeros(3 * len(crystal))
        move[column] = step
        ahead = penalty.value_and_normal(at + move.reshape(1, -1, 3))[0]
        behind = penalty.value_and_normal(at - move.reshape(1, -1, 3))[0]
        numeric = (ahead - behind) / (4.0 * step)
        assert gradient[:, column].numpy() == pytest.approx(numeric.numpy(), abs=1e-5, rel=5e-2)
    assert bool((torch.linalg.eigvalsh(matrix.double()) > -1e-3).all())


def test_anions_may_lack_what_hydrogen_would_give(known: dict[str, Crystal]) -> None:
    crystal = known["quartz"]
    coords = torch.as_tensor(crystal.frac_coords, dtype=torch.float32)[None]
    stretched = torch.as_tensor(crystal.basis * 1.08)
    species = torch.as_tensor(crystal.species)
    balanced = torch.as_tensor(valences_of(crystal.species))
    without = torch.where(balanced < 0, balanced - 1.0, balanced)  # as if a hydrogen were left out of each anion
    # what the anions lack costs nothing any more, what the cations lack costs what it did
    error = valence_errors(replace(crystal, basis=stretched.numpy()), balanced.numpy())[balanced.numpy() > 0]
    expected = ((NU + 1.0) * np.log1p(error**2 / (NU * SPREAD**2))).sum() / len(crystal)
    assert expected > 0.5
    assert float(ValencePenalty(species, without, stretched).mean_cost(coords)[0]) == pytest.approx(expected, rel=0.03)
    assert float(ValencePenalty(species, balanced, stretched).mean_cost(coords)[0]) > 1.2 * expected
