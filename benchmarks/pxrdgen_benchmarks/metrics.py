"""What the tables count: structure matches, rates and their 95 % intervals. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.crystal import Crystal
from pxrdgen_crystallography.time_limit import time_limit

#: two-sided 95 % quantile of the normal distribution.
Z95 = 1.959963984540054
#: seconds one comparison may take before it counts as a miss.
MATCH_SECONDS = 20.0


@dataclass(frozen=True, kw_only=True)
class Matcher:
    """Tolerances of pymatgen's ``StructureMatcher`` (Ong et al. 2013, doi:10.1016/j.commatsci.2012.10.028).

    Args:
        ltol: relative, of lengths.
        stol: of sites, in units of (V / N)^(1/3).
        angle_tol: degrees.
    """

    ltol: float
    stol: float
    angle_tol: float


#: the published tables' matcher.
PUBLISHED = Matcher(ltol=0.3, stol=0.5, angle_tol=10.0)
#: a match under this one is the same structure to a crystallographer's eye.
STRICT = Matcher(ltol=0.2, stol=0.3, angle_tol=5.0)


def match_rms(found: Crystal, truth: Crystal, matcher: Matcher, *, seconds: float = MATCH_SECONDS) -> float | None:
    """Root-mean-square distance of matched sites, in units of (V / N)^(1/3); ``None`` without a match.

    A comparison that fails or takes too long is no match.
    """
    from pymatgen.analysis.structure_matcher import StructureMatcher

    from pxrdgen_crystallography.symmetry.pymatgen_structure import crystal_to_pymatgen

    compare: Any = StructureMatcher(ltol=matcher.ltol, stol=matcher.stol, angle_tol=matcher.angle_tol)
    try:
        with time_limit(seconds):
            distances = compare.get_rms_dist(crystal_to_pymatgen(found), crystal_to_pymatgen(truth))
    except Exception:  # whatever stops a comparison, the structures were not shown to agree
        return None
    return None if distances is None else float(distances[0])


def without_hydrogen(crystal: Crystal) -> Crystal | None:
    """The atoms that X-rays see; ``None`` when there are no others."""
    seen = crystal.species != 1
    if not seen.any():
        return None
    return Crystal(
        species=crystal.species[seen], frac_coords=crystal.frac_coords[seen], basis=crystal.basis, name=crystal.name
    )


@dataclass(frozen=True, kw_only=True)
class Rate:
    """A share of ``n`` cases, 0-1, with its 95 % interval; not a number when there are no cases."""

    share: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, kw_only=True)
class Count:
    """``hits`` of ``n``."""

    hits: int
    n: int


def wilson(count: Count, *, z: float = Z95) -> Rate:
    """Wilson's score interval (1927, doi:10.1080/01621459.1927.10502953).

    centre = (p + z^2/2n) / (1 + z^2/n), half width = z sqrt(p(1-p)/n + z^2/4n^2) / (1 + z^2/n)
    """
    if count.n == 0:
        return Rate(share=math.nan, low=math.nan, high=math.nan, n=0)
    n, p = count.n, count.hits / count.n
    scale = 1.0 + z * z / n
    centre = (p + z * z / (2 * n)) / scale
    half = z * math.sqrt(p * (1.0 - p) / n + z * z / (4 * n * n)) / scale
    return Rate(share=p, low=max(centre - half, 0.0), high=min(centre + half, 1.0), n=n)


def stratified(counts: Mapping[str, Count], weights: Mapping[str, float], *, z: float = Z95) -> Rate:
    """The rate over a whole split from its buckets: sum w p, with w adding up to 1.

    The interval adds the buckets' Wilson half widths in squares: low = sum w p - sqrt(sum w^2 (p - low_i)^2), high
    likewise (Zou & Donner 2008, doi:10.1002/sim.3095). Where p is neither 0 nor 1 this is close to the variance
    sum w^2 p(1-p)/n, which would claim certainty of a bucket without a miss. No case in some bucket: not a number.
    """
    total = sum(weights.values())
    rates = {label: wilson(counts.get(label, Count(hits=0, n=0)), z=z) for label in weights}
    n = sum(rate.n for rate in rates.values())
    if any(rate.n == 0 for rate in rates.values()):
        return Rate(share=math.nan, low=math.nan, high=math.nan, n=n)
    parts = [(weight / total, rates[label]) for label, weight in weights.items()]
    share = sum(w * rate.share for w, rate in parts)
    below = math.sqrt(sum((w * (rate.share - rate.low)) ** 2 for w, rate in parts))
    above = math.sqrt(sum((w * (rate.high - rate.share)) ** 2 for w, rate in parts))
    return Rate(share=share, low=max(share - below, 0.0), high=min(share + above, 1.0), n=n)


def mean(values: Sequence[float]) -> float:
    """Not a number of nothing."""
    return sum(values) / len(values) if values else math.nan


def retrieval_ranks(
    queries: NDArray[np.float64], gallery: NDArray[np.float64], own: NDArray[np.int64]
) -> NDArray[np.int64]:
    """[Q] place, from 1, of each query's own entry when the gallery is sorted by falling cosine; ties count against.

    Args:
        queries: [Q, D] vectors.
        gallery: [G, D] vectors.
        own: [Q] row of the gallery that belongs to each query.
    """
    similarity = unit_rows(queries) @ unit_rows(gallery).T
    mine = similarity[np.arange(len(own)), own]
    ranks: NDArray[np.int64] = (similarity >= mine[:, None]).sum(axis=1)
    return ranks


def within_top(ranks: NDArray[np.int64], k: int) -> Count:
    """How many ranks are at most ``k``."""
    return Count(hits=int((ranks <= k).sum()), n=len(ranks))


def unit_rows(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows scaled to length 1; rows of zeros stay."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: NDArray[np.float64] = vectors / np.where(lengths > 0, lengths, 1.0)
    return scaled
