"""What travels between cell predictors, cell scorers and the solve loop. Loads no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from pxrdgen.values.cell import UnitCell
from pxrdgen.values.composition import Composition

if TYPE_CHECKING:
    from pxrdgen.values.prepared_pattern import PreparedPattern


@dataclass(frozen=True, kw_only=True)
class CellProblem:
    """Find the cell of the crystal behind this pattern.

    Args:
        prepared: the pattern with its peaks (positions in degrees with standard uncertainties), background and widths.
        composition: one formula unit, where it is known.
        z: formula units in the primitive cell, where they are known (only with ``composition``).
        max_volume: of the primitive cell, A^3; nothing larger is proposed.
    """

    prepared: PreparedPattern
    composition: Composition | None = None
    z: int | None = None
    max_volume: float = 3000.0


@dataclass(frozen=True, kw_only=True)
class ConventionalCell:
    """A lattice in the axes a crystallographer expects.

    Args:
        system: ``"cubic"`` to ``"triclinic"``; an R lattice is ``"trigonal"``, in hexagonal axes.
        centring: P C I F or R.
        cell: conventional (b unique in monoclinic).
        cell_su: standard uncertainties of a b c (A) alpha beta gamma (degrees), 0 where symmetry fixes them.
        lattice_points: primitive cells in it.
    """

    system: str
    centring: str
    cell: UnitCell
    cell_su: tuple[float, ...]
    lattice_points: int


@dataclass(frozen=True, kw_only=True)
class CellHypothesis:
    """One proposed cell.

    Args:
        cell: primitive, Niggli-reduced.
        origin: name of the predictor that proposed it.
        score: of whoever ranked last, higher is likelier; a predictor's own until then.
        zero: shift of all peaks against the cell's lines, degrees (observed = calculated + zero); 0 where unknown.
        cell_su: standard uncertainties of a b c (A) alpha beta gamma (degrees) of ``cell``; ``None`` where unknown.
        probability: among the hypotheses it was ranked with, 0-1; ``None`` before ranking.
        merits: figures by name (``m20``, ``f20``, ``indexed``, ``r_wp``, ...), for reports.
        unindexed: 2theta (degrees) of peaks the cell does not explain.
        z: formula units in the primitive cell, likeliest; ``None`` without a formula.
        conventional: its lattice type and conventional cell; ``None`` before it was fitted.
        supercell_of: place (0 first) of a likelier hypothesis of which this is a sub- or supercell, if any.
    """

    cell: UnitCell
    origin: str
    score: float = 0.0
    zero: float = 0.0
    cell_su: tuple[float, ...] | None = None
    probability: float | None = None
    merits: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    unindexed: tuple[float, ...] = ()
    z: int | None = None
    conventional: ConventionalCell | None = None
    supercell_of: int | None = None


@dataclass(frozen=True, kw_only=True)
class CellAnswer:
    """The ranked cells of a pattern.

    Args:
        hypotheses: likeliest first; empty when nothing explains the peaks better than chance.
        nothing: probability that none of them is right, a multiple of one with lines too weak to see among the reasons.
        notes: sentences for the user.
    """

    hypotheses: tuple[CellHypothesis, ...]
    nothing: float
    notes: tuple[str, ...] = ()
