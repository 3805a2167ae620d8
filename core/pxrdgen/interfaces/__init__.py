"""What each kind of component must do, one file a kind. Plugins subclass these; core knows them by nothing else.

A component is built by the registry as ``Class(options)``, where ``options`` is an instance of the pydantic model
registered beside it. Importing this package loads no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pxrdgen.lazy import door

if TYPE_CHECKING:
    from pxrdgen.interfaces.cell_predictor import *  # noqa: F403
    from pxrdgen.interfaces.cell_scorer import *  # noqa: F403
    from pxrdgen.interfaces.denoiser import *  # noqa: F403
    from pxrdgen.interfaces.encoder import *  # noqa: F403
    from pxrdgen.interfaces.kinds import *  # noqa: F403
    from pxrdgen.interfaces.reader import *  # noqa: F403
    from pxrdgen.interfaces.refiner import *  # noqa: F403
    from pxrdgen.interfaces.structure_encoder import *  # noqa: F403
    from pxrdgen.interfaces.structure_generator import *  # noqa: F403
    from pxrdgen.interfaces.task import *  # noqa: F403
    from pxrdgen.interfaces.tracker import *  # noqa: F403
    from pxrdgen.interfaces.trainable import *  # noqa: F403
    from pxrdgen.interfaces.weights import *  # noqa: F403

__getattr__, _NAMES = door(
    __name__,
    {
        "pxrdgen.interfaces.cell_predictor": "CellPredictor",
        "pxrdgen.interfaces.cell_scorer": "CellScorer",
        "pxrdgen.interfaces.denoiser": "Denoiser Estimate",
        "pxrdgen.interfaces.encoder": "PatternEncoder",
        "pxrdgen.interfaces.kinds": "INTERFACE_VERSION ComponentKind",
        "pxrdgen.interfaces.reader": "PatternReader",
        "pxrdgen.interfaces.refiner": "Refiner",
        "pxrdgen.interfaces.structure_encoder": "StructureEncoder",
        "pxrdgen.interfaces.structure_generator": "GeneratorAbilities StructureGenerator",
        "pxrdgen.interfaces.task": "Case Task Value",
        "pxrdgen.interfaces.tracker": "TrackedRun Tracker",
        "pxrdgen.interfaces.trainable": "Feed FeedingComponent JointTrainable Preparing Trainable TrainableComponent",
        "pxrdgen.interfaces.weights": "Weights",
        "pxrdgen.version_1": "Generator",
    },
)
__all__ = [name for name in _NAMES if name != "Generator"]
