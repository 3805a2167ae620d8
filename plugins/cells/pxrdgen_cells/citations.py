"""Works that predictors and scorers of cells rest on."""

from __future__ import annotations

from pxrdgen.values.citation import Citation

ITO = Citation(
    key="ito",
    reason="indexing by zones",
    bibtex="""@article{ito,
  author  = {Visser, J. W.},
  title   = {A fully automatic program for finding the unit cell from powder data},
  journal = {Journal of Applied Crystallography},
  volume  = {2},
  pages   = {89--95},
  year    = {1969},
  doi     = {10.1107/S0021889869006649}
}""",
)

TREOR = Citation(
    key="treor",
    reason="indexing by trial assignments",
    bibtex="""@article{treor,
  author  = {Werner, P.-E. and Eriksson, L. and Westdahl, M.},
  title   = {{TREOR}, a semi-exhaustive trial-and-error powder indexing program for all symmetries},
  journal = {Journal of Applied Crystallography},
  volume  = {18},
  pages   = {367--370},
  year    = {1985},
  doi     = {10.1107/S0021889885010512}
}""",
)

DEWOLFF = Citation(
    key="dewolff",
    reason="figures of merit of a cell",
    bibtex="""@article{dewolff,
  author  = {de Wolff, P. M.},
  title   = {A simplified criterion for the reliability of a powder pattern indexing},
  journal = {Journal of Applied Crystallography},
  volume  = {1},
  pages   = {108--113},
  year    = {1968},
  doi     = {10.1107/S002188986800508X}
}""",
)

LEBAIL = Citation(
    key="lebail",
    reason="profile fits with free intensities",
    bibtex="""@article{lebail,
  author  = {Le Bail, A. and Duroy, H. and Fourquet, J. L.},
  title   = {Ab-initio structure determination of {LiSbWO6} by {X}-ray powder diffraction},
  journal = {Materials Research Bulletin},
  volume  = {23},
  pages   = {447--452},
  year    = {1988},
  doi     = {10.1016/0025-5408(88)90019-0}
}""",
)

FASTDTW = Citation(
    key="fastdtw",
    reason="time warping of peak lists",
    bibtex="""@article{fastdtw,
  author  = {Salvador, Stan and Chan, Philip},
  title   = {Toward accurate dynamic time warping in linear time and space},
  journal = {Intelligent Data Analysis},
  volume  = {11},
  pages   = {561--580},
  year    = {2007},
  doi     = {10.3233/IDA-2007-11508}
}""",
)
