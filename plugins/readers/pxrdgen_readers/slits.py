"""Automatic divergence slits: the lit length of the sample is constant, not the beam's opening."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from pxrdgen_files.measurement import Scan
from pxrdgen_readers.rates import is_whole, sigma_of_scaled

AUTOMATIC_SLIT = (
    "the divergence slit is automatic (constant lit length): intensities are divided by 2 sin(theta), as a fixed slit "
    "gives them"
)
_WORDS = re.compile(r"(?i)div[\w. ]{0,20}slit[^\n]{0,40}?(?:automatic|variable|\bauto\b|\bADS\b|\bVDS\b)")


def is_automatic(header: str) -> bool:
    """Whether the words of a header say that the divergence slit was automatic."""
    return _WORDS.search(header) is not None


def with_fixed_slit(scan: Scan) -> Scan:
    """The scan as a fixed slit gives it: I / (2 sin theta), which leaves 60 degrees as it is; sigma goes with it."""
    sine = np.sin(np.radians(0.5 * np.asarray(scan.two_theta, dtype=np.float64)))
    scale = 0.5 / np.maximum(sine, 1e-3)
    counts = np.asarray(scan.intensity, dtype=np.float64)
    sigma = scan.sigma * scale if scan.sigma is not None else None
    if sigma is None and np.isfinite(counts).all() and is_whole(counts):
        sigma = sigma_of_scaled(counts * scale, scale)
    return replace(scan, intensity=counts * scale, sigma=sigma)
