"""Text for people: the terminal's table, uncertainties in brackets, symbols as crystallographers write."""

from __future__ import annotations

import io
import math
from dataclasses import replace

import pytest

from pxrdgen_app.report.formula import formula_text, formula_units
from pxrdgen_app.report.markup import citation_html, space_group_html
from pxrdgen_app.report.numbers import MISSING, percent, significant, with_su
from pxrdgen_app.report.terminal import print_solution

from .solutions import anglesite, empty, rock_salt, solved


def test_terminal_shows_verdict_table_and_notes() -> None:
    from rich.console import Console

    stream = io.StringIO()
    solution = replace(solved(), notes=("[red]not markup[/red]",), interrupted=True)
    print_solution(solution, Console(file=stream, width=130, color_system=None), limit=1)
    text = stream.getvalue()
    assert text.startswith("Solved (search interrupted)")
    assert "Fm-3m (225)" in text
    assert "7.12" in text
    assert "and 1 more in result.json" in text
    assert "[red]not markup[/red]" in text
    stream = io.StringIO()
    print_solution(empty(), Console(file=stream, width=130, color_system=None))
    assert "Not solved" in stream.getvalue()
    assert "Check the formula" in stream.getvalue()


@pytest.mark.parametrize(
    ("value", "su", "expected"),
    [
        (5.40132, 0.0012, "5.4013(12)"),
        (5.40132, 0.0024, "5.401(2)"),
        (5.4, 0.00195, "5.400(2)"),
        (90.0, 0.0, "90.0000"),
        (-0.123, 0.03, "\N{MINUS SIGN}0.12(3)"),
        (1234.0, 24.0, "1230(20)"),
        (0.5, math.nan, "0.5000"),
        (math.nan, 0.1, MISSING),
    ],
)
def test_uncertainty_in_brackets(value: float, su: float, expected: str) -> None:
    assert with_su(value, su) == expected


def test_small_pieces_read_as_crystallographers_write() -> None:
    assert formula_text(anglesite().conventional) == "PbSO4"
    assert formula_units(anglesite().conventional) == 4
    assert formula_text(rock_salt().crystal) == "NaCl"
    assert percent(math.inf) == MISSING
    assert significant(-1.5e-7) == "\N{MINUS SIGN}1.5e\N{MINUS SIGN}07"
    assert space_group_html("P2_1/c") == '<span class="hm"><i>P</i>2<sub>1</sub>/<i>c</i></span>'
    assert space_group_html("P 1 21/c 1") == space_group_html("P2_1/c")
    assert space_group_html("P321") == '<span class="hm"><i>P</i>321</span>'
    assert space_group_html("P 31 2 1") == '<span class="hm"><i>P</i>3<sub>1</sub>21</span>'
    assert '<span class="bar">3</span>' in space_group_html("Fm-3m")
    assert citation_html("A & B, doi:10.1154/1.2179804.").endswith("doi:10.1154/1.2179804</a>.")
