"""Which column of a table is the axis, the intensity and its uncertainty."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pxrdgen.errors import PatternError, nearest
from pxrdgen_readers.headings import Role, axis_in, role_of
from pxrdgen_readers.table import Table
from pxrdgen_readers.two_theta import TIME_OF_FLIGHT


@dataclass(frozen=True, kw_only=True)
class ChosenColumns:
    """Places of the columns from 0; ``stated`` where a heading says which is the uncertainty."""

    axis: int
    kind: Role
    intensity: int
    sigma: int | None
    stated: bool


def choose_columns(table: Table, column: str | None, notes: list[str]) -> ChosenColumns:
    """By headings where there are any that are known, else by place: axis, intensity, uncertainty.

    ``column`` is the heading or the number from 1 of the intensity's column.

    Raises:
        PatternError: the axis is none of a powder pattern, its unit is missing, or ``column`` is not there.
    """
    width, labels = table.values.shape[1], table.labels
    roles = [role_of(label) for label in labels]
    axis, kind = _axis(table, roles)
    if roles and roles[axis] is Role.OTHER:
        notes.append(
            f"the first column, headed {labels[axis][:30]!r}, is read as 2theta: no heading names another axis"
        )
    places = [place for place, role in enumerate(roles) if role is Role.INTENSITY and place != axis]
    if column is not None:
        intensity = _asked(column, labels, width)
    elif places:
        intensity = places[0]
    else:
        free = [place for place in range(width) if place != axis]
        unknown = [place for place in free if not roles or roles[place] is Role.UNKNOWN]
        if not unknown:
            raise PatternError(
                f"got columns headed {', '.join(labels)[:120]}, expected one of intensities; name it with --column"
            )
        intensity = unknown[0]
    sigma, stated = _sigma(roles, axis, intensity, width, asked=column is not None)
    unread = [place for place in range(width) if place not in (axis, intensity, sigma)]
    if unread and labels:
        names = ", ".join(labels[place] for place in unread)
        notes.append(f"read as the intensity: {labels[intensity][:30]!r}; not read: {names[:120]} (--column chooses)")
    elif unread:
        notes.append(f"{width} columns: {axis + 1} and {intensity + 1} are read as 2theta and intensity")
    return ChosenColumns(axis=axis, kind=kind, intensity=intensity, sigma=sigma, stated=stated)


def _axis(table: Table, roles: list[Role]) -> tuple[int, Role]:
    """The first column headed 2theta, else the first of another axis; without either the first column."""
    for wanted in ((Role.TWO_THETA, Role.TWO_THETA_RADIANS), tuple(role for role in Role if role.is_axis)):
        place = next((place for place, role in enumerate(roles) if role in wanted), None)
        if place is not None:
            return place, roles[place]
    heading = table.labels[0] if table.labels else ""
    if roles and roles[0] is Role.UNSTATED:
        raise PatternError(
            f"got a first column headed {heading!r} without its unit, expected 2theta in degrees or an axis with its "
            "unit; head it q_A^-1, q_nm^-1 or s_A^-1, or convert it"
        )
    named = axis_in(table.header)
    if re.match(r"(?i)\W*(?:tof|time.of.flight|flugzeit)", heading):
        raise PatternError(f"got a first column headed {heading!r}, expected 2theta; {TIME_OF_FLIGHT}")
    if Role.FOREIGN in (roles[0] if roles else None, named):
        raise PatternError(
            f"got a first column that is {heading or 'no diffraction angle'!r}, expected 2theta in degrees, Q, s or d; "
            "convert it: a radius by the detector's distance, an energy by the detector's angle"
        )
    return 0, named or Role.TWO_THETA


def _asked(column: str, labels: tuple[str, ...], width: int) -> int:
    wanted = column.strip().casefold()
    place = next((place for place, label in enumerate(labels) if label.casefold() == wanted), None)
    if place is None and wanted.isdigit() and 1 <= int(wanted[:9]) <= width:
        place = int(wanted) - 1
    if place is None:
        names = f" ({', '.join(labels)[:200]})" if labels else ""
        raise PatternError(
            f"got the column {column!r}, expected a number from 1 to {width} or a heading{names}"
            f"{nearest(column, labels)}"
        )
    return place


def _sigma(roles: list[Role], axis: int, intensity: int, width: int, *, asked: bool) -> tuple[int | None, bool]:
    """The column headed as an uncertainty, the next behind the intensity first; unheaded, the third."""
    if roles:
        order = sorted(range(width), key=lambda place: (place < intensity, place))
        return next((place for place in order if roles[place] is Role.SIGMA), None), True
    third = intensity + 1 if axis == 0 and not asked and width >= 3 else None
    return third, False
