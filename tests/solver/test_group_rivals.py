"""The space group is spoken of apart from the structure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pytest

from pxrdgen.values.crystal import Crystal
from pxrdgen.values.refinement import RefinementResult
from pxrdgen_solver.answer.finalists import Finalist
from pxrdgen_solver.answer.group_rivals import ENANTIOMORPHS, say_space_group
from pxrdgen_solver.answer.ranking import Ranked


@dataclass(frozen=True)
class Group:
    """A symmetry of which nothing but the number is asked."""

    number: int


def entry(crystal: Crystal, score: float, number: int = 136) -> Ranked:
    symmetry: Any = None if number == 1 else Group(number)
    fit = RefinementResult(crystal=crystal, r_wp=0.1, r_p=0.1, r_exp=0.1, gof=1.0, r_wp_without_background=0.1)
    found = Finalist(crystal=crystal, symmetry=symmetry, free=3, misfit=0.1, criterion=0.0, origin="test")
    return Ranked(finalist=found, refinement=fit, score=score)


@pytest.mark.parametrize(("behind", "said"), [(3.0, "score only 3.0 worse"), (42.0, "score 42 worse")])
def test_the_next_group_for_the_same_atoms_is_named(behind: float, said: str, known: dict[str, Crystal]) -> None:
    rutile, salt = known["rutile"], known["salt"]
    ranking = [entry(rutile, -200.0), entry(salt, -199.0), entry(rutile, -200.0 + behind, 1), entry(rutile, 0.0, 2)]
    (sentence,) = say_space_group(ranking)
    assert sentence.startswith("space group P42/mnm: the same atoms in P1")
    assert said in sentence


def test_without_a_rival_nothing_is_said(known: dict[str, Crystal]) -> None:
    rutile = known["rutile"]
    assert say_space_group([]) == ()
    assert say_space_group([entry(rutile, math.inf)]) == ()
    assert say_space_group([entry(rutile, -200.0), entry(rutile, -199.0), entry(known["salt"], -150.0)]) == ()


def test_mirror_images_are_said_and_are_no_rivals(known: dict[str, Crystal]) -> None:
    rutile = known["rutile"]
    (sentence,) = say_space_group([entry(rutile, -200.0, 152), entry(rutile, -199.0, 154)])
    assert "P3221" in sentence
    assert len(ENANTIOMORPHS) == 22
    assert all(ENANTIOMORPHS[other] == one for one, other in ENANTIOMORPHS.items())
