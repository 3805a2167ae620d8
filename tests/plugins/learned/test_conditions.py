"""What a network is told of a pattern, with and without the cell."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from pxrdgen_generators.conditions import Condition, condition_from, condition_from_patterns
from pxrdgen_generators.denoisers.elements import element_features
from pxrdgen_generators.denoisers.pairs import PATTERSON, PATTERSON_GRADIENT, SHELL_GRADIENTS, pair_features
from pxrdgen_generators.manifolds import to_fractional
from pxrdgen_learning.training.corpus import Corpus
from pxrdgen_learning.training.simulation import observe
from pxrdgen_learning.training.simulation_options import SimulationOptions
from pxrdgen_learning.views.grouped_reflections import GroupedReflections
from pxrdgen_learning.views.pattern_views import patterns_from_groups

CLEAN = SimulationOptions(clean_fraction=1.0)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_normalised_intensities_do_not_depend_on_the_scale(corpus: Corpus) -> None:
    crystals = corpus.groups[5].crystals(torch.arange(2))
    observed, basis = observe(crystals, CLEAN, seeded())
    once = condition_from(crystals.species, basis, observed, max_peaks=32)
    louder = replace(observed, strength=1e4 * observed.strength)
    again = condition_from(crystals.species, basis, louder, max_peaks=32)
    assert torch.allclose(once.peaks, again.peaks, atol=1e-4)
    assert torch.allclose(once.patterson, again.patterson, atol=1e-4)


def test_what_was_not_measured_is_not_shown(corpus: Corpus) -> None:
    crystals = corpus.groups[5].crystals(torch.arange(2))
    observed, basis = observe(crystals, CLEAN, seeded())
    low = observed.group < 10
    cut = GroupedReflections(
        hkl=observed.hkl,
        measured=low,
        group=observed.group,
        strength=observed.strength * (torch.arange(observed.strength.shape[1]) < 10),
    )
    told = condition_from(crystals.species, basis, cut, max_peaks=32)
    assert told.peak_mask.sum(dim=1).tolist() == [10, 10]
    assert bool((told.patterson.abs().sum(dim=1)[~low] == 0).all())


def test_the_patterson_function_is_high_at_the_crystals_own_vectors(corpus: Corpus, condition: Condition) -> None:
    clean = corpus.groups[5].frac_coords
    heavy = (slice(None), 3, 4)  # from titanium to barium
    right = pair_features(clean, condition)[..., PATTERSON].sum(-1)[heavy]
    wrong = pair_features(torch.rand(4, 5, 3, generator=seeded()), condition)[..., PATTERSON].sum(-1)[heavy]
    assert float(right.mean()) > float(wrong.mean()) + 2.0


def test_the_gradient_of_the_patterson_function_is_its_derivative(corpus: Corpus, condition: Condition) -> None:
    one = condition.rows(slice(0, 1))
    state, step = torch.rand(1, 5, 3, generator=seeded()), 1e-3
    moved = state.clone()
    moved[0, 1] += to_fractional(torch.tensor([[[step, 0.0, 0.0]]]), one.basis)[0, 0]
    before, after = pair_features(state, one)[0, 0, 1], pair_features(moved, one)[0, 0, 1]
    numeric = (after - before)[PATTERSON] / step / 2  # the features are half the gradient
    assert float(before[PATTERSON_GRADIENT][0]) == pytest.approx(float(numeric.sum()), abs=0.02)
    assert before[SHELL_GRADIENTS][::3].tolist() == pytest.approx(numeric[:-1].tolist(), abs=0.02)


def test_elements_of_a_group_share_a_column() -> None:
    table = element_features(100)
    assert table[11, 7:26].argmax() == table[55, 7:26].argmax() == 1  # Na, Cs
    assert table[30, 7:26].argmax() == 12
    assert table[64, 7:26].argmax() == 0
    assert table[9, :7].argmax() == 1


def test_without_the_cell_only_positions_and_shares_of_peaks_are_told(corpus: Corpus) -> None:
    """And they are the same whether they come from the training simulation or from a pattern."""
    crystals = corpus.groups[5].crystals(torch.arange(2))
    observed, basis = observe(crystals, CLEAN, seeded())
    known = condition_from(crystals.species, basis, observed, max_peaks=32)
    guess, numbers = 1.1 * basis, torch.zeros(2, 6)
    blind = known.without_cell(guess, numbers)
    assert float(blind.patterson.abs().max()) == 0.0
    assert torch.equal(blind.basis, guess)
    assert torch.allclose(blind.length, 1.1 * known.length)
    measured = condition_from_patterns(
        crystals.species, patterns_from_groups(observed, basis), max_peaks=32
    ).without_cell(guess, numbers)
    strongest = (blind.peaks[..., 34] > 0.2) & blind.peak_mask
    assert torch.allclose(
        blind.peaks[strongest].sum(0), measured.peaks[(measured.peaks[..., 34] > 0.2)].sum(0), atol=0.05
    )


def test_the_same_pattern_in_another_cell_is_told_the_same(corpus: Corpus) -> None:
    crystals = corpus.groups[5].crystals(torch.arange(1))
    observed, basis = observe(crystals, CLEAN, seeded())
    known = condition_from(crystals.species, basis, observed, max_peaks=32)
    one, other = (known.without_cell(scale * basis, torch.zeros(1, 6)) for scale in (0.9, 1.3))
    assert torch.equal(one.peaks, other.peaks)
    assert torch.equal(one.hkl, other.hkl)
