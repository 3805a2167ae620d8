"""Known crystals in the sample besides: their line intensities, and where their refinement begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import StructureError
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.instrument import Instrument
from pxrdgen.values.refinement import Measurement
from pxrdgen_crystallography.lattice.lattice_symmetry import lattice_point_group
from pxrdgen_crystallography.lattice.strain import strain_basis
from pxrdgen_crystallography.symmetry.primitive import primitive
from pxrdgen_refiners.displacement import U_PRIOR, U_RANGE, classes_of, displacement_of
from pxrdgen_refiners.intensity_model import IntensityModel, scattering_tables
from pxrdgen_refiners.profile_model import WholeProfile
from pxrdgen_refiners.reflections import reflections_of
from pxrdgen_refiners.state import SHIFT_SPREAD, Freedom, PhaseState, State, phase_state

FloatArray = NDArray[np.float64]

#: isotropic strains that a known cell is tried with.
FIRST_STRAINS = np.linspace(-0.004, 0.004, 17)


def impurity_models(measurement: Measurement, margin: tuple[float, float]) -> tuple[IntensityModel, ...]:
    """One model an impurity, in its primitive cell; atoms stay, the cell moves as its lattice allows.

    Raises:
        StructureError: one has no reflection within the pattern.
    """
    span = (float(measurement.two_theta[0]), float(measurement.two_theta[-1]))
    return tuple(_model(crystal, measurement.instrument, span, margin) for crystal in measurement.impurities)


def impurity_start(models: Sequence[IntensityModel]) -> tuple[PhaseState, ...]:
    """Nothing of each, unstrained, widths as the structure's."""
    return tuple(
        PhaseState(scale=0.0, strain=np.zeros(len(model.freedom.strains)), x=model.freedom.start.instrument.x)
        for model in models
    )


def _model(
    crystal: Crystal, instrument: Instrument, span: tuple[float, float], margin: tuple[float, float]
) -> IntensityModel:
    small = primitive(crystal)
    classes = classes_of(small.species, None, "site")
    u_iso = np.full(len(small), U_PRIOR) if small.u_iso is None else np.clip(small.u_iso, *U_RANGE)
    log_u = np.log(np.bincount(classes.members, weights=u_iso) / classes.counts)
    strains = strain_basis(small.basis, lattice_point_group(small.basis))
    freedom = Freedom(
        start=State(
            coords=small.frac_coords,
            log_u=log_u,
            scale=1.0,
            background=np.zeros(0),
            strain=np.zeros(len(strains)),
            instrument=instrument,
        ),
        basis=small.basis,
        columns=np.zeros((3 * len(small), 0)),
        strains=strains,
        elements=classes.elements,
        members=classes.members,
        displacement=displacement_of(classes, np.ones(len(classes.elements), dtype=bool), "site"),
        shift_spread=np.full(len(small), SHIFT_SPREAD),
    )
    reflections = reflections_of(freedom.basis, strains, instrument.radiation.wavelength, span, margin)
    if not len(reflections) or reflections.outside.all():
        raise StructureError(
            f"got the impurity {crystal.name or crystal.formula}, which has no reflection within the pattern; "
            "leave it out"
        )
    return IntensityModel(
        reflections=reflections, freedom=freedom, tables=scattering_tables(instrument, freedom.elements)
    )


def with_first_strains(profile: WholeProfile, state: State) -> State:
    """Each impurity's cell scaled so that its lines take up most of what the structure leaves over.

    Published cells are off by temperature and calibration; peaks must overlap before they can be refined.
    """
    measurement = profile.measurement
    weight = 1.0 / measurement.sigma
    rest = (measurement.intensity - profile.background(state) - profile.structure.peaks(state)) * weight
    phases = list(state.phases)
    for number, phase in enumerate(profile.phases):
        freedom = phase.model.freedom
        isotropic = np.array([np.trace(strain) for strain in freedom.strains]) / 3.0
        gains = []
        for size in FIRST_STRAINS:
            trial = replace(state, phases=tuple(replace(entry, strain=size * isotropic) for entry in [phases[number]]))
            column = phase.peaks(phase_state(trial, freedom, 0, scale=1.0)) * weight
            gains.append(max(float(column @ rest), 0.0) ** 2 / max(float(column @ column), 1e-300))
        phases[number] = replace(phases[number], strain=FIRST_STRAINS[int(np.argmax(gains))] * isotropic)
    return replace(state, phases=tuple(phases))
