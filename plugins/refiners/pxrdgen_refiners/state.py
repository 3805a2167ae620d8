"""What a refinement moves: the state of the model, which of it is free, its bounds and its restraints."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.instrument import Instrument
from pxrdgen_refiners.displacement import U_RANGE, Displacement
from pxrdgen_refiners.distances import DistanceRestraints

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MAX_STRAIN, MAX_ZERO, RATIO_RANGE = 0.015, 0.25, (0.3, 3.0)
#: how far (A) atoms are expected to move at most in one step, and in all.
MAX_STEP, MAX_SHIFT = 0.2, 1.5
WIDTHS = ("u", "v", "w", "x", "y")
WIDTH_RANGE = {"u": (0.0, 400.0), "v": (-400.0, 100.0), "w": (0.5, 400.0), "x": (0.0, 60.0), "y": (0.0, 120.0)}
#: restraints to the start, in the parameters' own units; weak, they only decide what the data do not.
WIDTH_SPREAD = np.array([30.0, 10.0, 20.0, 6.0, 15.0])
STRAIN_SPREAD, ZERO_SPREAD, RATIO_SPREAD, DIVERGENCE_SPREAD = 0.01, 0.05, 0.7, 4e-3
#: (S + H) / L.
DIVERGENCE_RANGE = (0.0005, 0.15)
#: atoms, and atoms the data hardly see (A).
SHIFT_SPREAD, FAINT_SHIFT_SPREAD = 0.5, 0.02


class Block(StrEnum):
    """Parameters that are switched on together."""

    BACKGROUND = "background"
    SCALE = "scale"
    COORDINATES = "coordinates"
    U_ISO = "u_iso"
    TEXTURE = "texture"
    STRAIN = "strain"
    ZERO = "zero"
    DISPLACEMENT = "displacement"
    WIDTHS = "widths"
    ASYMMETRY = "asymmetry"
    PHASE_SCALES = "phase_scales"
    PHASE_SHAPES = "phase_shapes"


#: blocks the profile is linear in, and blocks that change the structure's peak positions and shapes.
LINEAR = (Block.BACKGROUND, Block.SCALE, Block.PHASE_SCALES)
SHAPE = (Block.STRAIN, Block.ZERO, Block.DISPLACEMENT, Block.WIDTHS, Block.ASYMMETRY)


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
class State:
    """Values of every parameter.

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

    def size(self, block: Block, state: State) -> int:
        """How many parameters a block has."""
        sizes: dict[Block, int] = {
            Block.BACKGROUND: state.background.size,
            Block.COORDINATES: self.columns.shape[1],
            Block.U_ISO: self.displacement.columns.shape[1],
            Block.TEXTURE: int(state.axis is not None),
            Block.STRAIN: len(self.strains),
            Block.WIDTHS: len(WIDTHS),
            Block.PHASE_SCALES: len(state.phases),
            Block.PHASE_SHAPES: sum(phase.strain.size + 1 for phase in state.phases),
        }
        return sizes.get(block, 1)

    def layout(self, active: Sequence[Block], state: State) -> dict[Block, slice]:
        """Where each active block lies in the parameter vector."""
        places, start = {}, 0
        for block in active:
            size = self.size(block, state)
            places[block] = slice(start, start + size)
            start += size
        return places

    def moved(self, state: State, active: Sequence[Block], step: FloatArray) -> State:
        """The state after ``step`` [P], kept within bounds; coordinates are slowed down as a whole."""
        for block, place in self.layout(active, state).items():
            state = self._block_moved(state, block, step[place])
        return state

    def _block_moved(self, state: State, block: Block, step: FloatArray) -> State:
        instrument = state.instrument
        if block is Block.BACKGROUND:
            return replace(state, background=state.background + step)
        if block is Block.SCALE:
            return replace(state, scale=max(state.scale + float(step[0]), 0.05 * state.scale))
        if block is Block.COORDINATES:
            return replace(state, coords=self._coords_moved(state.coords, step))
        if block is Block.U_ISO:
            moved_u = state.log_u + self.displacement.columns @ np.clip(step, -1.0, 1.0)
            return replace(state, log_u=np.clip(moved_u, *np.log(U_RANGE)))
        if block is Block.TEXTURE:
            moved = state.log_ratio + np.clip(step, -0.3, 0.3).sum()
            return replace(state, log_ratio=float(np.clip(moved, *np.log(RATIO_RANGE))))
        if block is Block.STRAIN:
            return replace(state, strain=np.clip(state.strain + step, -MAX_STRAIN, MAX_STRAIN))
        if block is Block.WIDTHS:
            return replace(state, instrument=_widths_moved(instrument, step))
        if block is Block.ASYMMETRY:
            square = np.clip(instrument.sh_l**2 + float(step[0]), *np.square(DIVERGENCE_RANGE))
            return replace(state, instrument=replace(instrument, sh_l=math.sqrt(square)))
        if block in (Block.PHASE_SCALES, Block.PHASE_SHAPES):
            return replace(state, phases=_phases_moved(state.phases, block, step))
        start = getattr(self.start.instrument, block.value)
        value = float(np.clip(getattr(instrument, block.value) + step[0], start - MAX_ZERO, start + MAX_ZERO))
        moved = replace(instrument, zero=value) if block is Block.ZERO else replace(instrument, displacement=value)
        return replace(state, instrument=moved)

    def _coords_moved(self, coords: FloatArray, step: FloatArray) -> FloatArray:
        field = (self.columns @ step).reshape(-1, 3)
        longest = float(np.linalg.norm(field @ self.basis, axis=1).max(initial=0.0))
        field = field * min(1.0, MAX_STEP / max(longest, 1e-12))
        moved = coords + field
        farthest = np.linalg.norm((moved - self.start.coords) @ self.basis, axis=1).max(initial=0.0)
        return moved if farthest <= MAX_SHIFT else coords

    def pinned(self, state: State, active: Sequence[Block], downhill: FloatArray) -> NDArray[np.bool_]:
        """[P] parameters at the edge of what is allowed that ``downhill`` [P] would lead over it: they rest."""
        found = np.zeros(downhill.size, dtype=bool)
        for block, place in self.layout(active, state).items():
            wanted = downhill[place]
            if block is Block.WIDTHS:
                values = np.array([getattr(state.instrument, name) for name in WIDTHS])
                low, high = np.array([WIDTH_RANGE[name] for name in WIDTHS]).T
                low[1] = max(low[1], _least_v(state.instrument.u, state.instrument.w))
                found[place] = ((values <= low + 1e-9) & (wanted < 0.0)) | ((values >= high - 1e-9) & (wanted > 0.0))
            elif block is Block.U_ISO:
                moving = np.abs(self.displacement.columns) > 0.0
                low_u, high_u = (state.log_u <= math.log(U_RANGE[0]) + 1e-9, state.log_u >= math.log(U_RANGE[1]) - 1e-9)
                found[place] = ((moving.T @ low_u) & (wanted < 0.0)) | ((moving.T @ high_u) & (wanted > 0.0))
        return found

    def restraints(self, state: State, active: Sequence[Block]) -> tuple[FloatArray, FloatArray]:
        """Residuals r [R] of the restraints, wanting to be 0, and their derivatives [R, P]."""
        layout = self.layout(active, state)
        count = max((place.stop for place in layout.values()), default=0)
        residuals, rows = [], []
        for block, place in layout.items():
            entry = self._restraint(state, block)
            if entry is not None:
                residuals.append(entry[0])
                row = np.zeros((len(entry[0]), count))
                row[:, place] = entry[1]
                rows.append(row)
        if not rows:
            return np.zeros(0), np.zeros((0, count))
        return np.concatenate(residuals), np.concatenate(rows)

    def _restraint(self, state: State, block: Block) -> tuple[FloatArray, FloatArray] | None:
        start, instrument = self.start, state.instrument
        if block is Block.COORDINATES:
            shift = (state.coords - start.coords) @ self.basis / self.shift_spread[:, None]
            columns = self.columns.reshape(-1, 3, self.columns.shape[1])
            slope = np.einsum("ncp,cd->ndp", columns, self.basis) / self.shift_spread[:, None, None]
            held = shift.ravel(), slope.reshape(-1, self.columns.shape[1])
            if self.distances is None:
                return held
            off, change = self.distances.residuals(state.coords, self.basis_of(state))
            return np.concatenate([held[0], off]), np.concatenate([held[1], change @ self.columns])
        if block is Block.U_ISO:
            return self.displacement.restraint(state.log_u)
        if block is Block.TEXTURE and state.axis is not None:
            return np.array([state.log_ratio]) / RATIO_SPREAD, np.eye(1) / RATIO_SPREAD
        if block is Block.STRAIN:
            return state.strain / STRAIN_SPREAD, np.eye(len(self.strains)) / STRAIN_SPREAD
        if block is Block.WIDTHS:
            change = np.array([getattr(instrument, name) - getattr(start.instrument, name) for name in WIDTHS])
            return change / WIDTH_SPREAD, np.diag(1.0 / WIDTH_SPREAD)
        if block is Block.ASYMMETRY:
            square = instrument.sh_l**2 - start.instrument.sh_l**2
            return np.array([square]) / DIVERGENCE_SPREAD, np.eye(1) / DIVERGENCE_SPREAD
        if block is Block.PHASE_SHAPES:
            return self._phase_restraint(state)
        if block in (Block.ZERO, Block.DISPLACEMENT):
            moved = getattr(instrument, block.value) - getattr(start.instrument, block.value)
            return np.array([moved]) / ZERO_SPREAD, np.eye(1) / ZERO_SPREAD
        return None

    def _phase_restraint(self, state: State) -> tuple[FloatArray, FloatArray]:
        """Strains to 0, widths to where they began."""
        residuals, spreads = [], []
        for phase, start in zip(state.phases, self.start.phases, strict=True):
            residuals += [*phase.strain, phase.x - start.x]
            spreads += [*np.full(phase.strain.size, STRAIN_SPREAD), WIDTH_SPREAD[WIDTHS.index("x")]]
        return np.array(residuals) / spreads, np.diag(1.0 / np.array(spreads))


def phase_state(state: State, freedom: Freedom, number: int, *, scale: float | None = None) -> State:
    """The state of impurity ``number``, whose atoms stay where ``freedom`` has them; ``scale`` instead of its own."""
    own = state.phases[number]
    return replace(
        freedom.start,
        scale=own.scale if scale is None else scale,
        strain=own.strain,
        instrument=replace(state.instrument, x=own.x),
        beyond=state.beyond,
    )


def _phases_moved(phases: tuple[PhaseState, ...], block: Block, step: FloatArray) -> tuple[PhaseState, ...]:
    if block is Block.PHASE_SCALES:
        return tuple(
            replace(phase, scale=max(phase.scale + float(change), 0.0))
            for phase, change in zip(phases, step, strict=True)
        )
    moved, first = [], 0
    for phase in phases:
        last = first + phase.strain.size
        strain = np.clip(phase.strain + step[first:last], -MAX_STRAIN, MAX_STRAIN)
        moved.append(replace(phase, strain=strain, x=float(np.clip(phase.x + step[last], *WIDTH_RANGE["x"]))))
        first = last + 1
    return tuple(moved)


def _widths_moved(instrument: Instrument, step: FloatArray) -> Instrument:
    values = {name: getattr(instrument, name) + float(change) for name, change in zip(WIDTHS, step, strict=True)}
    values = {name: float(np.clip(value, *WIDTH_RANGE[name])) for name, value in values.items()}
    values["v"] = max(values["v"], _least_v(values["u"], values["w"]))
    return replace(instrument, u=values["u"], v=values["v"], w=values["w"], x=values["x"], y=values["y"])


def _least_v(u: float, w: float) -> float:
    """Below -2 sqrt(U W) the Gaussian width vanishes at some angle."""
    return -1.9 * math.sqrt(u * w)
