"""The ``gsas2`` refiner: each start becomes a project that a worker process refines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np

from pxrdgen.errors import PxrdgenError
from pxrdgen.interfaces.refiner import Refiner
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.instrument import CUKA, Radiation
from pxrdgen.values.refinement import Measurement, ProfileCurves, RefinedImpurity, RefinementResult, RefinementStart
from pxrdgen_crystallography.diffraction.agreement import agreement, unfit
from pxrdgen_crystallography.scattering.radiation import faint_elements
from pxrdgen_crystallography.symmetry.symmetrise import find_symmetry
from pxrdgen_gsas2.client import Answer, Call, call
from pxrdgen_gsas2.conventional_phase import ConventionalPhase, conventional_phase
from pxrdgen_gsas2.failures import Gsas2Error
from pxrdgen_gsas2.instruments import instrument_request
from pxrdgen_gsas2.options import Gsas2Options
from pxrdgen_gsas2.propagation import cell_su, coordinate_su
from pxrdgen_gsas2.quantities import quantities

#: Chebyshev terms to begin with, on top of a given background and alone.
FIRST_TERMS = {"given": 6, "chebyshev": 8}
#: lines weaker than this share of the strongest get no tick; tolerance (A) of an impurity's symmetry.
LEAST_TICK, IMPURITY_TOLERANCE = 1e-6, 0.01
#: share of the time-out after which the worker begins no further step but hands over what it has.
OWN_TIME = 0.7
#: about structures without a centre of symmetry, by what was done.
FRIEDEL_NOTES = {
    "off": "this GSAS-II computes powder intensities of one Friedel mate, so they are off without a centre of symmetry",
    "repaired": "this GSAS-II computes powder intensities of one Friedel mate; the mean of both was put in its place",
}


class Gsas2Refiner(Refiner):
    """Rietveld refinement with GSAS-II (Toby & Von Dreele 2013, doi:10.1107/S0021889813003531).

    Every start is refined in a process of its own, at most ``options.workers`` at a time. Whatever happens to a process
    is told in the result of its start.

    Args:
        options: see :class:`Gsas2Options`.
        call: how the worker is asked; tests hand in another.
    """

    fits_impurities = True

    def __init__(self, options: Gsas2Options | None = None, *, call: Call = call) -> None:
        self.options = options or Gsas2Options()
        self._call = call
        self._lasting: Gsas2Error | None = None

    def refine(self, measurement: Measurement, starts: Sequence[RefinementStart]) -> list[RefinementResult]:
        """One result a start, in the same order; failing is a result."""
        if self.options.workers == 1 or len(starts) < 2:
            return [self._refine(measurement, start, number) for number, start in enumerate(starts)]
        with ThreadPoolExecutor(self.options.workers) as pool:
            return list(pool.map(lambda job: self._refine(measurement, job[1], job[0]), enumerate(starts)))

    def _refine(self, measurement: Measurement, start: RefinementStart, number: int) -> RefinementResult:
        if self._lasting is not None:
            return failed(start, str(self._lasting))
        complaint = unfit(measurement)
        if complaint:
            return failed(start, complaint)
        try:
            phase = conventional_phase(start.crystal, start.symmetry)
            impurities = [_impurity_phase(crystal) for crystal in measurement.impurities]
            request = self._request(measurement, start, phase, impurities, number)
            answer = self._call("refine", request, self.options)
            return _result(measurement, start, phase, impurities, answer)
        except Gsas2Error as error:
            if error.kind.lasting:
                self._lasting = error
            return failed(start, str(error))
        except (PxrdgenError, np.linalg.LinAlgError, ValueError, KeyError, TypeError, IndexError) as error:
            return failed(start, f"GSAS-II's result cannot be used: {type(error).__name__}: {error}")

    def _request(
        self,
        measurement: Measurement,
        start: RefinementStart,
        phase: ConventionalPhase,
        impurities: Sequence[ConventionalPhase],
        number: int,
    ) -> dict[str, object]:
        options = self.options
        chosen = options.model_dump(mode="json", include=_RECIPE_OPTIONS)
        chosen["first_background_terms"] = FIRST_TERMS[options.background]
        if options.texture_axis is not None:
            chosen["texture_axis"] = phase.texture_axis(options.texture_axis)
        given = options.background == "given"
        return {
            "measurement": {
                "two_theta": measurement.two_theta.tolist(),
                "intensity": measurement.intensity.tolist(),
                "sigma": measurement.sigma.tolist(),
                "background": measurement.background.tolist() if given else None,
            },
            "instrument": instrument_request(measurement.instrument, options.instrument_file),
            "phase": phase.request("structure", u_groups(phase, options.u_iso, measurement.instrument.radiation)),
            "impurities": [
                impurity.request(f"impurity{count}", [None] * len(impurity.representatives))
                for count, impurity in enumerate(impurities, start=1)
            ],
            "cell_fitted": start.cell_fitted,
            "seconds": OWN_TIME * options.timeout,
            "options": chosen,
            "keep": self._project_file(start, number),
        }

    def _project_file(self, start: RefinementStart, number: int) -> str | None:
        if self.options.keep_projects is None:
            return None
        name = "".join(letter for letter in start.crystal.name or "structure" if letter.isalnum() or letter in "_-")
        folder = self.options.keep_projects.expanduser().resolve()
        stem, taken = f"{name[:60] or 'structure'}_{number + 1:02d}", 1
        target = folder / f"{stem}.gpx"
        while target.exists():
            taken += 1
            target = folder / f"{stem}_{taken}.gpx"
        return str(target)


_RECIPE_OPTIONS = {
    "max_cycles",
    "refine_cell",
    "refine_coordinates",
    "refine_widths",
    "refine_asymmetry",
    "refine_u_iso",
    "refine_texture",
    "texture_axis",
    "shift",
    "background_terms",
}


def failed(start: RefinementStart, message: str) -> RefinementResult:
    """The result of a refinement that did not happen."""
    return RefinementResult(crystal=start.crystal, converged=False, message=message)


def u_groups(phase: ConventionalPhase, u_iso: str, radiation: Radiation = CUKA) -> list[int | None]:
    """[K] which atoms of the asymmetric unit share a Uiso; ``None`` for those that hardly scatter and hold it."""
    crystal = phase.conventional.crystal
    faint = set(faint_elements(crystal.species, radiation).tolist())
    groups: list[int | None] = []
    for number, atom in enumerate(phase.representatives.tolist()):
        z = int(crystal.species[atom])
        groups.append(None if z in faint else {"element": z, "site": number, "overall": 0}[u_iso])
    return groups


def _impurity_phase(crystal: Crystal) -> ConventionalPhase:
    return conventional_phase(crystal, find_symmetry(crystal, IMPURITY_TOLERANCE))


def _result(
    measurement: Measurement,
    start: RefinementStart,
    phase: ConventionalPhase,
    impurities: Sequence[ConventionalPhase],
    answer: Answer,
) -> RefinementResult:
    value = answer.value
    found = value["phases"][0]
    calculated, background = (np.array(value[name], dtype=float) for name in ("calculated", "background"))
    if calculated.shape != measurement.two_theta.shape or not np.isfinite(calculated).all():
        raise ValueError(f"a profile of {calculated.size} points for {measurement.two_theta.size}")
    quality = agreement(measurement, calculated, background, int(value["num_parameters"]))
    crystal = phase.crystal(found)
    return RefinementResult(
        crystal=crystal,
        r_wp=quality.r_wp,
        r_p=quality.r_p,
        r_exp=quality.r_exp,
        gof=quality.gof,
        r_wp_without_background=quality.r_wp_without_background,
        quantities=quantities(value["parameters"], phase, crystal),
        cell_su=cell_su(phase, found),
        coordinate_su=coordinate_su(phase, found, start.symmetry),
        u_iso_su=np.array(found["u_iso_su"])[phase.parents[phase.members]],
        num_parameters=int(value["num_parameters"]),
        curves=ProfileCurves(
            two_theta=measurement.two_theta,
            observed=measurement.intensity,
            calculated=calculated,
            background=background,
            sigma=measurement.sigma,
            ticks=_ticks(found),
            impurity_ticks=tuple(_ticks(entry) for entry in value["phases"][1:]),
        ),
        converged=bool(value["converged"]),
        message=_message(value, answer),
        impurities=_impurities(impurities, phase, value),
    )


def _ticks(found: Mapping[str, Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    lines = found["reflections"]
    strengths = np.array([line["f_squared"] * line["multiplicity"] for line in lines], dtype=float)
    angles = np.array([line["two_theta"] for line in lines], dtype=float)
    return np.sort(angles[strengths > LEAST_TICK * strengths.max(initial=0.0)])


def _message(value: Mapping[str, Any], answer: Answer) -> str:
    said = ["converged" if value["converged"] else "stopped before shifts became small", *map(str, value["notes"])]
    if value["friedel"] in FRIEDEL_NOTES:
        said.append(FRIEDEL_NOTES[value["friedel"]])
    return "; ".join([*said, f"GSAS-II {answer.gsas2}"])


def _impurities(
    phases: Sequence[ConventionalPhase], main: ConventionalPhase, value: Mapping[str, Any]
) -> tuple[RefinedImpurity, ...]:
    """Weight fractions after Hill & Howard 1987, doi:10.1107/S0021889887086199: scale times mass times volume."""
    if not phases:
        return ()
    from pxrdgen.values.composition import Composition

    scale = float(value["parameters"]["scale"][0])
    masses = []
    for phase, found in zip((main, *phases), value["phases"], strict=True):
        crystal = phase.conventional.crystal
        composition, units = Composition.from_species(crystal.species).reduced()
        masses.append(float(found["fraction"]) * composition.mass * units)
    return tuple(
        RefinedImpurity(
            crystal=replace(phase.start, basis=phase.basis_of(found["cell"])),
            scale=scale * float(found["fraction"]),
            scale_su=scale * float(found["fraction_su"]),
            weight_fraction=mass / sum(masses),
            cell_su=cell_su(phase, found),
        )
        for phase, found, mass in zip(phases, value["phases"][1:], masses[1:], strict=True)
    )
