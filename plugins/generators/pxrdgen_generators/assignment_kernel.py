"""Assignment problems of up to some hundred atoms on a GPU, one program each, in Triton (which comes with torch there).

Shortest augmenting paths with dual variables of the columns (Jonker & Volgenant 1987, doi:10.1007/BF02278710; Crouse
2016, doi:10.1109/TAES.2016.140952). The dual of a row is never stored: where row i holds column j it is c_ij - v_j.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor


def assign_on_device(costs: Tensor) -> Tensor:
    """[M, n] column for each row, of least total cost, from finite ``costs`` [M, n, n]."""
    problems, size = costs.shape[:2]
    columns = torch.zeros(problems, size, dtype=torch.int64, device=costs.device)
    if problems:
        block = max(16, triton.next_power_of_2(size))
        _solve[(problems,)](costs.float().contiguous(), columns, size, BLOCK=block, num_warps=1)
    return columns


@triton.jit
def _solve(costs, columns, size, BLOCK: tl.constexpr):
    infinite = float("inf")
    column = tl.arange(0, BLOCK)
    exists = column < size
    matrix = costs + tl.program_id(0).to(tl.int64) * size * size
    dual = tl.zeros([BLOCK], dtype=tl.float32)
    row_of = tl.full([BLOCK], -1, dtype=tl.int32)
    for first in range(size):
        shortest = tl.full([BLOCK], infinite, dtype=tl.float32)
        before = tl.full([BLOCK], -1, dtype=tl.int32)
        visited = tl.zeros([BLOCK], dtype=tl.int32)
        reached, row, row_dual, sink, looks = 0.0, first, 0.0, -1, 0
        while (sink < 0) & (looks < size):  # the second condition ends what a cost that is no number would make endless
            looks += 1
            cost = tl.load(matrix + row * size + column, mask=exists, other=infinite)
            length = reached + cost - row_dual - dual
            shorter = (visited == 0) & (length < shortest)
            before = tl.where(shorter, row, before)
            shortest = tl.where(shorter, length, shortest)
            open_lengths = tl.where(visited == 0, shortest, infinite)
            reached = tl.min(open_lengths, axis=0)
            nearest = tl.min(tl.where((open_lengths == reached) & exists & (visited == 0), column, BLOCK), axis=0)
            here = column == nearest
            visited = tl.where(here, 1, visited)
            holder = tl.sum(tl.where(here, row_of, 0), axis=0)
            if holder < 0:
                sink = nearest
            else:
                row = holder
                held = tl.load(matrix + row * size + nearest, mask=nearest < size, other=0.0)
                row_dual = held - tl.sum(tl.where(here, dual, 0.0), axis=0)
        dual = tl.where(visited == 1, dual - (reached - shortest), dual)
        while sink >= 0:
            row = tl.sum(tl.where(column == sink, before, 0), axis=0)
            left = (row_of == row) & (column != sink)
            row_of = tl.where(column == sink, row, row_of)
            sink = tl.max(tl.where(left & (row != first), column, -1), axis=0)
    tl.store(columns + tl.program_id(0).to(tl.int64) * size + row_of, column.to(tl.int64), mask=exists & (row_of >= 0))
