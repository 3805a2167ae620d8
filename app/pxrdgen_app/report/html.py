"""``report.html``: one self-contained page about a solution. It loads nothing and can be mailed.

A content security policy allows exactly the two embedded scripts, by their hashes, and no network at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from pxrdgen.values.solution import Candidate, Solution, Verdict
from pxrdgen_app.report.formula import short_symbol
from pxrdgen_app.report.groups import EXPLANATION, HEAD, searched, summary, trial_rows
from pxrdgen_app.report.json import plain
from pxrdgen_app.report.markup import bullets, citation_html, escape, facts, formula_html, row, space_group_html, table
from pxrdgen_app.report.numbers import fixed, percent
from pxrdgen_app.report.page import asset, header, page, plot_section, viewer_licence
from pxrdgen_app.report.references import reference_text
from pxrdgen_app.report.scene import scene
from pxrdgen_app.report.sites import Site, sites
from pxrdgen_app.report.structure_html import structure_html
from pxrdgen_app.report.wording import FALLBACK_ADVICE, headline, meaning, measures

#: space groups that are listed.
_GROUPS = 12

_CLASSES = {Verdict.SOLVED: "solved", Verdict.PROBABLE: "probable", Verdict.NOT_SOLVED: "unsolved"}
_MARKS = {Verdict.SOLVED: "\N{CHECK MARK}", Verdict.PROBABLE: "?", Verdict.NOT_SOLVED: "\N{MULTIPLICATION SIGN}"}


def report_html(
    solution: Solution,
    *,
    title: str,
    pattern_facts: Mapping[str, str] | None = None,
    plot: bytes | None = None,
    citations: Sequence[str] | None = None,
) -> str:
    """The page as text.

    Args:
        solution: what to report; may hold no candidate.
        title: heading, usually the formula as the user typed it.
        pattern_facts: lines about the measurement (file, radiation, range ...).
        plot: the Rietveld plot of the best candidate as PNG (see ``rietveld_png``); left out when ``None``.
        citations: works to cite, as keys of ``pxrdgen cite`` or as text; by default those under ``citations`` in the
            provenance.
    """
    tables = [sites(candidate) for candidate in solution.candidates]
    middle = (
        structure_section(solution.candidates, tables),
        plot_section(plot),
        _ranking(solution.candidates),
        _searched_groups(solution),
    )
    body = [
        header(title, pattern_facts or {}),
        "<main>",
        _verdict(solution),
        *((_notes(solution), *middle) if solution.verdict is Verdict.NOT_SOLVED else (*middle, _notes(solution))),
        provenance_section(solution.provenance, citations),
        "</main>",
    ]
    scripts = [asset("3Dmol-min.js"), asset("report.js")] if solution.candidates else []
    if scripts:
        body.append(f'<script type="application/json" id="scenes">{scenes(solution.candidates, tables)}</script>')
        body.append(viewer_licence())
    return page(title, "\n".join(part for part in body if part), scripts)


def _verdict(solution: Solution) -> str:
    evidence = solution.evidence
    numbers = ""
    if evidence is not None:
        numbers = facts(
            ((m.name, f'{escape(m.value)}<span class="hint">{escape(m.meaning)}</span>') for m in measures(evidence)),
            "measures",
        )
    return (
        f'<section class="verdict {_CLASSES[solution.verdict]}" aria-label="Verdict">'
        f'<div class="mark" aria-hidden="true">{_MARKS[solution.verdict]}</div>'
        f'<div class="words"><h2>{escape(headline(solution))}</h2><p>{escape(meaning(solution))}</p>'
        f"{bullets(evidence.reasons) if evidence is not None else ''}</div>{numbers}</section>"
    )


def structure_section(candidates: Sequence[Candidate], tables: Sequence[tuple[Site, ...]]) -> str:
    """The viewer beside the facts and atoms of each candidate."""
    if not candidates:
        return ""
    options = "".join(f'<option value="{index}">{_option(index + 1, c)}</option>' for index, c in enumerate(candidates))
    articles = "".join(
        structure_html(candidate, table_sites, index)
        for index, (candidate, table_sites) in enumerate(zip(candidates, tables, strict=True))
    )
    return (
        '<section id="structure"><div class="bar-row"><h2>Structure</h2>'
        f'<label>Candidate <select id="pick">{options}</select></label></div>'
        '<div class="pair"><figure class="viewer"><div id="view" role="img" aria-label="3-D view of the unit cell">'
        '<p class="fallback">The 3-D view needs JavaScript and WebGL. '
        "The CIF beside this page opens in any structure viewer.</p>"
        '</div><figcaption><span id="legend"></span><span class="buttons">'
        '<button type="button" data-axis="home">Reset</button>'
        '<button type="button" data-axis="0">along <i>a</i></button>'
        '<button type="button" data-axis="1">along <i>b</i></button>'
        '<button type="button" data-axis="2">along <i>c</i></button>'
        f'</span></figcaption></figure><div class="articles">{articles}</div></div></section>'
    )


def _option(rank: int, candidate: Candidate) -> str:
    return f"{rank} · {escape(short_symbol(candidate.space_group_symbol))} · Rwp {percent(candidate.refinement.r_wp)}"


def _ranking(candidates: Sequence[Candidate]) -> str:
    if not candidates:
        return ""
    head = (
        "Rank", "Formula", "Space group", "Origin", "R<sub>wp</sub>", "GOF",
        "<i>a</i> / Å", "<i>b</i> / Å", "<i>c</i> / Å", "α / °", "β / °", "γ / °", "Score",
    )  # fmt: skip
    rows = [_ranked_row(index, candidate) for index, candidate in enumerate(candidates)]
    return (
        "<section><h2>Ranked candidates</h2>"
        f"{table(head, rows, text_columns=4)}"
        '<p class="small">Conventional cells. Ranked by score, lower is better; the score comes from the pattern and '
        "the candidate alone. R<sub>wp</sub> includes the background.</p></section>"
    )


def _ranked_row(index: int, candidate: Candidate) -> str:
    cell = candidate.conventional.cell
    cells = (
        f'<button type="button" class="rank" data-candidate="{index}" title="Show this structure">{index + 1}</button>',
        formula_html(candidate.conventional),
        f'{space_group_html(candidate.space_group_symbol)} <span class="number">{candidate.space_group_number}</span>',
        escape(candidate.origin),
        percent(candidate.refinement.r_wp),
        fixed(candidate.refinement.gof, 2),
        *(fixed(length, 4) for length in (cell.a, cell.b, cell.c)),
        *(fixed(angle, 3) for angle in (cell.alpha, cell.beta, cell.gamma)),
        fixed(candidate.score, 4),
    )
    return row(cells, text_columns=4, attributes=f'data-row="{index}"')


def _searched_groups(solution: Solution) -> str:
    if not searched(solution.groups):
        return ""
    rows = [
        row((escape(entry.group), *(escape(cell) for cell in entry.cells)), text_columns=1)
        for entry in trial_rows(solution.groups, _GROUPS)
    ]
    return (
        f"<section><h2>Space groups searched</h2><p>{escape(summary(solution.groups, _GROUPS))}.</p>"
        f'{table(HEAD, rows, text_columns=1)}<p class="small">{escape(EXPLANATION)}</p></section>'
    )


def _notes(solution: Solution) -> str:
    unsolved = solution.verdict is Verdict.NOT_SOLVED
    notes = solution.notes or ((FALLBACK_ADVICE,) if unsolved else ())
    if not notes:
        return ""
    heading = "Notes and what to try next" if unsolved else "Notes"
    return f'<section class="{"advice" if unsolved else "notes"}"><h2>{heading}</h2>{bullets(notes)}</section>'


def provenance_section(provenance: Mapping[str, object], citations: Sequence[str] | None = None) -> str:
    """What to cite, by default what the provenance lists, and how to repeat the run."""
    if citations is None:
        stored = plain(provenance.get("citations"))
        citations = [str(entry) for entry in stored] if isinstance(stored, list) else []
    parts = []
    if citations:
        entries = "".join(f"<li>{citation_html(reference_text(entry))}</li>" for entry in citations)
        parts.append(f"<h2>Please cite</h2><ul>{entries}</ul>")
    record = {key: value for key, value in provenance.items() if key != "citations"}
    if record:
        text = json.dumps(plain(record), indent=2, sort_keys=True, ensure_ascii=False)
        parts.append(f"<details><summary>How to repeat this run</summary><pre>{escape(text)}</pre></details>")
    return f'<section class="provenance">{"".join(parts)}</section>' if parts else ""


def scenes(candidates: Sequence[Candidate], tables: Sequence[tuple[Site, ...]]) -> str:
    """The viewer's data; ``<`` and ``&`` are written as escapes, so no text can close the script element."""
    data = [scene(c, t).as_json() for c, t in zip(candidates, tables, strict=True)]
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
