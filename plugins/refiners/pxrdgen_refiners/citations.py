"""Works that the refiners rest on."""

from __future__ import annotations

from pxrdgen.values.citation import Citation

RIETVELD = Citation(
    key="rietveld",
    reason="refinement of the whole profile",
    bibtex="""@article{rietveld,
  author  = {Rietveld, H. M.},
  title   = {A profile refinement method for nuclear and magnetic structures},
  journal = {Journal of Applied Crystallography},
  volume  = {2},
  pages   = {65--71},
  year    = {1969},
  doi     = {10.1107/S0021889869006558}
}""",
)
