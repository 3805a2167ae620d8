"""March-Dollase texture: which axis, and whether it pays (Dollase 1986, doi:10.1107/S0021889886089458)."""

from __future__ import annotations

import itertools

import numpy as np
from geometry import metric
from refining import Session

#: ratios first looked at; share of the intensities' misfit, and ratio of variances, that make an axis worth refining.
RATIOS, PROMISE, LEAST_F = (0.8, 1.25), 0.2, 12.0
#: chi^2 must fall by this share for texture to be kept.
LEAST_SHARE = 0.03


def try_texture(session: Session, options: dict) -> None:
    """Refine the ratio along the axis given, else along the most promising low-index one; undo what does not pay."""
    axis, ratio = _promising_axis(session)
    if options.get("texture_axis"):
        axis, ratio = options["texture_axis"], 0.95
    if axis is None:
        return
    before = session.goodness**2
    entry = session.phase.data["Histograms"][session.histogram.name]["Pref.Ori."]
    entry[0:4] = ["MD", ratio, True, [int(index) for index in axis]]
    plain = session.state()
    if not session.refine("texture", 8):
        return
    if options.get("texture_axis") is None and session.goodness**2 > (1.0 - LEAST_SHARE) * before:
        session.back_to(plain)


def _promising_axis(session: Session):
    """The axis whose March-Dollase factors explain most of the difference of observed and calculated intensities, and a
    ratio to begin with: at 1 texture of cubic crystals has no slope.
    """
    table = session.histogram.reflections()[session.phase.name]["RefList"]
    hkl, multiplicity = table[:, :3], table[:, 3]
    observed, calculated, peak = table[:, 8], table[:, 9], table[:, 11]
    seen = (calculated > 0) & (peak > 0)
    if seen.sum() < 5:
        return None, 1.0
    strength = (peak * multiplicity)[seen]
    ratio = observed[seen] / calculated[seen] - 1.0
    weight = strength / strength.sum()
    reciprocal = np.linalg.inv(metric(session.phase.data["General"]["Cell"][1:7]))
    operations = [np.array(entry[0], dtype=float) for entry in session.phase.data["General"]["SGData"]["SGOps"]]
    best, promise = (None, 1.0), PROMISE
    total = float(weight @ (ratio - weight @ ratio) ** 2)
    for axis in _low_index_axes():
        for march in RATIOS:
            factor = _factors(hkl[seen], axis, march, reciprocal, operations) - 1.0
            centred, target = factor - weight @ factor, ratio - weight @ ratio
            size = float(weight @ centred**2)
            slope = float(weight @ (centred * target)) / size if size > 1e-12 else 0.0
            saved = slope**2 * size / total if total > 0.0 and slope > 0.0 else 0.0
            if saved > promise and saved * (len(ratio) - 2) > LEAST_F * (1.0 - saved):
                best, promise = (axis, 1.0 + min(slope, 1.0) * (march - 1.0)), saved
    return best


def _low_index_axes() -> list:
    axes = [axis for axis in itertools.product((-1, 0, 1), repeat=3) if axis > (0, 0, 0)]
    return sorted(axes, key=lambda axis: sum(map(abs, axis)))


def _factors(hkl, axis, march: float, reciprocal, operations: list):
    """[H] mean over equivalent reflections of (r^2 cos^2 + sin^2 / r)^(-3/2)."""
    direction = np.array(axis, dtype=float)
    length = direction @ reciprocal @ direction
    total = np.zeros(len(hkl))
    for rotation in operations:
        turned = hkl @ rotation
        squared = np.einsum("hi,ij,hj->h", turned, reciprocal, turned)
        cosine = (turned @ reciprocal @ direction) ** 2 / (squared * length)
        total += (march**2 * cosine + (1.0 - cosine) / march) ** -1.5
    return total / len(operations)
