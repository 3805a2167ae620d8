"""A deep set of peaks, as a plugin of pxrdgen."""

from __future__ import annotations

from collections.abc import Iterable

from pxrdgen.plugins import ComponentKind, ComponentRecord, hookimpl


@hookimpl
def pxrdgen_components() -> Iterable[ComponentRecord]:
    """What this plugin offers; nothing heavy is imported here."""
    return [
        ComponentRecord(
            kind=ComponentKind.ENCODER,
            name="my-encoder",
            target="pxrdgen_my_encoder.component:MyEncoder",
            options="pxrdgen_my_encoder.options:MyEncoderOptions",
            interface_version=2,
            summary="a deep set of peaks",
        )
    ]
