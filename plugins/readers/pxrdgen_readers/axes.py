"""Which axis a scan moved: only a scan over 2theta is a powder pattern."""

from __future__ import annotations

from pxrdgen.errors import PatternError

_TWO_THETA = {
    "2theta", "twotheta", "coupled", "theta2theta", "2thetatheta", "twothetatheta", "thetatwotheta", "2thetaomega",
    "twothetaomega", "omega2theta", "gonio", "lockedcoupled", "unlockedcoupled", "detectorscan", "coupledtwothetatheta",
    "psdfast", "psdfixed", "continuous", "step", "thetatheta",
}  # fmt: skip
_OTHER = {
    "omega": "a rocking curve", "theta": "a rocking curve", "rockingcurve": "a rocking curve",
    "phi": "a rotation of the sample", "phiscan": "a rotation of the sample", "chi": "a tilt of the sample",
    "khi": "a tilt of the sample", "chiscan": "a tilt of the sample", "psi": "a tilt of the sample",
    "psiscan": "a tilt of the sample", "x": "a shift of the sample", "y": "a shift of the sample",
    "z": "a height scan", "xscan": "a shift of the sample", "yscan": "a shift of the sample", "zscan": "a height scan",
    "zdrive": "a height scan", "alpha": "a scan of the incident angle", "beta": "a scan of the exit angle",
    "reciprocalspace": "a reciprocal-space map", "reciprocalspacescan": "a reciprocal-space map",
    "hklscan": "a scan along hkl", "divergenceslit": "a scan of the slit",
}  # fmt: skip


def axis_note(axis: str) -> str:
    """Nothing for a scan over 2theta, a sentence for an axis that is not known and taken for one.

    Raises:
        PatternError: the axis is known not to be 2theta.
    """
    key = "".join(letter for letter in axis.casefold() if letter.isalnum())
    if key in _OTHER:
        raise PatternError(f"got a scan over {axis} ({_OTHER[key]}), expected one over 2theta; export the coupled scan")
    return "" if not key or key in _TWO_THETA else f"the file calls the scan axis {axis[:40]!r}: taken for 2theta"
