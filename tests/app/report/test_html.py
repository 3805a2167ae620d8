"""The page: it states the answer, loads nothing from outside, and takes text from files for text."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest

from pxrdgen.values.refinement import RefinedQuantity
from pxrdgen.values.solution import Verdict
from pxrdgen_app.report.html import report_html
from pxrdgen_app.report.json import result_json
from pxrdgen_app.report.rietveld_plot import rietveld_png

from .page import Page
from .solutions import curves, empty, rock_salt, solved

HOSTILE = "<script>alert('x')</script><img src=https://evil.example/x.png>"


@pytest.fixture(scope="module")
def page() -> Page:
    plot = rietveld_png(curves(), title="NaCl", r_wp=0.0712, gof=1.09, dpi=60)
    return Page(report_html(solved(), title="NaCl", pattern_facts={"File": "salt.xy"}, plot=plot))


def test_page_loads_nothing_from_outside(page: Page) -> None:
    assert page.loads
    assert all(address.startswith("data:image/png;base64,") for address in page.loads)
    assert page.links == ["https://doi.org/10.1038/s41467-025-62708-8"]
    assert not {"link", "iframe", "object", "embed", "base"} & set(page.elements)


def test_style_sheet_loads_nothing() -> None:
    style = report_html(empty(), title="NaCl").split("<style>")[1].split("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style


def test_viewer_is_embedded_and_nothing_but_it_may_run() -> None:
    text = report_html(solved(), title="NaCl")
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
    assert policy
    assert "default-src 'none'" in policy[1]
    assert policy[1].count("sha256-") == 2
    assert "script-src 'unsafe-inline'" not in policy[1]
    assert "3dmol" in text.lower()
    assert len(text) > 500_000
    assert "Redistribution and use in source and binary forms" in text


def test_page_states_verdict_reason_and_every_candidate(page: Page) -> None:
    assert "Solved" in page.text
    assert "The fit reaches 1.09 sigma." in page.text
    assert "NaCl" in page.text
    assert "PbSO4" in page.text
    assert "7.12\N{NO-BREAK SPACE}%".replace("\N{NO-BREAK SPACE}", " ") in page.text
    assert "9.34 %" in page.text
    assert "O2 and O3 contribute 6 % of the intensity." in page.text


def test_hostile_text_from_files_is_only_text() -> None:
    line = RefinedQuantity(name=HOSTILE, label=HOSTILE, unit=HOSTILE, value=1.0)
    bad = replace(
        rock_salt(), origin=HOSTILE, space_group_symbol=HOSTILE, warnings=(HOSTILE,),
        refinement=replace(rock_salt().refinement, quantities=(line,), message=HOSTILE),
    )  # fmt: skip
    solution = replace(solved(bad), notes=(HOSTILE,), provenance={"file": HOSTILE, "citations": [HOSTILE]})
    solution = replace(solution, evidence=replace(solution.evidence, reasons=(HOSTILE,)))
    text = report_html(solution, title=HOSTILE, pattern_facts={HOSTILE: HOSTILE})
    page = Page(text)
    assert "<script>alert" not in text
    assert "evil.example" in page.text
    assert page.elements.count("script") == 3
    assert page.loads == []
    assert page.handlers == []


def test_unsolved_page_says_what_to_try_next() -> None:
    solution = replace(solved(), verdict=Verdict.NOT_SOLVED, notes=("Try a cell with half the volume.",))
    page = Page(report_html(solution, title="NaCl"))
    assert "Not solved" in page.text
    assert "what to try next" in page.text
    assert (
        page.text.index("Not solved") < page.text.index("Try a cell with half the volume.") < page.text.index("Ranked")
    )


@pytest.mark.parametrize("interrupted", [False, True])
def test_no_candidate_is_still_a_page_and_json(interrupted: bool) -> None:
    page = Page(report_html(empty(interrupted), title="CaF2"))
    assert "no candidate" in page.text
    assert "table" not in page.elements
    assert "script" not in page.elements
    assert ("interrupted" in page.text) is interrupted
    assert result_json(empty(interrupted))["candidates"] == []


def test_failed_refinement_renders_without_numbers() -> None:
    failed = replace(
        rock_salt().refinement, r_wp=math.inf, r_p=math.nan, r_exp=math.inf, gof=math.inf, curves=None, converged=False
    )
    text = report_html(solved(replace(rock_salt(), refinement=failed, score=math.inf)), title="NaCl")
    assert not re.search(r"\b(inf|nan)\b", Page(text).text)
    assert "did not converge" in text


def test_citation_keys_become_references() -> None:
    page = Page(report_html(solved(), title="NaCl", citations=["gsas2", "moyo", "own words"]))
    assert "Toby & Von Dreele (2013). GSAS-II: the genesis" in page.text
    assert "Shinohara. moyo" in page.text
    assert "46, 544\N{EN DASH}549" in page.text
    assert "own words" in page.text
    assert page.links == ["https://doi.org/10.1107/S0021889813003531"]
