"""Diffusion of crystals: coordinates by a wrapped normal, the cell at constant variance, after DiffCSP."""

from __future__ import annotations

from pxrdgen.interfaces.encoder import PatternEncoder
from pxrdgen.interfaces.structure_encoder import StructureEncoder
from pxrdgen_generators.denoising_model import DenoisingModel
from pxrdgen_generators.options import DiffusionOptions
from pxrdgen_generators.samplers import AncestralSampler, EulerSampler, Sampler, StochasticSampler
from pxrdgen_generators.wrapped_normal import WrappedNormalPath
from pxrdgen_learning.generative.paths import CosineDiffusionPath

#: of the published predictor-corrector sampler, see :class:`AncestralSampler`.
_CORRECTOR = 0.4


def diffusion_model(
    options: DiffusionOptions,
    denoiser: object,
    encoder: PatternEncoder | None = None,
    structure_encoder: StructureEncoder | None = None,
) -> DenoisingModel:
    """The diffusion that ``options`` describe, around a denoiser and perhaps an encoder."""
    samplers: dict[str, Sampler] = {
        "predictor-corrector": AncestralSampler(corrector=_CORRECTOR),
        "ancestral": AncestralSampler(),
        "stochastic": StochasticSampler(),
        "euler": EulerSampler(),
    }
    return DenoisingModel.compose(
        options,
        denoiser,
        encoder,
        structure_encoder,
        path=WrappedNormalPath(sigma_min=options.sigma_min, sigma_max=options.sigma_max),
        cell_path=CosineDiffusionPath(),
        sampler=samplers[options.sampler],
    )
