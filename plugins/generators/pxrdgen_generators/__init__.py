"""Generators of candidate structures."""

from __future__ import annotations

from collections.abc import Iterable

from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.plugins.components import ComponentRecord
from pxrdgen.plugins.hookspecs import hookimpl
from pxrdgen_generators.citations import CHARGE_FLIPPING, FLOWMATCHING, FLOWMM, FOX
from pxrdgen_learning.citations import DIFFCSP


@hookimpl
def pxrdgen_components() -> Iterable[ComponentRecord]:
    """A record for each generator."""
    return (
        ComponentRecord(
            kind=ComponentKind.GENERATOR,
            name="direct_space",
            target="pxrdgen_generators.direct_space:DirectSpace",
            options="pxrdgen_generators.options:DirectSpaceOptions",
            interface_version=2,
            summary="random and random-symmetric starts and kicks, no learning",
            citations=(FOX,),
        ),
        ComponentRecord(
            kind=ComponentKind.GENERATOR,
            name="dual_space",
            target="pxrdgen_generators.dual_space.generator:DualSpace",
            options="pxrdgen_generators.dual_space.options:DualSpaceOptions",
            interface_version=2,
            summary="phases by charge flipping, atoms from their maps: cells of 12 to 150 atoms",
            citations=(CHARGE_FLIPPING,),
        ),
        ComponentRecord(
            kind=ComponentKind.GENERATOR,
            name="wyckoff",
            target="pxrdgen_generators.wyckoff.generator:Wyckoff",
            options="pxrdgen_generators.options:WyckoffOptions",
            interface_version=2,
            summary="space groups, atoms on Wyckoff positions, fitted within their symmetry",
            citations=(FOX,),
        ),
        ComponentRecord(
            kind=ComponentKind.GENERATOR,
            name="flow",
            target="pxrdgen_generators.flow_generator:FlowGenerator",
            options="pxrdgen_generators.options:FlowOptions",
            interface_version=2,
            summary="a learned flow from noise to structures, told the pattern",
            citations=(FLOWMATCHING, FLOWMM),
            weights="flow",
        ),
        ComponentRecord(
            kind=ComponentKind.GENERATOR,
            name="diffusion",
            target="pxrdgen_generators.diffusion_generator:DiffusionGenerator",
            options="pxrdgen_generators.options:DiffusionOptions",
            interface_version=2,
            summary="a learned diffusion from noise to structures, told the pattern",
            citations=(DIFFCSP,),
            weights="diffusion",
        ),
        ComponentRecord(
            kind=ComponentKind.DENOISER,
            name="attention",
            target="pxrdgen_generators.denoisers.attention:AttentionDenoiser",
            options="pxrdgen_generators.options:AttentionOptions",
            interface_version=2,
            summary="a transformer over atoms that looks at the peaks and the Patterson function",
            provisional=True,
        ),
        ComponentRecord(
            kind=ComponentKind.DENOISER,
            name="cspnet",
            target="pxrdgen_generators.denoisers.cspnet:CspNetDenoiser",
            options="pxrdgen_generators.options:CspNetOptions",
            interface_version=2,
            summary="messages between all atoms along fractional differences, as published",
            provisional=True,
            citations=(DIFFCSP,),
        ),
    )
