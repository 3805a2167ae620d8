"""What the solve loop is made of, built from a spec."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.interfaces.refiner import Refiner
from pxrdgen.interfaces.structure_generator import StructureGenerator
from pxrdgen.plugins.registry import Registry
from pxrdgen.plugins.resolution import with_encoder
from pxrdgen.specs.component import labelled
from pxrdgen.specs.pipeline import PipelineSpec


@dataclass(frozen=True, kw_only=True)
class Components:
    """Generators by the label that their candidates are stamped with, and the refiner."""

    generators: Mapping[str, StructureGenerator]
    refiner: Refiner


def build_components(spec: PipelineSpec, registry: Registry) -> Components:
    """The generators and the refiner a spec names.

    Raises:
        As :meth:`~pxrdgen.plugins.registry.Registry.build`.
    """
    return Components(
        generators={
            label: registry.build(ComponentKind.GENERATOR, part)
            for label, part in labelled(with_encoder(spec, registry).generators)
        },
        refiner=registry.build(ComponentKind.REFINER, spec.refiner),
    )
