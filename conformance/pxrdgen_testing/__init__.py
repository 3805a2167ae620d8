"""Conformance suites: what a component of each kind owes, as checks that a plugin's own tests and commands run.

In a plugin's tests::

    import pytest
    from pxrdgen_testing import conformance

    @pytest.mark.parametrize("check", conformance("encoder", "my-encoder"), ids=str)
    def test_conformance(check):
        check()

``pxrdgen plugins check my-encoder`` runs the same. Importing this loads no torch.
"""

from pxrdgen_testing.suites import BoundCheck, conformance, covered_kinds

__all__ = ["BoundCheck", "conformance", "covered_kinds"]
