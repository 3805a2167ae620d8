"""Pattern encoders and structure encoders."""

from __future__ import annotations

from collections.abc import Iterable

from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.plugins.components import ComponentRecord
from pxrdgen.plugins.hookspecs import hookimpl
from pxrdgen_encoders.citations import NEQUIP
from pxrdgen_learning.citations import DIFFCSP


@hookimpl
def pxrdgen_components() -> Iterable[ComponentRecord]:
    """A record for each encoder."""
    return (
        ComponentRecord(
            kind=ComponentKind.ENCODER,
            name="peaks",
            target="pxrdgen_encoders.peaks:PeaksEncoder",
            options="pxrdgen_encoders.options:PeaksOptions",
            interface_version=2,
            summary="peak lists: a small transformer over peaks",
        ),
        ComponentRecord(
            kind=ComponentKind.ENCODER,
            name="cnn",
            target="pxrdgen_encoders.cnn:CnnEncoder",
            options="pxrdgen_encoders.options:CnnOptions",
            interface_version=2,
            summary="profiles: nine convolutions, as published",
        ),
        ComponentRecord(
            kind=ComponentKind.ENCODER,
            name="transformer",
            target="pxrdgen_encoders.transformer:TransformerEncoder",
            options="pxrdgen_encoders.options:TransformerOptions",
            interface_version=2,
            summary="profiles: a transformer over stretches of ten points, as published",
        ),
        ComponentRecord(
            kind=ComponentKind.STRUCTURE_ENCODER,
            name="cspnet",
            target="pxrdgen_encoders.cspnet:CspNetEncoder",
            options="pxrdgen_encoders.options:CspNetOptions",
            interface_version=2,
            summary="crystals: messages between all atoms along fractional differences",
            provisional=True,
            citations=(DIFFCSP,),
        ),
        ComponentRecord(
            kind=ComponentKind.STRUCTURE_ENCODER,
            name="e3nn",
            target="pxrdgen_encoders.e3nn_encoder:E3nnEncoder",
            options="pxrdgen_encoders.options:E3nnOptions",
            interface_version=2,
            summary="crystals: tensor products over spherical harmonics (extra 'e3nn')",
            provisional=True,
            citations=(NEQUIP,),
        ),
    )
