"""How long a search goes on: seconds of a clock, or a counted number of rounds that repeats exactly."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

#: rounds of a search that seconds pace, at most.
MOST_ROUNDS = 400
#: shares of the budget after which the best so far is refined; where that is called solved, the search ends. Costly
#: generators join after the first.
LOOKS = (0.2, 0.5, 1.0)


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """A search from one look to the next.

    Args:
        rounds: done in all when it ends, at most.
        seconds: searched in all when it ends; ``None`` for no limit.
        costly: whether generators whose proposals are dear are asked too.
        last: whether nothing comes after it.
    """

    rounds: int = MOST_ROUNDS
    seconds: float | None = None
    costly: bool = True
    last: bool = True


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Of one alternative.

    Args:
        seconds: of searching, by the clock; ``None`` where rounds are counted.
        rounds: at most; where ``seconds`` is ``None`` exactly these, unless nothing is left to look for.
        clock: seconds that count: wall time, or ``time.process_time`` on a machine shared with others.
    """

    seconds: float | None = None
    rounds: int = MOST_ROUNDS
    clock: Callable[[], float] = time.monotonic

    @property
    def counted(self) -> bool:
        """Whether the same seed gives the same answer on any machine at any load."""
        return self.seconds is None

    def stretches(self, *, looks: bool = True) -> tuple[Stretch, ...]:
        """The whole budget, in parts with a look after each, or in one."""
        return tuple(
            Stretch(
                rounds=max(round(share * self.rounds), 1) if self.counted else self.rounds,
                seconds=None if self.seconds is None else share * self.seconds,
                costly=share > LOOKS[0],
                last=share == LOOKS[-1],
            )
            for share in (LOOKS if looks else LOOKS[-1:])
        )
