"""Raw samples with cells of their own: the generator is shown the pattern and the contents, never the cell."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from pxrdgen.errors import BrokenPluginError, OptionError
from pxrdgen.values.cell import UnitCell
from pxrdgen.values.composition import Composition
from pxrdgen.values.pattern_batch import PatternBatch
from pxrdgen_benchmarks.cases import Question
from pxrdgen_benchmarks.metrics import PUBLISHED, match_rms
from pxrdgen_benchmarks.perturbed import clean_task
from pxrdgen_benchmarks.posed import ask
from pxrdgen_benchmarks.tasks.sampling import Sampling, SamplingSpec
from pxrdgen_testing.samples import rutile


@dataclass
class Remembers:
    """Answers with rutile, and keeps what it was shown."""

    grid: None = None
    shown: tuple[Any, ...] = ()
    edge: float = 1.0

    def with_cells(self, patterns: PatternBatch, species: torch.Tensor, count: int, rng: torch.Generator) -> Any:
        del rng
        self.shown = (patterns, species.tolist())

        return SimpleNamespace(
            frac_coords=torch.as_tensor(rutile().frac_coords).expand(count, -1, -1),
            basis=self.edge * torch.as_tensor(rutile().basis).expand(count, 3, 3),
        )


@pytest.fixture
def question() -> Question:
    """Rutile's, with a cell that is wrong."""
    composition, z = Composition.from_species(rutile().species).reduced()
    pattern = clean_task(rutile()).pattern
    return Question(pattern=pattern, cell=UnitCell(9.0, 9.0, 9.0), composition=composition, z=z)


def test_crystals_come_with_the_cells_the_generator_gave_them(question: Question) -> None:
    generator = Remembers()
    found = ask(question, cell="generated").answers("remembers", generator, 2, torch.Generator())
    assert [crystal is not None and match_rms(crystal, rutile(), PUBLISHED) is not None for crystal in found] == [
        True
    ] * 2
    patterns, species = generator.shown
    assert species == sorted(rutile().species.tolist())
    assert len(patterns) == 1
    other = ask(replace(question, cell=UnitCell(5.0, 5.0, 5.0)), cell="generated")
    other.answers("remembers", generator, 1, torch.Generator())
    assert torch.equal(generator.shown[0].peaks, patterns.peaks), "the cell plays no part"


def test_a_cell_without_room_is_a_miss_of_its_own(question: Question) -> None:
    flat = ask(question, cell="generated").answers("remembers", Remembers(edge=0.01), 2, torch.Generator())
    assert flat == [None, None]


def test_answers_of_another_shape_are_refused(question: Question) -> None:
    class Miscounts(Remembers):
        def with_cells(self, patterns: PatternBatch, species: torch.Tensor, count: int, rng: torch.Generator) -> Any:
            return super().with_cells(patterns, species, count + 1, rng)

    with pytest.raises(BrokenPluginError, match="'miscounts' returned frac_coords and basis of shapes"):
        ask(question, cell="generated").answers("miscounts", Miscounts(), 2, torch.Generator())


def test_a_generator_that_needs_a_cell_says_so(question: Question) -> None:
    with pytest.raises(OptionError, match="'direct_space', which needs a cell"):
        ask(question, cell="generated").answers("direct_space", object(), 1, torch.Generator())


def test_the_task_asks_for_one_or_the_other() -> None:
    assert SamplingSpec().cell == "given"
    assert Sampling.spec_model.model_validate({"cell": "generated"}).cell == "generated"  # type: ignore[attr-defined]
