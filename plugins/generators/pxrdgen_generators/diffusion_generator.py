"""The learned diffusion as a component."""

from __future__ import annotations

from typing import ClassVar

from pxrdgen.interfaces.encoder import PatternEncoder
from pxrdgen.interfaces.structure_encoder import StructureEncoder
from pxrdgen_generators.denoising_generator import DenoisingGenerator
from pxrdgen_generators.denoising_model import DenoisingModel
from pxrdgen_generators.diffusion import diffusion_model
from pxrdgen_generators.options import DiffusionOptions


class DiffusionGenerator(DenoisingGenerator[DiffusionOptions]):
    """Proposes arrangements with a trained diffusion; see :class:`DenoisingGenerator`."""

    name: ClassVar[str] = "diffusion"

    @classmethod
    def trainable(
        cls,
        options: DiffusionOptions,
        *,
        denoiser: object,
        encoder: PatternEncoder | None = None,
        structure_encoder: StructureEncoder | None = None,
    ) -> DenoisingModel:
        """An untrained diffusion, for the training loop."""
        return diffusion_model(options, denoiser, encoder, structure_encoder)
