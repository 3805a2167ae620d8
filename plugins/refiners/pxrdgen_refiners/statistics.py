"""Standard uncertainties, and the report of what was refined."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.refinement import RefinedQuantity
from pxrdgen_refiners.quantities import COORDINATES, PHASE_SCALES, PHASE_SHAPES, QUANTITIES, STRAIN, U_ISO
from pxrdgen_refiners.quantities.strain import cell_su
from pxrdgen_refiners.quantity import Quantity
from pxrdgen_refiners.stages import Fitted
from pxrdgen_refiners.state import phase_state

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Uncertainties:
    """Standard uncertainties, multiplied by the goodness of fit as is usual.

    Args:
        cell: of a b c (A) alpha beta gamma (degrees).
        coordinates: [N, 3] fractional; a polar structure's free origin is held at the atoms' mean.
        u_iso: [N] A^2, 0 where held.
        quantities: everything else, with its value.
        phase_scales, phase_cells: of the impurities.
    """

    cell: tuple[float, ...]
    coordinates: FloatArray
    u_iso: FloatArray
    quantities: tuple[RefinedQuantity, ...]
    phase_scales: tuple[float, ...] = ()
    phase_cells: tuple[tuple[float, ...], ...] = ()


def uncertainties(fitted: Fitted, gof: float) -> Uncertainties:
    """From the inverse of the normal matrix at the end, restraints included."""
    freedom, state = fitted.profile.model.freedom, fitted.state
    matrix = fitted.profile.normal(state, fitted.active)[0] if fitted.matrix is None else fitted.matrix
    _, slope = freedom.restraints(state, fitted.active)
    matrix = matrix + gof**2 * slope.T @ slope
    scale = 1.0 / np.sqrt(np.maximum(np.diag(matrix), 1e-300))
    whole = gof**2 * scale[:, None] * np.linalg.pinv(matrix * scale[:, None] * scale, rcond=1e-13) * scale
    layout = freedom.layout(fitted.active, state)

    def covariance(quantity: Quantity) -> FloatArray | None:
        return whole[layout[quantity], layout[quantity]] if quantity in layout else None

    return Uncertainties(
        cell=cell_su(freedom.basis_of(state), freedom.tangent_strains(state), covariance(STRAIN)),
        coordinates=COORDINATES.su(freedom, covariance(COORDINATES)),
        u_iso=U_ISO.su(state, freedom, covariance(U_ISO))[freedom.members],
        quantities=tuple(
            line for quantity in QUANTITIES for line in quantity.reported(state, freedom, covariance(quantity))
        ),
        phase_scales=PHASE_SCALES.su(state, covariance(PHASE_SCALES)),
        phase_cells=_phase_cells(fitted, covariance(PHASE_SHAPES)),
    )


def _phase_cells(fitted: Fitted, covariance: FloatArray | None) -> tuple[tuple[float, ...], ...]:
    state, found = fitted.state, []
    known = zip(fitted.profile.phases, fitted.profile.measurement.impurities, PHASE_SHAPES.places(state), strict=True)
    for number, (phase, crystal, place) in enumerate(known):
        freedom = phase.model.freedom
        own = phase_state(state, freedom, number)
        inside = slice(place.start, place.stop - 1)
        block = None if covariance is None else covariance[inside, inside]
        found.append(cell_su(crystal.basis @ freedom.deformation(own), freedom.tangent_strains(own), block))
    return tuple(found)
