"""Rigaku ``.rasx``: a zip archive with one text profile a scan."""

from __future__ import annotations

import re
from typing import ClassVar

from pxrdgen.errors import PatternError
from pxrdgen_files.measurement import Recording
from pxrdgen_readers.conditions import condition_of
from pxrdgen_readers.file_reader import FileReader
from pxrdgen_readers.lines import doublet, tube_of
from pxrdgen_readers.rigaku import counting_time, rigaku_scan
from pxrdgen_readers.safe_xml import descendants, parse, text_of
from pxrdgen_readers.safe_zip import ZIP_MAGIC, Archive
from pxrdgen_readers.text import decode, number_in

_PROFILE = re.compile(r"(Data(\d{1,9}))/Profile\d+\.txt")


class RasxReader(FileReader):
    """SmartLab Studio II: ``Data<N>/Profile<N>.txt`` beside ``Data<N>/MesurementConditions<N>.xml`` (sic)."""

    suffixes: ClassVar[tuple[str, ...]] = (".rasx",)
    title: ClassVar[str] = "Rigaku rasx"

    def sniff(self, head: bytes, suffix: str) -> float:
        """A zip archive whose first members or suffix are Rigaku's."""
        if not head.startswith(ZIP_MAGIC):
            return 0.0
        if b"Data0/" in head:
            return 1.0
        return 0.9 if suffix in self.suffixes else 0.3

    def measurement(self, content: bytes) -> Recording:
        """All profiles in the order of their numbers."""
        archive = Archive(content)
        members = sorted(
            (int(found.group(2)), found.group(1), name)
            for name in archive.names
            if (found := _PROFILE.fullmatch(name)) is not None
        )
        if not members:
            raise PatternError(
                "got a zip archive without Data0/Profile0.txt, expected a Rigaku measurement; is it one?"
            )
        scans, notes = [], []
        header: dict[str, str] = {}
        for _, folder, name in members[:200]:
            header = _conditions(archive, folder)
            seconds = counting_time(header.get("Step", ""), header.get("Speed", ""), header.get("SpeedUnit", ""))
            held = [(key, number_in(value)) for key, value in header.items()]
            rows = [line for line in decode(archive.read(name)).splitlines() if line.strip()]
            scan, said = rigaku_scan(rows, header.get("AxisName", ""), seconds, condition_of(held))
            scans.append(scan)
            notes += said
        if len(members) > 200:
            notes.append(f"only the first 200 of {len(members)} scans were read")
        ka1, ka2 = (number_in(header.get(f"WavelengthKalpha{line}")) for line in (1, 2))
        anode = header.get("TargetName", "")
        return Recording(
            scans=scans,
            radiation=doublet(ka1, ka2) or tube_of(anode),
            metadata={"sample": header.get("SampleName", ""), "anode": anode},
            notes=tuple(dict.fromkeys(notes)),
        )


def _conditions(archive: Archive, folder: str) -> dict[str, str]:
    """Leaf texts of the conditions by name, those of ``ScanInformation`` first; empty when there is no such member."""
    wanted = re.compile(rf"(?i){folder}/[^/]*conditions\d*\.xml")
    name = next((name for name in archive.names if wanted.fullmatch(name)), None)
    if name is None:
        return {}
    root = parse(archive.read(name), name)
    found: dict[str, str] = {}
    for axis in descendants(root, "Axis"):
        found.setdefault(axis.get("Name") or "", axis.get("Position") or "")
    for source in (*descendants(root, "ScanInformation"), root):
        for element in source.iter():
            text = text_of(element)
            if text and isinstance(element.tag, str):
                found.setdefault(element.tag.rpartition("}")[2], text)
    return found
