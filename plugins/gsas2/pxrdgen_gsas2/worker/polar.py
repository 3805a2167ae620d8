"""Where a group leaves the origin free, one atom holds it."""

from __future__ import annotations


def hold_origin(project, phase, weights: list) -> list:
    """Hold the polar coordinates of the heaviest atom; their names are returned."""
    axes = [axis for axis in "xyz" if axis in phase.data["General"]["SGData"].get("SGPolax", "")]
    if not axes:
        return []
    heaviest = max(range(len(weights)), key=lambda number: weights[number])
    held = [f"{phase.id}::dA{axis}:{heaviest}" for axis in axes]
    project.add_HoldConstr(held)
    return held
