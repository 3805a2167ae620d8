"""What every page of a report shares: the document, its header, the plot, the viewer's licence."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files

from pxrdgen_app.report.markup import escape, facts, formula_words_html


def asset(name: str) -> str:
    """The text of a file that is embedded in pages."""
    return files("pxrdgen_app.report").joinpath("assets", name).read_text(encoding="utf-8")


def page(title: str, body: str, scripts: Sequence[str]) -> str:
    """The whole document; exactly the given scripts may run, and nothing may be loaded."""
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts)
    allowed = hashes or "'none'"
    policy = f"default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; script-src {allowed}"
    embedded = "\n".join(f"<script>{script}</script>" for script in scripts)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)} – pxrdgen report</title>
<style>{asset("report.css")}</style>
</head>
<body>
{body}
{embedded}
</body>
</html>
"""


def header(title: str, pattern_facts: Mapping[str, str]) -> str:
    """Kicker, title and the facts about the measurement."""
    lines = facts(((name, escape(value)) for name, value in pattern_facts.items()), "pattern")
    return (
        '<header><p class="kicker">pxrdgen · crystal structure from powder diffraction</p>'
        f"<h1>{formula_words_html(title)}</h1>{lines}</header>"
    )


def plot_section(plot: bytes | None, what: str = "Best candidate. ") -> str:
    """The Rietveld plot with its legend; nothing without one."""
    if plot is None:
        return ""
    data = base64.b64encode(plot).decode()
    return (
        '<section><h2>Fit to the pattern</h2><figure class="plot">'
        f'<img alt="Rietveld plot: observed, calculated, background and difference" src="data:image/png;base64,{data}">'
        f"<figcaption>{what}Circles: observed; orange line: calculated; grey dashes: background; green bars: "
        "reflections of the first wavelength; blue line: observed minus calculated, on the same scale. Lower panel: "
        "the same on a square-root scale, which shows weak reflections.</figcaption></figure></section>"
    )


def viewer_licence() -> str:
    """What the embedded viewer asks for."""
    return (
        "<footer><details><summary>This page contains 3Dmol.js (BSD-3-Clause); its licence</summary>"
        f"<pre>{escape(asset('3Dmol-LICENSE.txt'))}</pre></details></footer>"
    )
