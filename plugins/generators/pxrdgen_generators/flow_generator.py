"""The learned flow as a component."""

from __future__ import annotations

from typing import ClassVar

from pxrdgen.interfaces.encoder import PatternEncoder
from pxrdgen.interfaces.structure_encoder import StructureEncoder
from pxrdgen_generators.denoising_generator import DenoisingGenerator
from pxrdgen_generators.denoising_model import DenoisingModel
from pxrdgen_generators.flow import flow_model
from pxrdgen_generators.options import FlowOptions


class FlowGenerator(DenoisingGenerator[FlowOptions]):
    """Proposes arrangements with a trained flow; see :class:`DenoisingGenerator`."""

    name: ClassVar[str] = "flow"

    @classmethod
    def trainable(
        cls,
        options: FlowOptions,
        *,
        denoiser: object,
        encoder: PatternEncoder | None = None,
        structure_encoder: StructureEncoder | None = None,
    ) -> DenoisingModel:
        """An untrained flow, for the training loop."""
        return flow_model(options, denoiser, encoder, structure_encoder)
