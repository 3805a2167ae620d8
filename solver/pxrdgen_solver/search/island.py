"""An island of the search: reads its task from standard input, searches until that closes, answers with news."""

from __future__ import annotations

import os
import sys
import threading
import warnings


def main() -> None:
    """Search stretch by stretch, telling the best score after each round and what was found after each stretch."""
    import torch

    from pxrdgen_solver.search.islands import News, receive, send
    from pxrdgen_solver.search.searches import Searches, Task

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    # whatever a library prints must not mix with the answers
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    task: Task | None = receive(sys.stdin.buffer)
    if task is None:
        return
    closed = threading.Event()
    descriptor = sys.stdin.fileno()

    def wait_for_the_end() -> None:
        # below Python's buffer, whose lock a thread must not hold when the interpreter ends
        while os.read(descriptor, 1024):
            continue
        closed.set()

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    searches = Searches(task)
    for number, stretch in enumerate(task.stretches()):
        searches.run(stretch, lambda _, score: send(answers, News(best_score=score)), closed.is_set)
        send(answers, News(stretch=number, found=tuple(searches.found())))
        if closed.is_set():
            break


if __name__ == "__main__":
    main()
