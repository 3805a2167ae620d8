"""Small problems on one thread: the matrices here are small, and threads would spend their time waiting for each other.

Preparing the PbSO4 example takes 1.5 CPU seconds on one thread of OpenBLAS and 4.2 on two.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_thread() -> Iterator[None]:
    """Linear algebra of numpy, scipy and (where it is loaded) torch on one thread in the block, or in the function.

    Use it as ``with one_thread():`` or as the decorator ``@one_thread()``.
    """
    import scipy.linalg  # noqa: F401  # brings its own library, which must be loaded to be limited
    from threadpoolctl import threadpool_limits

    torch = sys.modules.get("torch")
    before = None if torch is None else torch.get_num_threads()
    if torch is not None:
        torch.set_num_threads(1)
    try:
        with threadpool_limits(limits=1, user_api="blas"):
            yield
    finally:
        if torch is not None:
            torch.set_num_threads(before)
