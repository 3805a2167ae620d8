"""The state of the model, and what may move of it: bounds, steps and restraints are those of the quantities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.instrument import Instrument
from pxrdgen_refiners.displacement import Displacement
from pxrdgen_refiners.distances import DistanceRestraints

if TYPE_CHECKING:
    from pxrdgen_refiners.quantity import Correction, Quantity

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: restraint on the shift of atoms, and of atoms the data hardly see (A).
SHIFT_SPREAD, FAINT_SHIFT_SPREAD = 0.5, 0.02


@dataclass(frozen=True, kw_only=True)
class PhaseState:
    """What moves of a known impurity.

    Args:
        scale: as the structure's; not negative.
        strain: [Q] coefficients of its allowed strains.
        x: its own Lorentzian size broadening, centidegrees; the other widths are the structure's.
    """

    scale: float
    strain: FloatArray
    x: float


@dataclass(frozen=True, kw_only=True)
class Corrected:
    """A correction that neither the cell nor the instrument holds, and how large it is."""

    by: Correction
    value: float


@dataclass(frozen=True, kw_only=True)
class State:
    """Values of every quantity.

    Args:
        coords: [N, 3] fractional, not wrapped.
        log_u: [E] logarithm of Uiso (A^2) of each class of atoms: an element, or a site.
        scale: 1 gives the absolute intensities of :mod:`pxrdgen_crystallography.diffraction`.
        background: [T] Chebyshev coefficients added to the given background.
        strain: [Q] coefficients of the allowed strains, from the start cell.
        instrument: zero, displacement and widths.
        axis: Miller indices of the texture axis; ``None`` without texture.
        log_ratio: logarithm of the March-Dollase ratio.
        beyond: whether lines beyond the ends of the pattern reach into it.
        corrections: of the lines besides; all crystals of the sample feel them.
        phases: the known impurities.
    """

    coords: FloatArray
    log_u: FloatArray
    scale: float
    background: FloatArray
    strain: FloatArray
    instrument: Instrument
    axis: tuple[int, int, int] | None = None
    log_ratio: float = 0.0
    beyond: bool = True
    corrections: tuple[Corrected, ...] = ()
    phases: tuple[PhaseState, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Freedom:
    """What may move, and from where.

    Args:
        start: the state at the beginning.
        basis: [3, 3] start cell.
        columns: [3 N, P] orthonormal directions of the coordinates, free origins taken out.
        strains: [Q, 3, 3] allowed strains.
        elements: [E] atomic numbers of the classes of atoms; ``members`` [N] index of each atom's class.
        displacement: what moves of the classes' Uiso.
        shift_spread: [N] restraint on the shift of each atom, A.
        distances: soft restraints.
    """

    start: State
    basis: FloatArray
    columns: FloatArray
    strains: FloatArray
    elements: IntArray
    members: IntArray
    displacement: Displacement
    shift_spread: FloatArray
    distances: DistanceRestraints | None = None

    def basis_of(self, state: State) -> FloatArray:
        """[3, 3] the strained cell."""
        return np.asarray(self.basis @ self.deformation(state))

    def tangent_strains(self, state: State) -> FloatArray:
        """[Q, 3, 3] e with d basis = basis e for a change of each strain coefficient."""
        return np.asarray(np.linalg.inv(self.deformation(state)) @ self.strains)

    def deformation(self, state: State) -> FloatArray:
        """[3, 3] 1 + strain; a basis (rows) is multiplied by it from the right."""
        return np.asarray(np.eye(3) + np.einsum("q,qij->ij", state.strain, self.strains))

    def layout(self, active: Sequence[Quantity], state: State) -> dict[Quantity, slice]:
        """Where the numbers of each active quantity lie among all P."""
        places, start = {}, 0
        for quantity in active:
            size = quantity.size(state, self)
            places[quantity] = slice(start, start + size)
            start += size
        return places

    def moved(self, state: State, active: Sequence[Quantity], step: FloatArray) -> State:
        """The state after ``step`` [P], every quantity kept within its bounds."""
        for quantity, place in self.layout(active, state).items():
            state = quantity.moved(state, self, step[place])
        return state

    def pinned(self, state: State, active: Sequence[Quantity], downhill: FloatArray) -> NDArray[np.bool_]:
        """[P] numbers at the edge of what is allowed that ``downhill`` [P] would lead over it: they rest."""
        found = np.zeros(downhill.size, dtype=bool)
        for quantity, place in self.layout(active, state).items():
            found[place] = quantity.pinned(state, self, downhill[place])
        return found

    def restraints(self, state: State, active: Sequence[Quantity]) -> tuple[FloatArray, FloatArray]:
        """Residuals r [R] of the restraints, wanting to be 0, and their derivatives [R, P]."""
        layout = self.layout(active, state)
        count = max((place.stop for place in layout.values()), default=0)
        residuals, rows = [np.zeros(0)], [np.zeros((0, count))]
        for quantity, place in layout.items():
            residual, slope = quantity.restraint(state, self)
            row = np.zeros((len(residual), count))
            row[:, place] = slope
            residuals.append(residual)
            rows.append(row)
        return np.concatenate(residuals), np.concatenate(rows)


def phase_state(state: State, freedom: Freedom, number: int, *, scale: float | None = None) -> State:
    """The state of impurity ``number``, whose atoms stay where ``freedom`` has them; ``scale`` instead of its own."""
    own = state.phases[number]
    return replace(
        freedom.start,
        scale=own.scale if scale is None else scale,
        strain=own.strain,
        instrument=replace(state.instrument, x=own.x),
        beyond=state.beyond,
        corrections=state.corrections,
    )
