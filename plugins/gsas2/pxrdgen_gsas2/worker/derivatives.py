"""Derivatives of line positions with respect to tied cell terms, where GSAS-II forgets the ties.

With 1/d^2 = A0 h^2 + A1 k^2 + A2 l^2 + A3 hk + A4 hl + A5 kl, symmetry ties A1 (tetragonal), A1 and A3 (hexagonal axes)
or A1 and A2 (cubic) to A0, so d(2theta)/dA0 is the sum over the tied terms. GSAS-II up to August 2026 takes the first
term alone: its fits of such cells end short of the minimum, a cubic one two standard uncertainties off. The model is
left as it is; only the slope handed to its minimiser is completed.
"""

from __future__ import annotations

import inspect

#: terms tied to A0 by Laue class, and the lines of source that show that the ties are forgotten.
TIED = {"m3": (1, 2), "m3m": (1, 2), "4/m": (1,), "4/mmm": (1,)}
TIED.update(dict.fromkeys(("6/m", "6/mmm", "3m1", "31m", "3"), (1, 3)))
FORGETFUL = ("return [[pfx+'A0',dpdA[0]]]", "return [[pfx+'A0',dpdA[0]],[pfx+'A2',dpdA[2]]]")


def complete(mathematics, laue_of: dict) -> bool:
    """Wrap ``GetReflPosDerv`` for phases by prefix (``0::``) and Laue class; whether that was needed."""
    try:
        source = inspect.getsource(mathematics.getPowderProfileDerv)
    except (OSError, AttributeError, TypeError):
        return False
    original = getattr(mathematics, "GetReflPosDerv", None)
    if original is None or not all(line in source for line in FORGETFUL):
        return False

    def with_ties(refl, im, wave, terms, prefix, *others):
        slopes, *rest = original(refl, im, wave, terms, prefix, *others)
        for term in TIED.get(laue_of.get(prefix, ""), ()):
            slopes[0] += slopes[term]
        return (slopes, *rest)

    mathematics.GetReflPosDerv = with_ties
    return True
