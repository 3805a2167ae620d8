"""Formulas that know both kinds of array: operators serve numpy and torch alike, functions are asked for here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

Array = TypeVar("Array", NDArray[np.float64], "Tensor")


def functions_of(array: Array) -> Any:
    """The module with the elementary functions of an array, numpy or torch, which name them alike.

    The names are those of the Python array API standard 2023.12; torch is loaded by whoever made the tensor.
    """
    if isinstance(array, np.ndarray | np.generic):
        return np
    import torch

    return torch
