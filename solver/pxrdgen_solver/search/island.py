"""An island of the search: reads its task from standard input, searches until that closes, answers with news."""

from __future__ import annotations

import os
import sys
import threading
import warnings


def main() -> None:
    """Search, telling the best score after each round and everything at the end."""
    import torch

    from pxrdgen_solver.search.islands import News, Task, receive, send
    from pxrdgen_solver.search.search import Search

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
    rng = torch.Generator().manual_seed(task.seed)
    search = Search(task.problem, task.target, task.generators, task.settings, rng)
    pool = search.run(lambda _, score: send(answers, News(best_score=score)), stop=closed.is_set)
    send(answers, News(best_score=pool.best_score, pool=pool, trials=search.trials()))


if __name__ == "__main__":
    main()
