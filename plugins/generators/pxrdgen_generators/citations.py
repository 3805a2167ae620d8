"""Works that the generators rest on."""

from __future__ import annotations

from pxrdgen.values.citation import Citation

FLOWMM = Citation(
    key="flowmm",
    reason="Riemannian flow matching for crystals",
    bibtex="""@inproceedings{flowmm,
  author    = {Miller, Benjamin Kurt and Chen, Ricky T. Q. and Sriram, Anuroop and Wood, Brandon M.},
  title     = {{FlowMM}: Generating Materials with {Riemannian} Flow Matching},
  booktitle = {International Conference on Machine Learning},
  year      = {2024},
  eprint    = {2406.04713},
  archivePrefix = {arXiv}
}""",
)

FLOWMATCHING = Citation(
    key="flowmatching",
    reason="flow matching",
    bibtex="""@inproceedings{flowmatching,
  author    = {Lipman, Yaron and Chen, Ricky T. Q. and Ben-Hamu, Heli and Nickel, Maximilian and Le, Matt},
  title     = {Flow Matching for Generative Modeling},
  booktitle = {International Conference on Learning Representations},
  year      = {2023},
  eprint    = {2210.02747},
  archivePrefix = {arXiv}
}""",
)

FOX = Citation(
    key="fox",
    reason="direct-space structure solution, the tradition of direct_space and wyckoff",
    bibtex="""@article{fox,
  author  = {Favre-Nicolin, Vincent and {\\v{C}}ern{\\'y}, Radovan},
  title   = {{FOX}, `free objects for crystallography': a modular approach to ab initio structure determination from
             powder diffraction},
  journal = {Journal of Applied Crystallography},
  volume  = {35},
  pages   = {734--743},
  year    = {2002},
  doi     = {10.1107/S0021889802015236}
}""",
)

CHARGE_FLIPPING = Citation(
    key="chargeflipping",
    reason="charge flipping",
    bibtex="""@article{chargeflipping,
  author  = {Oszl{\'a}nyi, G{\'a}bor and S{\"u}t{\\H o}, Andr{\'a}s},
  title   = {Ab initio structure solution by charge flipping},
  journal = {Acta Crystallographica Section A},
  volume  = {60},
  pages   = {134--141},
  year    = {2004},
  doi     = {10.1107/S0108767303027569}
}""",
)
