"""The variants of a base: every combination of values at dotted paths, and named ones."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from pxrdgen.errors import OptionError, nearest

#: more variants than this is a slip of the pen.
MOST_VARIANTS = 500


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One spec of a suite, not yet checked.

    Args:
        label: what tables call it.
        spec: plain JSON.
    """

    label: str
    spec: dict[str, JsonValue]


def variants(
    base: Mapping[str, JsonValue],
    grid: Mapping[str, Sequence[JsonValue]],
    named: Mapping[str, Mapping[str, JsonValue]],
) -> list[Variant]:
    """The named variants, each in every combination of the grid; the base itself where there are neither.

    A path is dotted, with numbers for places in a list: ``generators.0.options.steps``.

    Raises:
        OptionError: a path leads nowhere, a list of values is empty, two variants have one label, there are too many.
    """
    for path, values in grid.items():
        if not values:
            raise OptionError(f"grid {path!r} has no values; expected a list of them")
    names = _short_names(tuple(grid))
    found = []
    for name, changes in (named or {"": {}}).items():
        for values in itertools.product(*grid.values()):
            spec = copy.deepcopy(dict(base))
            for path, value in (*changes.items(), *zip(grid, values, strict=True)):
                _put(spec, path, copy.deepcopy(value))
            chosen = [f"{names[path]}={_word(value)}" for path, value in zip(grid, values, strict=True)]
            found.append(Variant(label=", ".join([name, *chosen] if name else chosen) or "base", spec=spec))
            if len(found) > MOST_VARIANTS:
                raise OptionError(f"got a grid of more than {MOST_VARIANTS} variants; take fewer values")
    labels = [variant.label for variant in found]
    for label in labels:
        if labels.count(label) > 1:
            raise OptionError(f"got two variants called {label!r}; expected values and names that differ")
    return found


def _put(document: dict[str, Any], path: str, value: JsonValue) -> None:
    """Set the value at a path; missing mappings on the way are made, list places must exist or be the next."""
    *way, last = path.split(".")
    here: Any = document
    for number, step in enumerate(way):
        following = (*way, last)[number + 1]
        if isinstance(here, list):
            here = here[_place(here, step, path)]
        elif isinstance(here, dict):
            here = here.setdefault(step, [] if following.isdigit() else {})
        else:
            raise OptionError(f"path {path!r} goes through {step!r}, where there is the value {here!r}")
    if isinstance(here, list):
        place = _place(here, last, path, next_too=True)
        here[place : place + 1] = [value]
    elif isinstance(here, dict):
        here[last] = value
    else:
        raise OptionError(f"path {path!r} ends at the value {here!r}; expected a mapping or a list")


def _place(values: list[Any], step: str, path: str, *, next_too: bool = False) -> int:
    most = len(values) if next_too else len(values) - 1
    if not step.isdigit() or int(step) > most:
        places = [str(number) for number in range(most + 1)]
        raise OptionError(
            f"path {path!r} has {step!r} for a place in a list, expected one of {', '.join(places) or 'none'}"
            f"{nearest(step, places)}"
        )
    return int(step)


def _short_names(paths: Sequence[str]) -> dict[str, str]:
    """The shortest end of each path that no other path has; ``plugin`` and ``options`` say nothing by themselves."""
    names = {}
    for path in paths:
        steps = path.split(".")
        for length in range(1, len(steps) + 1):
            end = ".".join(steps[-length:])
            shared = [other for other in paths if other == end or other.endswith(f".{end}")]
            if len(shared) == 1 and steps[-length] not in ("plugin", "options") and not steps[-length].isdigit():
                break
        names[path] = end.removesuffix(".plugin")
    return names


def _word(value: JsonValue) -> str:
    """A value in a label: components by their name."""
    if isinstance(value, dict) and "plugin" in value:
        options = value.get("options") or {}
        inner = ", ".join(f"{key}={_word(each)}" for key, each in options.items()) if isinstance(options, dict) else ""
        return f"{value['plugin']}({inner})" if inner else str(value["plugin"])
    if isinstance(value, list):
        return "+".join(_word(each) for each in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
