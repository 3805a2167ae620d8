"""The powder part of a CIF: radiation, range, agreement, how the model was made, and the profile itself.

Items of the core and powder dictionaries (Toby et al. 2003, doi:10.1107/S0021889803016819).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import gemmi
import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.instrument import Instrument
from pxrdgen.values.refinement import ProfileCurves, RefinementResult

FloatArray = NDArray[np.float64]

_PROFILE_FUNCTION = (
    "Thompson-Cox-Hastings pseudo-Voigt: sigma^2 = U tan^2 + V tan + W, gamma = X / cos + Y tan (centidegrees)"
)


def with_powder_items(
    text: str,
    fit: RefinementResult,
    instrument: Instrument,
    *,
    refiner: str,
    axis: tuple[int, int, int] | None = None,
    excluded: Sequence[tuple[float, float]] = (),
) -> str:
    """The CIF ``text`` (one block) with the powder items of a refinement added.

    Args:
        fit: with curves; without them only agreement and radiation are written.
        instrument: its radiation is written, and its geometry.
        refiner: the program, as text.
        axis: Miller indices of the texture axis in the cell of the CIF.
        excluded: 2theta ranges left out, degrees.
    """
    document = gemmi.cif.read_string(text)
    block = document.sole_block()
    _radiation(block, instrument)
    _model(block, fit, refiner, axis)
    if fit.curves is not None:
        _range(block, fit.curves, excluded)
        _profile(block, fit.curves)
    return str(document.as_string())


def _radiation(block: gemmi.cif.Block, instrument: Instrument) -> None:
    radiation = instrument.radiation
    block.set_pair("_diffrn_radiation_probe", "x-ray")
    if radiation.name:
        block.set_pair("_diffrn_radiation_type", gemmi.cif.quote(radiation.name))
    loop = block.init_loop("_diffrn_radiation_wavelength_", ["id", "wavelength", "wt"])
    for number, (line, weight) in enumerate(zip(radiation.wavelengths, radiation.weights, strict=True), start=1):
        loop.add_row([str(number), f"{line:.6f}", f"{weight:.4g}"])
    block.set_pair("_pd_instr_geometry", gemmi.cif.quote(instrument.geometry))


def _model(block: gemmi.cif.Block, fit: RefinementResult, refiner: str, axis: tuple[int, int, int] | None) -> None:
    quote = gemmi.cif.quote
    named = fit.parameters
    block.set_pair("_computing_structure_refinement", quote(refiner))
    block.set_pair("_pd_calc_method", quote("Rietveld Refinement"))
    block.set_pair("_pd_proc_ls_profile_function", quote(_PROFILE_FUNCTION))
    if "background_terms" in named:
        terms = f"Chebyshev polynomial of {round(named['background_terms'])} terms"
        block.set_pair("_pd_proc_ls_background_function", quote(terms))
    if axis is not None and "march_dollase" in named:
        words = f"March-Dollase, axis ({' '.join(str(index) for index in axis)}), ratio {named['march_dollase']:.4f}"
        block.set_pair("_pd_proc_ls_pref_orient_corr", quote(words))
    if fit.num_parameters:
        block.set_pair("_refine_ls_number_parameters", str(fit.num_parameters))
    if math.isfinite(fit.r_wp_without_background):
        words = f"Rwp with the background subtracted from the observed: {fit.r_wp_without_background:.5f}"
        block.set_pair("_pd_proc_ls_special_details", quote(words))
    if named.get("zero"):
        block.set_pair("_pd_calib_2theta_offset", f"{named['zero']:.5f}")
    if fit.impurities:
        main = 1.0 - sum(phase.weight_fraction for phase in fit.impurities)
        block.set_pair("_pd_phase_mass_%", f"{100.0 * main:.2f}")


def _range(block: gemmi.cif.Block, curves: ProfileCurves, excluded: Sequence[tuple[float, float]]) -> None:
    two_theta = curves.two_theta
    block.set_pair("_pd_proc_2theta_range_min", f"{two_theta[0]:.5g}")
    block.set_pair("_pd_proc_2theta_range_max", f"{two_theta[-1]:.6g}")
    block.set_pair("_pd_proc_2theta_range_inc", f"{float(np.median(np.diff(two_theta))):.5g}")
    block.set_pair("_pd_proc_number_of_points", str(len(two_theta)))
    if excluded:
        words = "; ".join(f"{low:g} to {high:g} degrees" for low, high in excluded)
        block.set_pair("_pd_proc_info_excluded_regions", gemmi.cif.quote(words))


def _profile(block: gemmi.cif.Block, curves: ProfileCurves) -> None:
    columns: Mapping[str, FloatArray] = {
        "proc_2theta_corrected": curves.two_theta,
        "proc_intensity_total": curves.observed,
        "calc_intensity_total": curves.calculated,
        "proc_intensity_bkg_calc": curves.background,
        "proc_ls_weight": 1.0 / curves.sigma**2,
    }
    loop = block.init_loop("_pd_", ["proc_point_id", *columns])
    for number, values in enumerate(zip(*columns.values(), strict=True), start=1):
        loop.add_row([str(number), *(f"{float(value):.6g}" for value in values)])
