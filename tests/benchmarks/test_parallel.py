"""Workers of joblib and of a dask cluster: every item once, deaths survived."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from pxrdgen_benchmarks.parallel import LOCAL_DASK, Workers, unordered

SCRIPT = """
    import os, sys, time
    from pxrdgen_benchmarks.parallel import Workers, unordered

    def square(number):
        return number * number

    def deadly(number):
        if number == 3:
            os._exit(9)
        return number * number

    def slow(number):
        open(f"begun{{number}}", "w").close()
        time.sleep(120)

    if __name__ == "__main__":
        workers = Workers(count={count}, dask={dask!r})
        for done in unordered({work}, list(range({items})), workers):
            print("done", done.item, done.result, flush=True)
        print("end", flush=True)
"""


def run(folder: Path, work: str, *, count: int, items: int, dask: str = "") -> dict[int, str]:
    script = folder / "run.py"
    script.write_text(textwrap.dedent(SCRIPT.format(count=count, dask=dask, work=work, items=items)))
    command = [sys.executable, str(script)]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True, cwd=folder)
    lines = [line.split() for line in finished.stdout.splitlines()]
    assert lines[-1] == ["end"]
    results = {int(line[1]): line[2] for line in lines if line[0] == "done"}
    assert len(results) == len(lines) - 1
    return results


def test_in_this_process() -> None:
    done = list(unordered(lambda number: number + os.getpid(), [1, 2], Workers(count=0)))
    assert [entry.result for entry in done] == [1 + os.getpid(), 2 + os.getpid()]


def test_in_workers(tmp_path: Path) -> None:
    pytest.importorskip("joblib")
    assert run(tmp_path, "square", count=2, items=9) == {number: str(number**2) for number in range(9)}


def test_a_worker_that_dies_costs_its_item_only(tmp_path: Path) -> None:
    pytest.importorskip("joblib")
    expected = {number: str(number**2) for number in range(7)} | {3: "None"}
    assert run(tmp_path, "deadly", count=2, items=7) == expected


def test_in_a_dask_cluster_on_this_machine(tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="needs dask[distributed]")
    # dask sends functions of a script by value, as it would to another machine
    found = run(tmp_path, "square", count=2, items=9, dask=LOCAL_DASK)
    assert found == {number: str(number**2) for number in range(9)}


def test_workers_do_not_outlive_a_parent_that_is_killed(tmp_path: Path) -> None:
    pytest.importorskip("joblib")
    import signal
    import time

    script = tmp_path / "run.py"
    script.write_text(textwrap.dedent(SCRIPT.format(count=2, dask="", work="slow", items=4)))
    marker = f"PXRDGEN_TEST_{os.getpid()}"
    process = subprocess.Popen([sys.executable, str(script)], env={**os.environ, marker: "1"}, cwd=tmp_path)
    deadline = time.monotonic() + 60
    # a worker watches its parent before it begins an item
    while len(list(tmp_path.glob("begun*"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.2)
    before = marked(marker)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert len(before) >= 3  # the parent, and two workers
    deadline = time.monotonic() + 30
    while marked(marker) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert marked(marker) == []


def marked(name: str) -> list[int]:
    """Living processes with a variable of this name in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"{name}=".encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found
