"""Works that several learned components rest on."""

from __future__ import annotations

from pxrdgen.values.citation import Citation

DIFFCSP = Citation(
    key="diffcsp",
    reason="diffusion over cell and fractional coordinates, the CSPNet denoiser",
    bibtex="""@inproceedings{diffcsp,
  author    = {Jiao, Rui and Huang, Wenbing and Lin, Peijia and Han, Jiaqi and Chen, Pin and Lu, Yutong and Liu, Yang},
  title     = {Crystal Structure Prediction by Joint Equivariant Diffusion},
  booktitle = {Advances in Neural Information Processing Systems},
  volume    = {36},
  year      = {2023},
  eprint    = {2309.04475},
  archivePrefix = {arXiv}
}""",
)
