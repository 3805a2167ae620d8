"""The default refiner: staged Rietveld least squares of one structure after another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import PxrdgenError
from pxrdgen.interfaces.refiner import Refiner
from pxrdgen.values.composition import Composition
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.refinement import Measurement, ProfileCurves, RefinedImpurity, RefinementResult, RefinementStart
from pxrdgen_crystallography.diffraction.agreement import agreement, unfit
from pxrdgen_crystallography.lattice.lattice_symmetry import lattice_point_group
from pxrdgen_crystallography.lattice.strain import strain_basis
from pxrdgen_crystallography.scattering.radiation import faint_elements
from pxrdgen_crystallography.symmetry.freedom import free_coordinates, free_origin, free_strains, strain_matrix
from pxrdgen_refiners.background import FIRST_TERMS
from pxrdgen_refiners.displacement import U_PRIOR, U_RANGE, classes_of, displacement_of
from pxrdgen_refiners.distances import distance_restraints
from pxrdgen_refiners.impurities import impurity_models, impurity_start
from pxrdgen_refiners.intensity_model import IntensityModel, scattering_tables
from pxrdgen_refiners.options import LeastSquaresOptions
from pxrdgen_refiners.reflections import reflections_of
from pxrdgen_refiners.stages import Fitted, run_stages
from pxrdgen_refiners.state import FAINT_SHIFT_SPREAD, SHIFT_SPREAD, Freedom, State, phase_state
from pxrdgen_refiners.statistics import Uncertainties, uncertainties

FloatArray = NDArray[np.float64]

#: reflections this far (degrees) below and above the pattern may reach into it.
MARGIN = (0.3, 0.5)
#: lines weaker than this share of the strongest get no tick.
LEAST_TICK = 1e-6


class LeastSquares(Refiner):
    """Whole-profile least squares with analytic derivatives, weights 1 / sigma^2, symmetry kept exactly.

    Standard uncertainties come from the covariance of the last cycle and are multiplied by the goodness of fit.
    """

    fits_impurities = True

    def __init__(self, options: LeastSquaresOptions | None = None) -> None:
        self.options = options or LeastSquaresOptions()

    def refine(self, measurement: Measurement, starts: Sequence[RefinementStart]) -> list[RefinementResult]:
        """One result a start, in the same order; failing is a result."""
        return [self._refine(measurement, start) for start in starts]

    def _refine(self, measurement: Measurement, start: RefinementStart) -> RefinementResult:
        complaint = unfit(measurement)
        if complaint:
            return _failed(start, complaint)
        try:
            with np.errstate(all="ignore"):
                return self._fit(measurement, start)
        except (PxrdgenError, np.linalg.LinAlgError, FloatingPointError, ValueError) as error:
            return _failed(start, f"refinement stopped: {error}")

    def _fit(self, measurement: Measurement, start: RefinementStart) -> RefinementResult:
        # areas are per degree, so the guess of the scale equals the area of everything above background
        net = np.maximum(measurement.intensity - measurement.background, 0.0)
        area = float(np.sum(net * np.gradient(measurement.two_theta)))
        if self.options.background == "chebyshev":
            measurement = replace(measurement, background=np.zeros_like(measurement.background))
        phases = impurity_models(measurement, MARGIN)
        freedom = freedom_of(measurement, start, self.options)
        freedom = replace(freedom, start=replace(freedom.start, phases=impurity_start(phases)))
        span = (float(measurement.two_theta[0]), float(measurement.two_theta[-1]))
        wavelength = measurement.instrument.radiation.wavelength
        reflections = reflections_of(freedom.basis, freedom.strains, wavelength, span, MARGIN)
        if not len(reflections) or reflections.outside.all():
            return _failed(start, "the cell has no reflection within the pattern")
        tables = scattering_tables(measurement.instrument, freedom.elements)
        model = IntensityModel(reflections=reflections, freedom=freedom, tables=tables)
        intensities = model.intensities(freedom.start)
        weights = sum(measurement.instrument.radiation.weights)
        total = float(intensities.sum()) * weights
        if not (math.isfinite(total) and total > 0.0 and area > 0.0):
            return _failed(start, "the pattern or the structure has no diffracted intensity")
        fitted = run_stages(measurement, model, replace(freedom.start, scale=area / total), self.options, phases)
        return _result(measurement, start, fitted)


def _failed(start: RefinementStart, message: str) -> RefinementResult:
    crystal = start.symmetry.crystal if start.symmetry is not None else start.crystal
    return RefinementResult(crystal=crystal, converged=False, message=message)


def freedom_of(measurement: Measurement, start: RefinementStart, options: LeastSquaresOptions) -> Freedom:
    """What moves in the refinement of a start: everything in P1 but the origin, else what the symmetry leaves free."""
    symmetry = start.symmetry
    crystal = start.crystal if symmetry is None else symmetry.crystal
    if symmetry is None:
        strains = strain_basis(crystal.basis, lattice_point_group(crystal.basis))
        columns, origin = np.eye(3 * len(crystal)), np.eye(3)
    else:
        strains = np.array([strain_matrix(column) for column in free_strains(symmetry).T]).reshape(-1, 3, 3)
        columns, origin = free_coordinates(symmetry), free_origin(symmetry)
    classes = classes_of(crystal.species, None if symmetry is None else symmetry.orbits, options.u_iso)
    elements, members, counts = classes.elements, classes.members, classes.counts
    # what is hardly seen holds its Uiso and moves little
    faint = np.isin(elements, faint_elements(crystal.species, measurement.instrument.radiation))
    u_start = np.full(len(elements), U_PRIOR)
    if start.crystal.u_iso is not None:
        given = np.bincount(members, weights=start.crystal.u_iso) / counts
        u_start = np.where(np.isfinite(given), np.clip(given, *U_RANGE), U_PRIOR)
    if options.u_iso == "overall":
        u_start = np.full(len(elements), np.exp(np.log(u_start).mean()))
    return Freedom(
        start=State(
            coords=crystal.frac_coords,
            log_u=np.log(u_start),
            scale=1.0,
            background=np.zeros(options.background_terms or FIRST_TERMS),
            strain=np.zeros(len(strains)),
            instrument=measurement.instrument,
        ),
        basis=crystal.basis,
        columns=_without_origin(columns, origin),
        strains=strains,
        elements=elements,
        members=members,
        displacement=displacement_of(classes, faint, options.u_iso),
        shift_spread=np.where(faint[members], FAINT_SHIFT_SPREAD, SHIFT_SPREAD),
        distances=distance_restraints(crystal, options.distances),
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
    count = sum(quantity.size(state, freedom) for quantity in fitted.active)
    quality = agreement(measurement, calculated, background, count)
    found = uncertainties(fitted, quality.gof)
    crystal = Crystal(
        species=start.crystal.species,
        frac_coords=state.coords,
        basis=freedom.basis_of(state),
        u_iso=np.exp(state.log_u)[freedom.members],
        name=start.crystal.name,
    )
    message = "converged" if fitted.converged else "stopped before shifts became small"
    stuck = [words for quantity in fitted.active for words in quantity.at_limits(state, freedom)]
    impurities = [phase.model for phase in profile.phases]
    return RefinementResult(
        crystal=crystal,
        r_wp=quality.r_wp,
        r_p=quality.r_p,
        r_exp=quality.r_exp,
        gof=quality.gof,
        r_wp_without_background=quality.r_wp_without_background,
        quantities=found.quantities,
        cell_su=found.cell,
        coordinate_su=found.coordinates,
        curves=ProfileCurves(
            two_theta=measurement.two_theta,
            observed=measurement.intensity,
            calculated=calculated,
            background=background,
            sigma=measurement.sigma,
            ticks=_ticks(model, state),
            impurity_ticks=tuple(
                _ticks(other, phase_state(state, other.freedom, number)) for number, other in enumerate(impurities)
            ),
        ),
        converged=fitted.converged,
        message=f"{message}; at its limit: {', '.join(stuck)}" if stuck else message,
        u_iso_su=found.u_iso,
        num_parameters=count,
        impurities=_refined_impurities(measurement, crystal, fitted, found),
    )


def _ticks(model: IntensityModel, state: State) -> FloatArray:
    """2theta of the lines worth a mark, degrees."""
    intensities = model.intensities(state)
    seen = (intensities > LEAST_TICK * intensities.max(initial=0.0)) & ~model.reflections.outside
    return np.asarray(np.degrees(2.0 * model.angles(state))[seen])


def _refined_impurities(
    measurement: Measurement, crystal: Crystal, fitted: Fitted, found: Uncertainties
) -> tuple[RefinedImpurity, ...]:
    """Scale times the mass of the cell is the mass in the beam, as line intensities hold 1 / V once."""
    state, profile = fitted.state, fitted.profile
    freedoms = [phase.model.freedom for phase in profile.phases]
    masses = [
        phase.scale * _mass(freedom.elements[freedom.members])
        for phase, freedom in zip(state.phases, freedoms, strict=True)
    ]
    total = state.scale * _mass(crystal.species) + sum(masses)
    return tuple(
        RefinedImpurity(
            crystal=replace(known, basis=known.basis @ freedom.deformation(phase_state(state, freedom, number))),
            scale=state.phases[number].scale,
            scale_su=found.phase_scales[number],
            weight_fraction=masses[number] / max(total, 1e-300),
            cell_su=found.phase_cells[number],
        )
        for number, (freedom, known) in enumerate(zip(freedoms, measurement.impurities, strict=True))
    )


def _mass(species: NDArray[np.int64]) -> float:
    composition, units = Composition.from_species(species).reduced()
    return composition.mass * units
