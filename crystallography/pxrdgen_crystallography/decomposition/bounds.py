"""How far the numbers of a powder profile may go in a fit: beyond, the fit has lost its way."""

from __future__ import annotations

from types import MappingProxyType

#: zero and sample displacement (degrees) from where they began, and strain coefficients of the cell.
MAX_ZERO, MAX_STRAIN = 0.25, 0.015
#: widths by their names in the instrument: centidegree^2 for u, v, w, centidegree for x, y.
WIDTH_RANGE = MappingProxyType(
    {"u": (0.0, 400.0), "v": (-400.0, 100.0), "w": (0.5, 400.0), "x": (0.0, 60.0), "y": (0.0, 120.0)}
)
