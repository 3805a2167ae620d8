"""What each kind of component must do, one file a kind. Plugins subclass these; core knows them by nothing else.

A component is built by the registry as ``Class(options)``, where ``options`` is an instance of the pydantic model
registered beside it. Importing this package loads no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pxrdgen.interfaces.cell_predictor import CellPredictor
from pxrdgen.interfaces.cell_scorer import CellScorer
from pxrdgen.interfaces.denoiser import Denoiser, Estimate
from pxrdgen.interfaces.encoder import PatternEncoder
from pxrdgen.interfaces.kinds import INTERFACE_VERSION, ComponentKind
from pxrdgen.interfaces.reader import PatternReader
from pxrdgen.interfaces.refiner import Refiner
from pxrdgen.interfaces.structure_encoder import StructureEncoder
from pxrdgen.interfaces.structure_generator import GeneratorAbilities, StructureGenerator
from pxrdgen.interfaces.task import Case, Task, Value
from pxrdgen.interfaces.tracker import TrackedRun, Tracker
from pxrdgen.interfaces.trainable import (
    Feed,
    FeedingComponent,
    JointTrainable,
    Preparing,
    Trainable,
    TrainableComponent,
)
from pxrdgen.interfaces.weights import Weights
from pxrdgen.lazy import door

__all__ = [
    "INTERFACE_VERSION",
    "Case",
    "CellPredictor",
    "CellScorer",
    "ComponentKind",
    "Denoiser",
    "Estimate",
    "Feed",
    "FeedingComponent",
    "GeneratorAbilities",
    "JointTrainable",
    "PatternEncoder",
    "PatternReader",
    "Preparing",
    "Refiner",
    "StructureEncoder",
    "StructureGenerator",
    "Task",
    "TrackedRun",
    "Tracker",
    "Trainable",
    "TrainableComponent",
    "Value",
    "Weights",
]

if not TYPE_CHECKING:
    __getattr__ = door(__name__, {"Generator": "pxrdgen.version_1"})
