"""Works that the encoders rest on."""

from __future__ import annotations

from pxrdgen.values.citation import Citation

NEQUIP = Citation(
    key="nequip",
    reason="equivariant messages between atoms",
    bibtex="""@article{nequip,
  author  = {Batzner, Simon and Musaelian, Albert and Sun, Lixin and Geiger, Mario and Mailoa, Jonathan P. and
             Kornbluth, Mordechai and Molinari, Nicola and Smidt, Tess E. and Kozinsky, Boris},
  title   = {{E(3)}-equivariant graph neural networks for data-efficient and accurate interatomic potentials},
  journal = {Nature Communications},
  volume  = {13},
  pages   = {2453},
  year    = {2022},
  doi     = {10.1038/s41467-022-29939-5}
}""",
)
