"""Tasks of the benchmarks: what is measured, on which cases. The harness brings workers, tables and cards."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from pydantic import BaseModel

#: What a measurement may say of a case.
Value = float | int | bool | str | tuple[float, ...] | None


class Case(Protocol):
    """What is measured once under each spec."""

    @property
    def id(self) -> str:
        """Name, unique within a column."""

    @property
    def column(self) -> str:
        """What was done to it."""

    @property
    def bucket(self) -> str:
        """Label of its size."""

    @property
    def num_atoms(self) -> int:
        """Atoms in the primitive cell; 0 for what is no crystal."""


class Task(ABC):
    """One kind of measurement; built by the registry as ``Class()``."""

    #: what a spec of this task looks like; fields that hold components are named after their kind or annotated.
    spec_model: ClassVar[type[BaseModel]]
    #: options of the data.
    data_model: ClassVar[type[BaseModel]]
    #: name of the value that decides, and that ``bench compare`` compares by default; true is better, or more is.
    headline: ClassVar[str]
    #: names of the values on a card; the headline alone by default.
    card_values: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def cases(self, data: Any) -> Sequence[Case]:
        """What is measured, from a ``data_model``: cheap, and fit to be sent to a worker."""

    @abstractmethod
    def measure(self, case: Any, spec: Any) -> Any:
        """The row of a case under a ``spec_model``: a frozen dataclass of :data:`Value`; true flags are hits.

        An exception becomes the error of the case, which counts as a miss.
        """

    def patience(self, spec: Any) -> float:
        """Seconds after which a case is given up."""
        del spec
        return 600.0

    def absent(self, spec: Any) -> str:
        """What the ``spec`` needs and this machine lacks, and how to get it; empty if it can run."""
        del spec
        return ""

    def selection(self, data: Any) -> str:
        """How the cases were chosen, in a sentence that stands on the card; empty if there is nothing to know."""
        del data
        return ""

    def weights(self, data: Any) -> Mapping[str, float]:
        """Of the size buckets in the whole split; empty without them."""
        del data
        return {}
