"""The sockets of the pipeline."""

from __future__ import annotations

from enum import StrEnum


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
    WEIGHTS = "weights"
    COMMANDS = "commands"
