"""Works that the components of this package rest on."""

from __future__ import annotations

from pxrdgen.values.citation import Citation

GSAS2 = Citation(
    key="gsas2",
    reason="the reference pattern model and the gsas2 refiner",
    bibtex="""@article{gsas2,
  author  = {Toby, Brian H. and Von Dreele, Robert B.},
  title   = {{GSAS-II}: the genesis of a modern open-source all purpose crystallography software package},
  journal = {Journal of Applied Crystallography},
  volume  = {46},
  pages   = {544--549},
  year    = {2013},
  doi     = {10.1107/S0021889813003531}
}""",
)

COELHO = Citation(
    key="coelho",
    reason="GSAS-II's search for cells",
    bibtex="""@article{coelho,
  author  = {Coelho, A. A.},
  title   = {Indexing of powder diffraction patterns by iterative use of singular value decomposition},
  journal = {Journal of Applied Crystallography},
  volume  = {36},
  pages   = {86--95},
  year    = {2003},
  doi     = {10.1107/S0021889802019878}
}""",
)
