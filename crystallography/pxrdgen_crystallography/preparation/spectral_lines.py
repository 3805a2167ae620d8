"""Lines that a tube adds besides K-alpha: K-beta that passes the filter, tungsten on an old anode."""

from __future__ import annotations

import numpy as np

from pxrdgen.values.instrument import Radiation
from pxrdgen.values.prepared_pattern import PeakList

#: K-beta1 of the anodes, A (Bearden 1967, doi:10.1103/RevModPhys.39.78).
K_BETA = {"CuKa": 1.392218, "CoKa": 1.62079, "FeKa": 1.75661, "CrKa": 2.08487, "MoKa": 0.632288, "AgKa": 0.497069}
#: Tungsten L-alpha1, A, from filaments that evaporate onto the anode.
TUNGSTEN_L_ALPHA = 1.476390


def notes_on_spectral_lines(peaks: PeakList, radiation: Radiation) -> list[str]:
    """A sentence for each foreign line that echoes the strongest peaks; the peaks stay in the list."""
    notes = []
    candidates = {"K-beta": K_BETA.get(radiation.name)}
    if radiation.name == "CuKa":
        candidates["W L-alpha"] = TUNGSTEN_L_ALPHA
    for name, wavelength in candidates.items():
        if wavelength is None or len(peaks) < 2:
            continue
        echoes = [angle for strong in np.argsort(-peaks.area)[:3] if (angle := _echo(peaks, int(strong), wavelength))]
        # One coincidence happens in any crowded pattern.
        if len(echoes) >= 2:
            where = ", ".join(f"{angle:.2f}" for angle in sorted(echoes))
            notes.append(
                f"possibly {name} echoes of the strongest peaks, at {where} degrees; exclude them if they disturb"
            )
    return notes


def _echo(peaks: PeakList, strong: int, wavelength: float) -> float | None:
    """Angle of a weak peak where a strong one would show at another wavelength."""
    sine = np.sin(np.radians(peaks.two_theta[strong]) / 2.0) * wavelength / peaks.wavelength
    expected = 2.0 * np.degrees(np.arcsin(sine))
    near = np.abs(peaks.two_theta - expected) < 0.35 * peaks.fwhm[strong] + 3.0 * peaks.two_theta_su
    weak = (peaks.area < 0.06 * peaks.area[strong]) & (peaks.area > 0.001 * peaks.area[strong])
    rows = np.flatnonzero(near & weak)
    return float(peaks.two_theta[rows[0]]) if rows.size else None


def echoes(peaks: PeakList, radiation: Radiation) -> list[int]:
    """Rows of weak peaks that lie where K-beta or tungsten L-alpha would echo one of the five strongest peaks."""
    others = [K_BETA.get(radiation.name), TUNGSTEN_L_ALPHA if radiation.name == "CuKa" else None]
    rows = set()
    for wavelength in others:
        for strong in np.argsort(-peaks.area)[:5] if wavelength is not None else ():
            angle = _echo(peaks, int(strong), float(wavelength or 0.0))
            if angle is not None:
                rows.add(int(np.argmin(np.abs(peaks.two_theta - angle))))
    return sorted(rows)
