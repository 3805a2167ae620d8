"""The sockets of the pipeline, and the version of what fits them."""

from __future__ import annotations

from enum import StrEnum

#: Version of the interfaces; additions keep it, anything an old plugin cannot survive raises it.
INTERFACE_VERSION = 2


class ComponentKind(StrEnum):
    """The sockets of the pipeline; the word is what commands, specs and errors print."""

    ENCODER = "encoder"
    STRUCTURE_ENCODER = "structure-encoder"
    DENOISER = "denoiser"
    GENERATOR = "generator"
    CELL_PREDICTOR = "cell-predictor"
    CELL_SCORER = "cell-scorer"
    REFINER = "refiner"
    READER = "reader"
    TRACKER = "tracker"
    TASK = "task"
    WEIGHTS = "weights"
    COMMANDS = "commands"
