"""A nearly symmetric cell refined once more, with or without the symmetry it comes near to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.prepared_pattern import PreparedPattern
from pxrdgen_crystallography.decomposition.decompose import Decomposition
from pxrdgen_crystallography.decomposition.lines import Lines, reciprocal_metric_of, shape_matrix
from pxrdgen_crystallography.lattice.strain import strain_basis
from pxrdgen_solver.space_group.line_fit import LineFit, fit_lines

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Gauss-Newton steps, and the changes that slopes are taken over (strain, degrees).
POLISHING, STRAIN_STEP, ZERO_STEP = 3, 2e-5, 1e-3
#: a step moves no further than this (strain, degrees).
LARGEST_STRAIN, LARGEST_ZERO = 5e-3, 0.1


def polish(prepared: PreparedPattern, decomposition: Decomposition, rotations: IntArray) -> Decomposition:
    """The decomposition with cell and zero refined once more, the cell keeping the symmetry of ``rotations`` [H, 3, 3].

    Gauss-Newton steps on zero and allowed strains, solved together with the line intensities. Only ``basis`` and
    ``instrument`` of the result are new.
    """
    best, fit = decomposition, fit_lines(prepared, decomposition)
    for _ in range(POLISHING):
        strains = strain_basis(best.basis, rotations)
        calculated = _profile(best, fit)
        moves = [_moved(best, strain, STRAIN_STEP) for strain in strains]
        moves.append(_moved(best, np.zeros((3, 3)), 0.0, ZERO_STEP))
        slopes = np.stack([_profile(move, fit) - calculated for move in moves], axis=1)
        steps = fit_lines(prepared, best, slopes).steps
        strain = np.einsum("q,qij->ij", steps[:-1] * STRAIN_STEP, strains)
        strain = np.clip(strain, -LARGEST_STRAIN, LARGEST_STRAIN)
        zero = float(np.clip(steps[-1] * ZERO_STEP, -LARGEST_ZERO, LARGEST_ZERO))
        trial = _moved(best, strain, 1.0, zero)
        refit = fit_lines(prepared, trial)
        if refit.chi_squared >= fit.chi_squared:
            break
        best, fit = trial, refit
    return best


def _moved(decomposition: Decomposition, strain: FloatArray, size: float, zero: float = 0.0) -> Decomposition:
    instrument = decomposition.instrument
    return replace(
        decomposition,
        basis=decomposition.basis @ (np.eye(3) + size * strain),
        instrument=replace(instrument, zero=instrument.zero + zero),
    )


def _profile(decomposition: Decomposition, fit: LineFit) -> FloatArray:
    """[G] the fitted reflections at the places that a moved cell gives them."""
    lines = Lines(hkl=fit.hkl.astype(np.float64), line=np.arange(len(fit.hkl)), first=np.arange(len(fit.hkl)))
    metric = reciprocal_metric_of(decomposition.basis)
    shapes = shape_matrix(lines, metric, decomposition.instrument, decomposition.grid)
    return np.asarray(shapes @ (fit.intensity[fit.group] * fit.share))
