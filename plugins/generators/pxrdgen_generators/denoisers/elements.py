"""The periodic table as numbers, so that rare elements borrow from their neighbours."""

from __future__ import annotations

import torch
from torch import Tensor

_NOBLE = (2, 10, 18, 36, 54, 86, 118)
#: period one-hot, group one-hot (f block apart), Z, log Z.
ELEMENT_FEATURES = 7 + 19 + 2


def element_features(count: int) -> Tensor:
    """[count, ELEMENT_FEATURES] by atomic number; row 0 and rows beyond the table are zero."""
    table = torch.zeros(count, ELEMENT_FEATURES)
    for number in range(1, min(count, 119)):
        period, group = _place(number)
        table[number, period - 1] = 1.0
        table[number, 7 + group] = 1.0
        table[number, -2] = number / 50.0
        table[number, -1] = torch.log(torch.tensor(float(number))) / 2.0
    return table


def _place(number: int) -> tuple[int, int]:
    """Period 1-7 and group 1-18; 0 stands for the f block."""
    period = next(index for index, last in enumerate(_NOBLE, start=1) if number <= last)
    start = 0 if period == 1 else _NOBLE[period - 2]
    column, length = number - start, _NOBLE[period - 1] - start
    from_right = length - column
    if column <= 2 and number != 2:
        return period, column
    if from_right < 16 - (length < 18) * 10 or length <= 8:
        return period, 18 - from_right
    return period, 0
