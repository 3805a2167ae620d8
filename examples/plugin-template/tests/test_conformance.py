"""What every encoder owes, and what this one promises beyond."""

from __future__ import annotations

import pytest
from pxrdgen_testing import BoundCheck, conformance


@pytest.mark.parametrize("check", conformance("encoder", "pxrdgen-my-encoder:my-encoder"), ids=str)
def test_it_does_what_every_component_of_its_kind_owes(check: BoundCheck) -> None:
    check()
