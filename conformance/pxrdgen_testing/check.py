"""A check: one thing that every component of a kind owes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel

from pxrdgen.errors import ConformanceError, PxrdgenError
from pxrdgen.plugins.loading import Component


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The component under test: where it comes from, and how to make one.

    ``build()`` gives a fresh instance, so that one check's state cannot help another.
    """

    component: Component
    options: type[BaseModel]
    build: Callable[[], Any]


T = TypeVar("T")

#: Raises :class:`~pxrdgen.errors.ConformanceError` when the subject does not do what the check's name says.
Check = Callable[[Subject], None]


def expect(condition: object, message: str) -> None:
    """Raise ConformanceError with ``message`` (got, expected, what to do) unless ``condition`` holds."""
    if not condition:
        raise ConformanceError(message)


def expect_instance(value: object, wanted: type[T]) -> T:
    """``value``, once it is a ``wanted``."""
    if not isinstance(value, wanted):
        raise ConformanceError(f"got a {type(value).__name__}, expected a {wanted.__name__}")
    return value


def titled(check: Check) -> str:
    """The check's name as a sentence: the function's name with spaces."""
    return check.__name__.replace("_", " ")


def run(check: Check, subject: Subject) -> None:
    """Run a check; anything but a ConformanceError that escapes the component is turned into one.

    Raises:
        ConformanceError: the component does not conform, with the check's title in front.
    """
    try:
        check(subject)
    except ConformanceError as error:
        raise ConformanceError(f"{titled(check)}: {error}") from error
    except PxrdgenError as error:
        raise ConformanceError(f"{titled(check)}: the component refuses: {error}") from error
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        raise ConformanceError(f"{titled(check)}: the component fails with {what}") from error
