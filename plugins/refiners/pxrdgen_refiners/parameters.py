"""What a refinement moves: the state of the model, which of it is free, its bounds and its restraints."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from pxrdgen.instrument import Instrument

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

U_RANGE = (0.0005, 0.08)
#: centre (A^2) and spread (natural logarithm) of the restraint on Uiso.
U_PRIOR, U_SPREAD = 0.008, 0.8
MAX_STRAIN, MAX_ZERO, RATIO_RANGE = 0.015, 0.25, (0.3, 3.0)
#: how far (A) atoms are expected to move at most in one step, and in all.
MAX_STEP, MAX_SHIFT = 0.2, 1.5
WIDTHS = ("u", "v", "w", "x", "y")
WIDTH_RANGE = {"u": (0.0, 400.0), "v": (-400.0, 100.0), "w": (0.5, 400.0), "x": (0.0, 60.0), "y": (0.0, 120.0)}
#: restraints to the start, in the parameters' own units; weak, they only decide what the data do not.
WIDTH_SPREAD = np.array([30.0, 10.0, 20.0, 6.0, 15.0])
STRAIN_SPREAD, ZERO_SPREAD, RATIO_SPREAD = 0.01, 0.05, 0.7
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


#: blocks that change line intensities only, and blocks that change peak positions and shapes.
LINEAR = (Block.BACKGROUND, Block.SCALE)
SHAPE = (Block.STRAIN, Block.ZERO, Block.DISPLACEMENT, Block.WIDTHS)


@dataclass(frozen=True, kw_only=True)
class State:
    """Values of every parameter.

    Args:
        coords: [N, 3] fractional, not wrapped.
        log_u: [E] logarithm of Uiso (A^2) of each element.
        scale: 1 gives the absolute intensities of :mod:`pxrdgen.diffraction`.
        background: [T] Chebyshev coefficients added to the given background.
        strain: [Q] coefficients of the allowed strains, from the start cell.
        instrument: zero, displacement and widths.
        axis: Miller indices of the texture axis; ``None`` without texture.
        log_ratio: logarithm of the March-Dollase ratio.
        beyond: whether lines beyond the ends of the pattern reach into it.
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


@dataclass(frozen=True, kw_only=True)
class Freedom:
    """What may move, and from where.

    Args:
        start: the state at the beginning.
        basis: [3, 3] start cell.
        columns: [3 N, P] orthonormal directions of the coordinates, free origins taken out.
        strains: [Q, 3, 3] allowed strains.
        elements: [E] atomic numbers; ``members`` [N] index of each atom's element.
        free_u: [F] indices of elements whose Uiso moves.
        shift_spread: [N] restraint on the shift of each atom, A.
    """

    start: State
    basis: FloatArray
    columns: FloatArray
    strains: FloatArray
    elements: IntArray
    members: IntArray
    free_u: IntArray
    shift_spread: FloatArray

    def basis_of(self, state: State) -> FloatArray:
        """[3, 3] the strained cell."""
        return np.asarray(self.basis @ self._deformation(state))

    def tangent_strains(self, state: State) -> FloatArray:
        """[Q, 3, 3] e with d basis = basis e for a change of each strain coefficient."""
        return np.asarray(np.linalg.inv(self._deformation(state)) @ self.strains)

    def _deformation(self, state: State) -> FloatArray:
        return np.asarray(np.eye(3) + np.einsum("q,qij->ij", state.strain, self.strains))

    def size(self, block: Block, state: State) -> int:
        """How many parameters a block has."""
        sizes: dict[Block, int] = {
            Block.BACKGROUND: state.background.size,
            Block.COORDINATES: self.columns.shape[1],
            Block.U_ISO: self.free_u.size,
            Block.TEXTURE: int(state.axis is not None),
            Block.STRAIN: len(self.strains),
            Block.WIDTHS: len(WIDTHS),
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
            log_u = state.log_u.copy()
            log_u[self.free_u] = np.clip(log_u[self.free_u] + np.clip(step, -1.0, 1.0), *np.log(U_RANGE))
            return replace(state, log_u=log_u)
        if block is Block.TEXTURE:
            moved = state.log_ratio + np.clip(step, -0.3, 0.3).sum()
            return replace(state, log_ratio=float(np.clip(moved, *np.log(RATIO_RANGE))))
        if block is Block.STRAIN:
            return replace(state, strain=np.clip(state.strain + step, -MAX_STRAIN, MAX_STRAIN))
        if block is Block.WIDTHS:
            return replace(state, instrument=_widths_moved(instrument, step))
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
            return shift.ravel(), slope.reshape(-1, self.columns.shape[1])
        if block is Block.U_ISO:
            return (state.log_u[self.free_u] - math.log(U_PRIOR)) / U_SPREAD, np.eye(self.free_u.size) / U_SPREAD
        if block is Block.TEXTURE and state.axis is not None:
            return np.array([state.log_ratio]) / RATIO_SPREAD, np.eye(1) / RATIO_SPREAD
        if block is Block.STRAIN:
            return state.strain / STRAIN_SPREAD, np.eye(len(self.strains)) / STRAIN_SPREAD
        if block is Block.WIDTHS:
            change = np.array([getattr(instrument, name) - getattr(start.instrument, name) for name in WIDTHS])
            return change / WIDTH_SPREAD, np.diag(1.0 / WIDTH_SPREAD)
        if block in (Block.ZERO, Block.DISPLACEMENT):
            moved = getattr(instrument, block.value) - getattr(start.instrument, block.value)
            return np.array([moved]) / ZERO_SPREAD, np.eye(1) / ZERO_SPREAD
        return None


def _widths_moved(instrument: Instrument, step: FloatArray) -> Instrument:
    values = {name: getattr(instrument, name) + float(change) for name, change in zip(WIDTHS, step, strict=True)}
    values = {name: float(np.clip(value, *WIDTH_RANGE[name])) for name, value in values.items()}
    # below -2 sqrt(U W) the Gaussian width vanishes at some angle
    values["v"] = max(values["v"], -1.9 * math.sqrt(values["u"] * values["w"]))
    return replace(instrument, u=values["u"], v=values["v"], w=values["w"], x=values["x"], y=values["y"])
