"""The order in which things are refined: measured to bring most displaced structures home."""

from __future__ import annotations

import math

from errors import WorkerFailureError
from refining import Session
from shapes import NEAR, flag_position_shift, refine_widths, try_asymmetry
from texture import try_texture

#: microstrain that widens the peaks of the first steps, and sin(theta)/lambda (1/A) they end at (45 degrees of Cu Ka).
WIDE, FIRST_S = 8000.0, math.sin(math.radians(22.5)) / 1.54056
#: a longer background is kept when chi^2 falls by this many times chi^2 per point for each term.
TERM_PRICE = 4.0
LONGER_BACKGROUNDS = (12, 18)
#: goodness of fit from which on, and Rwp (%) up to which, it is asked whether axial divergence explains the rest.
WORTH_ASYMMETRY, MOST_MISFIT = 1.15, 35.0
#: fewest points of the first range.
LEAST_POINTS = 200
#: a run that GSAS-II calls off was at the minimum when chi^2 fell by less than this share in it.
LEAST_FALL = 1e-3
#: tolerance of chi^2 in the last run: GSAS-II's own, 0.001, leaves correlated parameters short of their minimum.
FINE = 1e-6


def run(session: Session, request: dict) -> None:
    """Widened low-angle peaks, cell, full range, atoms, true widths, atoms with Uiso, everything together."""
    options = request["options"]
    faint = {number for number, atom in enumerate(request["phase"]["atoms"]) if atom["u_group"] is None}
    held = {number for number in faint if request["phase"]["atoms"][number]["element"] == "H"}
    if not request.get("cell_fitted"):
        _find_the_basin(session, request, held)
    _flag_cell_and_atoms(session, options, held)
    if not session.refine("coordinates", 10) and held != faint:
        held = faint
        _flag_cell_and_atoms(session, options, held)
        session.refine("coordinates of the atoms that scatter most", 10)
    _flag_cell_and_atoms(session, options, held)
    flag_position_shift(session, options)
    session.refine("peak positions", 6)
    for impurity in session.impurities():
        impurity.set_refinements({"Cell": True})
        session.refine(f"cell of {impurity.name}", 6)
    _with_u_iso(session, request)
    _background(session, request)
    if options["refine_widths"]:
        refine_widths(session)
    if options["refine_texture"]:
        try_texture(session, options)
    cycles = int(options["max_cycles"])
    session.refine("all parameters", cycles, NEAR)
    if options["refine_asymmetry"] and options["refine_widths"] and _is_asymmetry_worth_it(session):
        try_asymmetry(session, cycles)
    session.refine("", cycles, FINE)
    if not session.fresh:
        raise WorkerFailureError("failed", f"no refinement of the whole range held: {'; '.join(session.notes)}")


def _is_asymmetry_worth_it(session: Session) -> bool:
    return session.goodness > WORTH_ASYMMETRY and float(session.values["Rwp"]) < MOST_MISFIT


def _find_the_basin(session: Session, request: dict, held: set) -> None:
    """Peaks widened by strain overlap those they belong to although the cell is off."""
    options, phase = request["options"], session.phase
    whole = [float(limit) for limit in session.histogram.data["Limits"][1]]
    strain = float(_mustrain(session)[1][0])
    _set(session, _first_range(session, request["instrument"], whole), max(WIDE, 2.0 * strain))
    session.refine("scale", 4)
    phase.set_refinements({"Cell": bool(options["refine_cell"])})
    session.refine("cell", 8)
    _set(session, whole, max(WIDE, 2.0 * strain))
    session.refine("full range", 6)
    _flag_cell_and_atoms(session, options, held)
    session.refine("coordinates with wide peaks", 8)
    _set(session, whole, strain)


def converged(session: Session) -> bool:
    """Whether the last cycle's shifts were small against their uncertainties, or chi^2 could fall no more."""
    if session.out_of_time:
        return False
    values = session.values
    covariance = session.project.data["Covariance"]["data"]
    last = values.get("lastShifts")
    if values.get("Aborted") or last is None:
        fall = 1.0 - (values["GOF"] / values["GOF0"]) ** 2 if values.get("GOF0") else 0.0
        return bool(values.get("converged") or fall < LEAST_FALL)
    sigmas = dict(zip(covariance.get("varyList", []), covariance.get("sig", []), strict=True))
    ratios = [abs(last[name]) / sigmas[name] for name in last if sigmas.get(name)]
    return bool(values.get("converged")) and bool(max(ratios, default=0.0) < 0.1)


def _first_range(session: Session, instrument: dict, whole: list) -> list:
    sine = min(FIRST_S * instrument["wavelengths"][0], 1.0)
    high = min(2.0 * math.degrees(math.asin(sine)), whole[1])
    angles = session.histogram.data["data"][1][0]
    inside = int(((angles >= whole[0]) & (angles <= high)).sum())
    return [whole[0], high] if inside >= LEAST_POINTS else whole


def _set(session: Session, limits: list, strain: float) -> None:
    """Change range and width of the peaks; undoing later steps keeps that."""
    session.histogram.data["Limits"][1][:] = limits
    _mustrain(session)[1][0] = strain
    session.keep(fresh=False)


def _mustrain(session: Session) -> list:
    return session.phase.data["Histograms"][session.histogram.name]["Mustrain"]


def _flag_cell_and_atoms(session: Session, options: dict, held: set) -> None:
    session.phase.set_refinements({"Cell": bool(options["refine_cell"])})
    for number, atom in enumerate(session.phase.atoms()):
        moves = options["refine_coordinates"] and number not in held
        atom.refinement_flags = ("X" if moves else "") + ("U" if "U" in atom.refinement_flags else "") or " "


def _with_u_iso(session: Session, request: dict) -> None:
    """Uiso by group; where that explodes, one for all atoms; where that does too, none."""
    if not request["options"]["refine_u_iso"]:
        return
    groups = [atom["u_group"] for atom in request["phase"]["atoms"]]
    for name, members in (("Uiso", groups), ("overall Uiso", [0 if group is not None else None for group in groups])):
        _flag_u_iso(session, members)
        if session.refine(name, 8):
            return
    _flag_u_iso(session, [None] * len(groups))


def _flag_u_iso(session: Session, groups: list) -> None:
    """Refine Uiso of the atoms that have a group, equal within it."""
    constraints = session.project.data["Constraints"]["data"]
    constraints["Phase"] = [entry for entry in constraints["Phase"] if entry[-1] != "e"]
    for atom, group in zip(session.phase.atoms(), groups, strict=True):
        flags = atom.refinement_flags.replace("U", "").strip()
        atom.refinement_flags = (flags if group is None else flags + "U") or " "
    for group in sorted({group for group in groups if group is not None}):
        members = [number for number, entry in enumerate(groups) if entry == group]
        if len(members) > 1:
            session.project.add_EquivConstr([f"{session.phase.id}::AUiso:{number}" for number in members])


def _background(session: Session, request: dict) -> None:
    """Longer series of background polynomials, as long as they pay."""
    if request["options"].get("background_terms"):
        return
    for terms in LONGER_BACKGROUNDS:
        before, points = session.values["GOF"] ** 2, session.values["Nobs"]
        shorter, fewer = session.state(), int(session.histogram.data["Background"][0][2])
        session.histogram.set_refinements({"Background": {"no. coeffs": terms, "refine": True}})
        if not session.refine("", 5):
            return
        fall = points * (before - session.values["GOF"] ** 2)
        if fall < TERM_PRICE * (terms - fewer) * session.values["GOF"] ** 2:
            session.back_to(shorter)
            return
