"""Where a command prints its tables: the terminal at its width, a file or a pipe at one that suits them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def output_console(width: int) -> Console:
    """A console on stdout; ``width`` columns where the width is nobody's."""
    from rich.console import Console

    console = Console(file=sys.stdout)
    return console if console.is_terminal else Console(file=sys.stdout, width=width)
