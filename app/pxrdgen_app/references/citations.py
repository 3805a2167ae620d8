"""What a result rests on, as BibTeX. ``pxrdgen cite`` prints it; reports list the keys of what was used."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import TYPE_CHECKING

from pxrdgen.errors import OptionError, nearest
from pxrdgen.values.citation import Citation

if TYPE_CHECKING:
    from pxrdgen.plugins.registry import Registry


#: what every answer rests on, whatever the components.
PROGRAM = (
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


def citations(keys: Iterable[str] = (), registry: Registry | None = None) -> tuple[Citation, ...]:
    """The works with these keys, the program's own first, then those of all installed components; all without keys.

    Raises:
        OptionError: a key that none of them has.
    """
    from pxrdgen.plugins.registry import default_registry

    offered = (component.record.citations for component in (registry or default_registry()).components())
    works = tuple(dict.fromkeys((*PROGRAM, *itertools.chain.from_iterable(offered))))
    wanted, known = set(keys), {work.key for work in works}
    for key in sorted(wanted - known):
        raise OptionError(f"no citation {key!r}; known: {', '.join(sorted(known))}{nearest(key, known)}")
    return tuple(work for work in works if not wanted or work.key in wanted)
