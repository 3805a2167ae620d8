"""Several starts at a time: failures stay alone, order is kept, processes are counted."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

import pytest
from tests.known_crystals import lopsided

from pxrdgen.values.refinement import RefinementStart
from pxrdgen_gsas2.client import Answer
from pxrdgen_gsas2.failures import FailureKind, Gsas2Error
from pxrdgen_gsas2.options import Gsas2Options, Gsas2WorkerOptions
from pxrdgen_gsas2.refiner import Gsas2Refiner
from pxrdgen_testing.samples import rutile

from .stand_in import StandIn, corundum, flat, symmetric


@pytest.mark.parametrize("workers", [1, 3])
def test_one_failure_leaves_the_others_alone_and_in_order(workers: int) -> None:
    good = StandIn()

    def sometimes(verb: str, request: Mapping[str, Any], options: Gsas2WorkerOptions) -> Answer:
        if not request["phase"]["centrosymmetric"]:
            raise Gsas2Error(FailureKind.CRASHED, "signal SIGSEGV")
        return good(verb, request, options)

    starts = [symmetric(rutile())[1], RefinementStart(crystal=lopsided()), symmetric(corundum())[1]]
    results = Gsas2Refiner(Gsas2Options(workers=workers), call=sometimes).refine(flat(), starts)
    assert [result.crystal.name for result in results] == ["rutile", "lopsided", "corundum"]
    assert [result.converged for result in results] == [True, False, True]
    assert "SIGSEGV" in results[1].message
    assert "trying again may help" in results[1].message
    assert results[1].r_wp == float("inf")
    assert results[1].crystal.species.tolist() == [8, 8, 14, 26]


def test_a_missing_gsas2_is_asked_for_once() -> None:
    calls = []

    def missing(verb: str, request: Mapping[str, Any], options: Gsas2WorkerOptions) -> Answer:
        calls.append(verb)
        raise Gsas2Error(FailureKind.NOT_INSTALLED, "no package GSASII")

    refiner, start = Gsas2Refiner(call=missing), symmetric(rutile())[1]
    results = [*refiner.refine(flat(), [start, start]), *refiner.refine(flat(), [start])]
    assert len(calls) == 1
    assert all("GSAS-II is missing" in result.message and not result.converged for result in results)


def test_at_most_so_many_processes_run_at_a_time() -> None:
    good, running, most, lock, pair = StandIn(), [0], [0], threading.Lock(), threading.Event()

    def slow(verb: str, request: Mapping[str, Any], options: Gsas2WorkerOptions) -> Answer:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
            if running[0] == 2:
                pair.set()
        pair.wait(20.0)
        time.sleep(0.05)  # for a third, were there one
        with lock:
            running[0] -= 1
        return good(verb, request, options)

    starts = [symmetric(rutile())[1]] * 6
    Gsas2Refiner(Gsas2Options(workers=2), call=slow).refine(flat(), starts)
    assert most[0] == 2
