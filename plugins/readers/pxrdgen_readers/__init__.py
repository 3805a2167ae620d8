"""Readers of powder pattern files, registered as any stranger's would be."""

from __future__ import annotations

from collections.abc import Iterable

from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.plugins.components import ComponentRecord
from pxrdgen.plugins.hookspecs import hookimpl
from pxrdgen_readers.options import ColumnsOptions, ReaderOptions

_READERS = (
    ("brml", "brml:BrmlReader", "Bruker DIFFRAC.MEASUREMENT archive (.brml)"),
    ("bruker-raw", "bruker_raw:BrukerRawReader", "Bruker binary, RAW1, RAW2, RAW1.01 and RAW4.00 (.raw)"),
    ("columns", "columns:ColumnsReader", "columns of text (.xy .xye .csv .dat .txt), any delimiter"),
    ("gsas", "gsas:GsasReader", "GSAS banks over 2theta (.fxye .gsas .gsa .raw)"),
    ("pdcif", "pdcif:PdcifReader", "powder CIF (.cif)"),
    ("ras", "ras:RasReader", "Rigaku text (.ras)"),
    ("rasx", "rasx:RasxReader", "Rigaku SmartLab Studio II archive (.rasx)"),
    ("step-text", "step_text:StepTextReader", "Rigaku .asc, Philips .udf, Sietronics .cpi and Jade .mdi text"),
    ("uxd", "uxd:UxdReader", "Bruker / Siemens text (.uxd)"),
    ("xrdml", "xrdml:XrdmlReader", "PANalytical / Malvern XML (.xrdml)"),
)


@hookimpl
def pxrdgen_components() -> Iterable[ComponentRecord]:
    """A record for each reader."""
    return [
        ComponentRecord(
            kind=ComponentKind.READER,
            name=name,
            target=f"pxrdgen_readers.{target}",
            options=ColumnsOptions if name == "columns" else ReaderOptions,
            interface_version=2,
            summary=summary,
        )
        for name, target, summary in _READERS
    ]
