"""What a result rests on, as BibTeX. ``pxrdgen cite`` prints it; reports list the keys of what was used."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pxrdgen.errors import OptionError, nearest


@dataclass(frozen=True, kw_only=True)
class Citation:
    """One work: its key, what it is cited for, its BibTeX entry."""

    key: str
    reason: str
    bibtex: str


CITATIONS = (
    Citation(
        key="pxrdgen",
        reason="the method this program starts from",
        bibtex="""@article{pxrdgen,
  author  = {Li, Qi and Jiao, Rui and Wu, Liming and Zhu, Tiannian and Huang, Wenbing and Jin, Shifeng and
             Liu, Yang and Weng, Hongming and Chen, Xiaolong},
  title   = {Powder diffraction crystal structure determination using generative models},
  journal = {Nature Communications},
  volume  = {16},
  pages   = {7428},
  year    = {2025}
}""",
    ),
    Citation(
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
    ),
    Citation(
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
    ),
    Citation(
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
    ),
    Citation(
        key="pymatgen",
        reason="structures and structure matching",
        bibtex="""@article{pymatgen,
  author  = {Ong, Shyue Ping and Richards, William Davidson and Jain, Anubhav and Hautier, Geoffroy and
             Kocher, Michael and Cholia, Shreyas and Gunter, Dan and Chevrier, Vincent L. and
             Persson, Kristin A. and Ceder, Gerbrand},
  title   = {Python Materials Genomics (pymatgen): A robust, open-source python library for materials analysis},
  journal = {Computational Materials Science},
  volume  = {68},
  pages   = {314--319},
  year    = {2013},
  doi     = {10.1016/j.commatsci.2012.10.028}
}""",
    ),
    Citation(
        key="spglib",
        reason="space groups and settings",
        bibtex="""@article{spglib,
  author  = {Togo, Atsushi and Shinohara, Kohei and Tanaka, Isao},
  title   = {Spglib: a software library for crystal symmetry search},
  journal = {Science and Technology of Advanced Materials: Methods},
  volume  = {4},
  pages   = {2384822},
  year    = {2024},
  doi     = {10.1080/27660400.2024.2384822}
}""",
    ),
    Citation(
        key="moyo",
        reason="fast symmetry search",
        bibtex="""@software{moyo,
  author = {Shinohara, Kohei},
  title  = {moyo: a fast and robust crystal symmetry finder},
  url    = {https://github.com/spglib/moyo}
}""",
    ),
    Citation(
        key="gemmi",
        reason="form factors, symmetry operators, CIF",
        bibtex="""@article{gemmi,
  author  = {Wojdyr, Marcin},
  title   = {{GEMMI}: A library for structural biology},
  journal = {Journal of Open Source Software},
  volume  = {7},
  number  = {73},
  pages   = {4200},
  year    = {2022},
  doi     = {10.21105/joss.04200}
}""",
    ),
    Citation(
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
    ),
    Citation(
        key="extinction",
        reason="probabilities of extinction symbols from fitted intensities",
        bibtex="""@article{extinction,
  author  = {Markvardsen, Anders J. and David, William I. F. and Johnson, John C. and Shankland, Kenneth},
  title   = {A probabilistic approach to space-group determination from powder diffraction data},
  journal = {Acta Crystallographica Section A},
  volume  = {57},
  pages   = {47--54},
  year    = {2001},
  doi     = {10.1107/S0108767300012174}
}""",
    ),
)


def citations(keys: Iterable[str] = ()) -> tuple[Citation, ...]:
    """The works with these keys in the order of the table; all of them without keys.

    Raises:
        OptionError: a key that is not in the table.
    """
    wanted = set(keys)
    known = [citation.key for citation in CITATIONS]
    for key in sorted(wanted.difference(known)):
        raise OptionError(f"no citation {key!r}; known: {', '.join(known)}{nearest(key, known)}")
    return tuple(citation for citation in CITATIONS if not wanted or citation.key in wanted)
