"""Benchmarks: datasets, metrics, suites, tables."""

from __future__ import annotations

from collections.abc import Iterable

from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.plugins.components import ComponentRecord
from pxrdgen.plugins.hookspecs import hookimpl

_TASKS = (
    ("solve", "solving:Solving", "the solve loop: formula, Z, cell and pattern given"),
    ("measured", "measuring:Measuring", "measured patterns: formula, Z and reference cell given"),
    ("challenging", "challenging:Challenging", "light atoms, neighbouring elements, overlapping peaks"),
    ("robustness", "robustness:Robustness", "the solve loop with one thing wrong at a time"),
    ("sampling", "sampling:Sampling", "raw samples of a generator, cell given or not, one and any of n"),
    ("ranking", "ranking:Ranking", "what each step of the solve loop adds"),
    ("refinement", "refining:Refining", "refiners: RMSE before and after, who comes home"),
    ("cells", "cells:Cells", "cells: error, exact hits and match against the number proposed"),
    ("retrieval", "retrieving:Retrieving", "encoders: a pattern's own crystal among others"),
    ("indexing", "indexing:Indexing", "how often the exact cell is found from the pattern, by crystal system"),
    ("space_groups", "space_groups:SpaceGroups", "where the true extinction symbol and group rank, cell known"),
    ("fox", "beside_fox:BesideFox", "the program Fox beside the solve loop, equal time"),
    ("speed", "timing:Timing", "CPU milliseconds of each step of a solution, by size, and its memory"),
    ("simulation", "simulating:Simulating", "milliseconds a simulated pattern beside pymatgen, memory of a batch"),
    ("generator_speed", "proposing:Proposing", "candidates a second of learned generators"),
    ("training_speed", "training_speed:TrainingSpeed", "crystals a second in training beside the published network"),
    ("overfit", "overfitting:Overfitting", "does a generator learn a few crystals by heart"),
    ("least_squares", "fitting:Fitting", "milliseconds a candidate of batched least squares beside scipy"),
)


@hookimpl
def pxrdgen_components() -> Iterable[ComponentRecord]:
    """The command group, and a record for each task."""
    commands = ComponentRecord(
        kind=ComponentKind.COMMANDS,
        name="bench",
        target="pxrdgen_benchmarks.bench:app",
        interface_version=2,
        summary="Measure and compare: suites, ablations, tables.",
    )
    return (
        commands,
        *(
            ComponentRecord(
                kind=ComponentKind.TASK,
                name=name,
                target=f"pxrdgen_benchmarks.tasks.{target}",
                interface_version=2,
                summary=summary,
            )
            for name, target, summary in _TASKS
        ),
    )
