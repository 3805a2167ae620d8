"""Files no reader takes, told by how they begin: what they seem to be, and what to export instead."""

from __future__ import annotations

import re

_EXPORT = "export two columns, 2theta and intensity (.xy)"
#: beginning of the file, what it is, what to do
_BEGINNINGS = (
    (rb"RAW_1", "a STOE raw file", "export it in WinXPOW as .xy or as a powder CIF"),
    (
        rb"FI\0|\0{4}RIGAKU|RIGAKU",
        "a Rigaku binary raw file",
        "save it again as .ras or .rasx, or export it as .asc or .xy",
    ),
    (rb"V[35]RD", "a Philips .rd file", "convert it to .udf or .xrdml, or export it as .xy"),
    (
        rb"\x89HDF\r\n",
        "an HDF5 or NeXus file",
        "integrate it and export 2theta and intensity, or Q with its unit, as columns",
    ),
    (
        rb"II\*\0|MM\0\*",
        "a TIFF image",
        "integrate it (pyFAI, Dioptas, GSAS-II) and export 2theta and intensity as columns",
    ),
    (rb"\x89PNG|\xff\xd8\xff|GIF8|BM", "a picture", "a plot cannot be read: export the numbers behind it as columns"),
    (rb"%PDF", "a PDF document", "export the numbers behind it as columns"),
    (rb"\xd0\xcf\x11\xe0", "an old Office document (.xls)", "save the sheet as .csv"),
    (rb"PK\x03\x04[\s\S]*?(?:xl/|\[Content_Types\])", "an Excel workbook", "save the sheet as .csv"),
    (rb"PK\x03\x04[\s\S]{0,40}mimetypeapplication/vnd", "an OpenDocument sheet", "save the sheet as .csv"),
    (rb"\x1f\x8b|BZh|7z\xbc\xaf|\xfd7zXZ|Rar!", "a compressed file", "unpack it first"),
    (
        rb"###CBF|\{\s*\n?(?:EDF|Header|HeaderID)",
        "a detector image",
        "integrate it and export 2theta and intensity as columns",
    ),
    (rb"<!DOCTYPE html|<html", "a web page", "download the file itself; this is the page about it"),
    (rb"SQLite format 3", "a database", _EXPORT),
)


def seems(head: bytes) -> str:
    """What a file that begins so seems to be, and what to do; nothing for a beginning that is not known."""
    for pattern, name, advice in _BEGINNINGS:
        if re.match(pattern, head, re.I):
            return f"seems to be {name}, expected one of the formats that pxrdgen plugins list names; {advice}"
    return ""
