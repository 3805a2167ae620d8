"""The default refiner: staged Rietveld least squares of one structure after another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from pxrdgen.crystal import Crystal
from pxrdgen.elements import SYMBOLS
from pxrdgen.errors import PxrdgenError
from pxrdgen.interfaces import Refiner
from pxrdgen.solver.strain import lattice_rotations, strain_basis
from pxrdgen.solver.values import Measurement, ProfileCurves, RefinementResult, RefinementStart
from pxrdgen.symmetry.freedom import free_coordinates, free_origin, free_strains, strain_matrix
from pxrdgen_refiners.intensity_model import IntensityModel, scattering_tables
from pxrdgen_refiners.options import LeastSquaresOptions
from pxrdgen_refiners.parameters import FAINT_SHIFT_SPREAD, SHIFT_SPREAD, U_PRIOR, U_RANGE, Freedom, State
from pxrdgen_refiners.reflections import reflections_of
from pxrdgen_refiners.stages import BACKGROUND_TRIED, Fitted, run_stages
from pxrdgen_refiners.statistics import agreement, named_parameters, uncertainties

FloatArray = NDArray[np.float64]

#: reflections this far (degrees) below and above the pattern may reach into it.
MARGIN = (0.3, 0.5)
#: hydrogen, and an element with a smaller share of the cell's sum of Z^2, is hardly seen:
#: its Uiso is held and its atoms move little.
FAINT = 0.004
#: fewer points than this are not fitted.
LEAST_POINTS = 30
#: lines weaker than this share of the strongest get no tick.
LEAST_TICK = 1e-6


class LeastSquares(Refiner):
    """Whole-profile least squares with analytic derivatives, weights 1 / sigma^2, symmetry kept exactly.

    Standard uncertainties come from the covariance of the last cycle and are multiplied by the goodness of fit.
    """

    def __init__(self, options: LeastSquaresOptions | None = None) -> None:
        self.options = options or LeastSquaresOptions()

    def refine(self, measurement: Measurement, starts: Sequence[RefinementStart]) -> list[RefinementResult]:
        """One result a start, in the same order; failing is a result."""
        return [self._refined(measurement, start) for start in starts]

    def _refined(self, measurement: Measurement, start: RefinementStart) -> RefinementResult:
        complaint = _complaint(measurement)
        if complaint:
            return _failed(start, complaint)
        try:
            with np.errstate(all="ignore"):
                return self._fitted(measurement, start)
        except (PxrdgenError, np.linalg.LinAlgError, FloatingPointError, ValueError) as error:
            return _failed(start, f"refinement stopped: {error}")

    def _fitted(self, measurement: Measurement, start: RefinementStart) -> RefinementResult:
        freedom = freedom_of(measurement, start, self.options)
        span = (float(measurement.two_theta[0]), float(measurement.two_theta[-1]))
        wavelength = measurement.instrument.radiation.wavelength
        reflections = reflections_of(freedom.basis, freedom.strains, wavelength, span, MARGIN)
        if not len(reflections) or reflections.outside.all():
            return _failed(start, "the cell has no reflection within the pattern")
        tables = scattering_tables(measurement.instrument, freedom.elements)
        model = IntensityModel(reflections=reflections, freedom=freedom, tables=tables)
        intensities = model.intensities(freedom.start)
        # areas are per degree, so the guess equals the area of everything above background
        net = np.maximum(measurement.intensity - measurement.background, 0.0)
        area = float(np.sum(net * np.gradient(measurement.two_theta)))
        weights = sum(measurement.instrument.radiation.weights)
        total = float(intensities.sum()) * weights
        if not (math.isfinite(total) and total > 0.0 and area > 0.0):
            return _failed(start, "the pattern or the structure has no diffracted intensity")
        fitted = run_stages(measurement, model, replace(freedom.start, scale=area / total), self.options)
        return _result(measurement, start, fitted)


def _complaint(measurement: Measurement) -> str:
    arrays = (measurement.two_theta, measurement.intensity, measurement.sigma, measurement.background)
    if measurement.two_theta.size < LEAST_POINTS:
        return f"got {measurement.two_theta.size} points, expected at least {LEAST_POINTS}"
    if any(array.shape != measurement.two_theta.shape for array in arrays):
        return "the measurement's arrays have different lengths"
    if not all(np.isfinite(array).all() for array in arrays):
        return "the measurement contains numbers that are not finite"
    if measurement.sigma.min() <= 0.0:
        return "the measurement has standard deviations that are not positive"
    if np.any(np.diff(measurement.two_theta) <= 0.0):
        return "the measurement's angles do not increase"
    return ""


def _failed(start: RefinementStart, message: str) -> RefinementResult:
    infinite = float("inf")
    crystal = start.symmetry.crystal if start.symmetry is not None else start.crystal
    return RefinementResult(
        crystal=crystal, r_wp=infinite, r_p=infinite, r_exp=infinite, gof=infinite, converged=False, message=message
    )


def freedom_of(measurement: Measurement, start: RefinementStart, options: LeastSquaresOptions) -> Freedom:
    """What moves in the refinement of a start: everything in P1 but the origin, else what the symmetry leaves free."""
    symmetry = start.symmetry
    crystal = start.crystal if symmetry is None else symmetry.crystal
    if symmetry is None:
        strains = strain_basis(crystal.basis, lattice_rotations(crystal.basis))
        columns, origin = np.eye(3 * len(crystal)), np.eye(3)
    else:
        strains = np.array([strain_matrix(column) for column in free_strains(symmetry).T]).reshape(-1, 3, 3)
        columns, origin = free_coordinates(symmetry), free_origin(symmetry)
    elements, members = np.unique(crystal.species, return_inverse=True)
    counts = np.bincount(members)
    faint = (counts * elements**2 < FAINT * float(counts @ elements**2)) | (elements == 1)
    faint &= len(elements) > 1
    u_start = np.full(len(elements), U_PRIOR)
    if start.crystal.u_iso is not None:
        given = np.bincount(members, weights=start.crystal.u_iso) / counts
        u_start = np.where(np.isfinite(given), np.clip(given, *U_RANGE), U_PRIOR)
    return Freedom(
        start=State(
            coords=crystal.frac_coords,
            log_u=np.log(u_start),
            scale=1.0,
            background=np.zeros(options.background_terms or BACKGROUND_TRIED[0]),
            strain=np.zeros(len(strains)),
            instrument=measurement.instrument,
        ),
        basis=crystal.basis,
        columns=_without_origin(columns, origin),
        strains=strains,
        elements=elements,
        members=members,
        free_u=np.flatnonzero(~faint),
        shift_spread=np.where(faint[members], FAINT_SHIFT_SPREAD, SHIFT_SPREAD),
    )


def _without_origin(columns: FloatArray, origin: FloatArray) -> FloatArray:
    """Orthonormal columns [3 N, P - Q] of the span of ``columns`` without common shifts along ``origin`` [3, Q]."""
    if not columns.shape[1] or not origin.shape[1]:
        return columns
    atoms = columns.shape[0] // 3
    common = np.tile(origin, (atoms, 1)) / math.sqrt(atoms)
    inside = columns.T @ common
    left, _, _ = np.linalg.svd(inside, full_matrices=True)
    return np.asarray(columns @ left[:, origin.shape[1] :])


def _result(measurement: Measurement, start: RefinementStart, fitted: Fitted) -> RefinementResult:
    state, profile = fitted.state, fitted.profile
    freedom, model = profile.model.freedom, profile.model
    background, peaks = profile.background(state), profile.peaks(state)
    calculated = background + peaks
    count = sum(freedom.size(block, state) for block in fitted.active)
    quality = agreement(measurement, calculated, background, count)
    found = uncertainties(fitted, quality.gof)
    intensities = model.intensities(state)
    seen = (intensities > LEAST_TICK * intensities.max(initial=0.0)) & ~model.reflections.outside
    crystal = Crystal(
        species=start.crystal.species,
        frac_coords=state.coords,
        basis=freedom.basis_of(state),
        u_iso=np.exp(state.log_u)[freedom.members],
        name=start.crystal.name,
    )
    message = "converged" if fitted.converged else "stopped before shifts became small"
    return RefinementResult(
        crystal=crystal,
        r_wp=quality.r_wp,
        r_p=quality.r_p,
        r_exp=quality.r_exp,
        gof=quality.gof,
        r_wp_without_background=quality.r_wp_without_background,
        parameters=MappingProxyType(named_parameters(state, [SYMBOLS[int(z)] for z in freedom.elements])),
        cell_su=found.cell,
        coordinate_su=found.coordinates,
        curves=ProfileCurves(
            two_theta=measurement.two_theta,
            observed=measurement.intensity,
            calculated=calculated,
            background=background,
            sigma=measurement.sigma,
            ticks=np.degrees(2.0 * model.angles(state))[seen],
        ),
        converged=fitted.converged,
        message=message,
    )
