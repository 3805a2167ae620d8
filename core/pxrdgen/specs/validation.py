"""Pydantic's findings as one :class:`OptionError`: where, what was given, what is expected, the nearest name."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pxrdgen.errors import OptionError, nearest

_LONGEST_ECHO = 80
_MOST_FINDINGS = 5

Model = TypeVar("Model", bound=BaseModel)


def validated(model: type[Model], values: Mapping[str, object], where: str) -> Model:
    """``model`` filled from ``values``; unknown keys are refused whatever the model's own policy.

    Raises:
        OptionError: every message begins with ``where`` and the path of the offending key.
    """
    known = _known_keys(model)
    for key in values:
        if key not in known:
            raise OptionError(_unknown(f"{where}.{key}", str(key), known))
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        found = error.errors(include_url=False)
        lines = [_sentence(model, detail, where) for detail in found[:_MOST_FINDINGS]]
        if len(found) > _MOST_FINDINGS:
            lines.append(f"... and {len(found) - _MOST_FINDINGS} more")
        raise OptionError("\n".join(lines)) from None


def models_in(annotation: object) -> Iterator[type[BaseModel]]:
    """The pydantic models an annotation mentions, at any depth: ``list[Spec] | None`` mentions ``Spec``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in typing.get_args(annotation):
        yield from models_in(part)


def _sentence(model: type[BaseModel], detail: ErrorDetails, where: str) -> str:
    location = detail["loc"]
    path = where + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)
    if detail["type"] == "extra_forbidden":
        parent = _model_at(model, location[:-1])
        return _unknown(path, str(location[-1]), _known_keys(parent) if parent else ())
    given = repr(detail["input"])
    if len(given) > _LONGEST_ECHO:
        given = given[:_LONGEST_ECHO] + "..."
    if detail["type"] == "missing":
        return f"{path} is missing; expected a value for it beside {given}"
    return f"{path} is {given}: {detail['msg'][:1].lower()}{detail['msg'][1:]}"


def _unknown(path: str, key: str, known: tuple[str, ...]) -> str:
    listed = f"known here: {', '.join(known)}" if known else "nothing is expected here"
    return f"{path} is unknown; {listed}{nearest(key, known)}"


def _known_keys(model: type[BaseModel]) -> tuple[str, ...]:
    return tuple(field.alias or name for name, field in model.model_fields.items())


def _model_at(model: type[BaseModel], location: tuple[int | str, ...]) -> type[BaseModel] | None:
    found: type[BaseModel] | None = model
    for step in location:
        if found is None or isinstance(step, int):
            continue
        field = found.model_fields.get(step)
        found = next(models_in(field.annotation), None) if field else None
    return found
