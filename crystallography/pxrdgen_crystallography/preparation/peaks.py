"""The peak list of a pattern: found by matched filtering, fitted together with widths and background."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d

from pxrdgen.values.instrument import Instrument
from pxrdgen.values.pattern import PowderPattern
from pxrdgen.values.prepared_pattern import PeakList
from pxrdgen_crystallography.powder_line.widths import Shape
from pxrdgen_crystallography.preparation.background import estimate_background
from pxrdgen_crystallography.preparation.detection import detect
from pxrdgen_crystallography.preparation.joint_fit import JointFit
from pxrdgen_crystallography.preparation.noise import Noise, estimate_noise
from pxrdgen_crystallography.preparation.peak_model import FittedModel, PeakModel
from pxrdgen_crystallography.preparation.widths import shape_along, widths_of_constant_fwhm, with_widths

FloatArray = NDArray[np.float64]

#: Significance asked of a detection, round by round: strong peaks first, weak ones in the residuals they leave.
THRESHOLDS = (8.0, 6.0, 4.5, 3.4)
#: A peak stays when its fitted area is this many standard uncertainties.
SIGNIFICANT = 3.0
#: Peaks closer than this many FWHM are one.
MERGE = 0.35
#: A peak lower than this part of what its neighbours contribute at its place is put down to their imperfect shape.
DEBRIS = 0.1
#: Residuals below this part of a neighbouring peak are put down to its imperfect shape.
SHAPE_ERROR = 0.06


@dataclass(frozen=True, kw_only=True)
class PeakSearch:
    """What the search learnt of the pattern.

    Args:
        peaks: the list.
        background, background_su: [G] pattern units.
        calculated: [G] background and peaks.
        instrument: the pattern's, widths filled in where there were peaks to tell them.
        noise: the variance model that was used.
    """

    peaks: PeakList
    background: FloatArray
    background_su: FloatArray
    calculated: FloatArray
    instrument: Instrument
    noise: Noise


def _typical_width(pattern: PowderPattern, noise: Noise) -> float:
    """Width at half height of the strong peaks in degrees; 0.15 when there are none."""
    x, y, step = pattern.two_theta, pattern.intensity, pattern.step
    points = 5
    smooth = np.convolve(np.pad(y, points // 2, mode="edge"), np.ones(points) / points, mode="valid")
    fwhm = 0.3
    for _ in range(2):
        background = estimate_background(x, y, noise, fwhm).values
        height = smooth - background
        variance = noise.variance(np.maximum(smooth, 0.0)) / points + (0.01 * background) ** 2
        window = max(3, round(fwhm / step))
        crest = (height == maximum_filter1d(height, 2 * window + 1)) & (height > 8.0 * np.sqrt(variance))
        rows = np.flatnonzero(crest)
        rows = rows[np.argsort(-height[rows])][:20]
        widths = [_half_height_width(x, height, int(row)) for row in rows]
        narrow = [width for width in widths if width is not None]
        if not narrow:
            return 0.15
        # Overlap and K-alpha2 only ever widen; the smoothing is taken out.
        raw = float(np.quantile(narrow, 0.4))
        fwhm = float(np.sqrt(max(raw**2 - (0.8 * points * step) ** 2, (2.0 * step) ** 2)))
    return fwhm


def _half_height_width(two_theta: FloatArray, height: FloatArray, row: int) -> float | None:
    """Distance between the half-height points on both sides of a crest; ``None`` at the pattern's ends."""
    below = height < 0.5 * height[row]
    left = np.flatnonzero(below[:row])
    right = np.flatnonzero(below[row:])
    if left.size == 0 or right.size == 0:
        return None
    return float(two_theta[row + right[0]] - two_theta[left[-1]])


def _merge(fitted: FittedModel, two_theta: FloatArray) -> tuple[PeakModel, bool]:
    """Without peaks that are insignificant, debris, or nearly on top of a stronger one; whether anything went."""
    model = fitted.model
    others = np.interp(model.position, two_theta, fitted.peaks) - fitted.height
    weak = (model.area <= SIGNIFICANT * fitted.area_su / fitted.misfit) | (fitted.height <= DEBRIS * others)
    keep = np.ones(model.position.shape[0], dtype=bool)
    area = model.area.copy()
    # Two peaks on one place make each other insignificant: the stronger takes the weaker in and is judged next time.
    for strong in np.argsort(-model.area):
        if not keep[strong]:
            continue
        distance = np.abs(model.position - model.position[strong]) / fitted.fwhm[strong]
        others_here = keep.copy()
        others_here[strong] = False
        twins = others_here & ((distance < MERGE) | (weak & (distance < 1.0)))
        if weak[strong] and not twins.any():
            keep[strong] = False
            continue
        area[strong] += float(np.sum(np.maximum(area[twins & (distance < MERGE)], 0.0)))
        keep &= ~twins
    model = replace(model, area=area)
    return model.select(keep), not bool(keep.all())


def search_peaks(pattern: PowderPattern, noise: Noise | None = None) -> PeakSearch:
    """Peaks, background and widths of a pattern.

    Strong peaks are detected and fitted first; what they leave is searched for weaker ones and shoulders, four times.
    """
    noise = estimate_noise(pattern) if noise is None else noise
    x, y, radiation = pattern.two_theta, pattern.intensity, pattern.instrument.radiation
    fwhm = _typical_width(pattern, noise)
    background = estimate_background(x, y, noise, fwhm)
    fit = JointFit(x, y, noise, radiation, background, fwhm)
    empty = np.zeros(0)
    model = PeakModel(
        position=empty,
        area=empty,
        log_factor=empty,
        widths=widths_of_constant_fwhm(fwhm),
        coefficients=background.coefficients,
    )
    fitted = fit.fit(model, steps=0, final=False)
    for threshold in THRESHOLDS:
        found = _missing(fitted, pattern, threshold)
        if found is None:
            continue
        fitted = fit.fit(fitted.model.plus(*found), steps=5, final=False)
        reduced, changed = _merge(fitted, x)
        if changed:
            fitted = fit.fit(reduced, steps=2, final=False)
    fitted = _split(fit, fitted)
    changed = True
    while changed:
        fitted = fit.fit(fitted.model, steps=6, final=True)
        reduced, changed = _merge(fitted, x)
        if changed:
            fitted = fit.fit(reduced, steps=2, final=False)
    return _result(pattern, fitted, noise)


def _split(fit: JointFit, fitted: FittedModel) -> FittedModel:
    """Peaks wider than the common curve that fit badly, taken apart where two of common width fit much better."""
    single = fit.fit(fitted.model, steps=3, final=True)
    model = single.model
    wide = (model.log_factor > 0.12) & (single.misfit > 1.3) & (model.area > 20.0 * single.area_su / single.misfit)
    if not wide.any():
        return fitted
    apart = 0.45 * single.fwhm[wide]
    half = 0.5 * model.area[wide]
    rest = model.select(~wide)
    double = fit.fit(
        rest.plus(
            np.concatenate([model.position[wide] - apart, model.position[wide] + apart]), np.concatenate([half, half])
        ),
        steps=8,
        final=True,
    )
    better = np.zeros(model.position.shape[0], dtype=bool)
    for row in np.flatnonzero(wide):
        pair = np.abs(double.model.position - model.position[row]) < 1.2 * single.fwhm[row]
        sound = pair.sum() >= 2 and bool((double.model.area[pair] > 5.0 * double.area_su[pair]).all())
        better[row] = sound and float(double.misfit[pair].max()) < 0.7 * single.misfit[row]
    if not better.any():
        return fitted
    apart, half = 0.45 * single.fwhm[better], 0.5 * model.area[better]
    pairs = np.concatenate([model.position[better] - apart, model.position[better] + apart])
    return fit.fit(model.select(~better).plus(pairs, np.concatenate([half, half])), steps=6, final=False)


def _missing(fitted: FittedModel, pattern: PowderPattern, threshold: float) -> tuple[FloatArray, FloatArray] | None:
    """Positions and areas of peaks the residual asks for."""
    widths = fitted.model.widths

    def shape(angles: FloatArray) -> Shape:
        return shape_along(angles, widths)

    reach = int(np.ceil(float(np.median(shape(pattern.two_theta[::50]).fwhm)) / pattern.step))
    nearby = maximum_filter1d(fitted.peaks, 2 * reach + 1)
    variance = fitted.variance + (SHAPE_ERROR * nearby) ** 2 + (0.003 * fitted.background) ** 2
    residual = pattern.intensity - fitted.peaks - fitted.background
    found = detect(pattern.two_theta, residual, variance, pattern.instrument.radiation, shape, threshold)
    return (found.position, found.area) if found.position.size else None


def _result(pattern: PowderPattern, fitted: FittedModel, noise: Noise) -> PeakSearch:
    model = fitted.model
    peaks = PeakList(
        two_theta=model.position,
        two_theta_su=fitted.position_su,
        height=fitted.height,
        area=model.area,
        area_su=fitted.area_su,
        fwhm=fitted.fwhm,
        wavelength=pattern.instrument.radiation.wavelength,
    )
    instrument = with_widths(pattern.instrument, model.widths) if len(peaks) >= 3 else pattern.instrument
    return PeakSearch(
        peaks=peaks,
        background=fitted.background,
        background_su=fitted.background_su,
        calculated=fitted.background + fitted.peaks,
        instrument=instrument,
        noise=noise,
    )


def find_peaks(pattern: PowderPattern) -> PeakList:
    """The Bragg peaks of a pattern, down to three standard uncertainties; K-alpha2 belongs to its peak."""
    return search_peaks(pattern).peaks
