"""Where peaks lie and what they look like: zero or displacement, widths, axial divergence."""

from __future__ import annotations

from refining import Session

WIDTHS = ["U", "V", "W", "X", "Y"]
#: fewer of them, where all together end in impossible widths.
FALLBACKS = (WIDTHS, ["W", "X", "Y"], ["X", "Y"])
#: (S + H) / L to begin with, and the share chi^2 must fall by for it to be kept.
STARTS, LEAST_SHARE = (0.03, 0.05), 0.02
#: relative fall of chi^2 in a cycle that ends a run.
NEAR = 1e-4


def flag_position_shift(session: Session, options: dict) -> None:
    """Refine the zero, the sample's displacement, or both."""
    if options["shift"] in ("zero", "both"):
        session.histogram.set_refinements({"Instrument Parameters": ["Zero"]})
    if options["shift"] in ("displacement", "both") and "Shift" in session.histogram.SampleParameters:
        session.histogram.set_refinements({"Sample Parameters": ["Shift"]})


def refine_widths(session: Session) -> None:
    """U V W X Y, or as many of them as the pattern bears."""
    for number, names in enumerate(FALLBACKS, start=1):
        session.histogram.set_refinements({"Instrument Parameters": names})
        last = number == len(FALLBACKS)
        if session.refine("peak widths" if last else "", 8):
            return


def try_asymmetry(session: Session, cycles: int) -> None:
    """Finger, Cox & Jephcoat 1994, doi:10.1107/S0021889894004218: (S + H) / L is refined, and kept where it pays.

    GSAS-II's slope of it is rough, so several starts are tried and each is followed by a run without it.
    """
    best, before = session.state(), session.goodness**2
    symmetric, least = best, before
    for start in STARTS:
        entry = session.histogram.InstrumentParameters["SH/L"]
        entry[1:3] = [start, True]
        if session.refine("", 6):
            session.histogram.clear_refinements({"Instrument Parameters": ["SH/L"]})
            session.refine("", cycles, NEAR)
        if session.goodness**2 < least:
            best, least = session.state(), session.goodness**2
        session.back_to(symmetric)
    if least < (1.0 - LEAST_SHARE) * before:
        session.back_to(best)
