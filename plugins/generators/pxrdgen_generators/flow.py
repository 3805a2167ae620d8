"""Flow matching of crystals: straight paths from coupled noise (Lipman et al. 2023, arXiv:2210.02747)."""

from __future__ import annotations

from pxrdgen.interfaces.encoder import PatternEncoder
from pxrdgen.interfaces.structure_encoder import StructureEncoder
from pxrdgen_generators.coupling import AssignmentCoupling, Coupling, NoCoupling, SymmetryAwareCoupling
from pxrdgen_generators.denoising_model import DenoisingModel
from pxrdgen_generators.options import FlowOptions
from pxrdgen_generators.paths import LinearPath
from pxrdgen_generators.samplers import EulerSampler, Sampler, StochasticSampler
from pxrdgen_learning.generative.paths import FlowPath


def flow_model(
    options: FlowOptions,
    denoiser: object,
    encoder: PatternEncoder | None = None,
    structure_encoder: StructureEncoder | None = None,
) -> DenoisingModel:
    """The flow that ``options`` describe, around a denoiser and perhaps an encoder."""
    couplings: dict[str, Coupling] = {
        "none": NoCoupling(),
        "assignment": AssignmentCoupling(),
        "symmetry": SymmetryAwareCoupling(),
    }
    samplers: dict[str, Sampler] = {
        "stochastic": StochasticSampler(),
        "euler": EulerSampler(anti_annealing=options.anti_annealing),
    }
    return DenoisingModel.compose(
        options,
        denoiser,
        encoder,
        structure_encoder,
        path=LinearPath(coupling=couplings[options.coupling]),
        cell_path=FlowPath(),
        sampler=samplers[options.sampler],
    )
