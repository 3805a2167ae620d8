"""What the user is handed: page, JSON, plot, folder and terminal text."""

from __future__ import annotations

import io
import json
import math
import re
import struct
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from pxrdgen.cell import UnitCell
from pxrdgen.crystal import Crystal
from pxrdgen.errors import OutputError
from pxrdgen.report.folder import write_solution
from pxrdgen.report.formula import formula_text, formula_units
from pxrdgen.report.html import report_html
from pxrdgen.report.json import RESULT_VERSION, result_json, result_text
from pxrdgen.report.markup import citation_html, space_group_html
from pxrdgen.report.numbers import MISSING, percent, significant, with_su
from pxrdgen.report.rietveld_plot import rietveld_png, write_rietveld_plot
from pxrdgen.report.scene import scene
from pxrdgen.report.sites import sites
from pxrdgen.report.terminal import print_solution
from pxrdgen.solver.values import Candidate, Evidence, ProfileCurves, RefinementResult, Solution, Verdict

HOSTILE = "<script>alert('x')</script><img src=https://evil.example/x.png>"
SALT = 5.6402


def curves(points: int = 1500) -> ProfileCurves:
    """A rock-salt like pattern of Gaussian lines with counting noise."""
    two_theta = np.linspace(10.0, 90.0, points)
    ticks = np.array([27.37, 31.70, 45.45, 53.88, 56.48, 66.23, 73.08, 75.30, 83.99])
    heights = np.array([90.0, 1000.0, 620.0, 20.0, 190.0, 80.0, 15.0, 140.0, 100.0])
    background = 40.0 + 60.0 * np.exp(-two_theta / 25.0)
    calculated = background + (heights * np.exp(-(((two_theta[:, None] - ticks) / 0.12) ** 2))).sum(axis=1)
    sigma = np.sqrt(calculated)
    observed = calculated + sigma * np.random.default_rng(3).standard_normal(points)
    return ProfileCurves(
        two_theta=two_theta, observed=observed, calculated=calculated, background=background, sigma=sigma, ticks=ticks
    )


def rock_salt() -> Candidate:
    """NaCl: refined in the primitive cell (origin on Cl), shown in the face-centred one."""
    half = SALT / 2
    primitive = Crystal(
        species=np.array([11, 17]),
        frac_coords=np.array([[0.5, 0.5, 0.5], [0.0, 0.0, 0.0]]),
        basis=np.array([[0.0, half, half], [half, 0.0, half], [half, half, 0.0]]),
        u_iso=np.array([0.018, 0.014]),
    )
    faces = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    conventional = Crystal(
        species=np.array([11] * 4 + [17] * 4),
        frac_coords=np.vstack([faces, faces + 0.5]),
        basis=np.eye(3) * SALT,
        u_iso=np.array([0.018] * 4 + [0.014] * 4),
    )
    refinement = RefinementResult(
        crystal=primitive,
        r_wp=0.0712,
        r_p=0.0534,
        r_exp=0.0655,
        gof=1.087,
        r_wp_without_background=0.1123,
        parameters={"scale": 1.234e-3, "zero": -0.0123},
        cell_su=(0.0003,) * 3 + (0.0,) * 3,
        coordinate_su=np.zeros((2, 3)),
        curves=curves(),
    )
    return Candidate(
        refinement=refinement,
        origin="direct_space",
        space_group_number=225,
        space_group_symbol="Fm-3m",
        conventional=conventional,
        score=0.0712,
    )


def anglesite() -> Candidate:
    """PbSO4 (Miyake, Minato, Morikawa & Iwai 1978) in Pnma; refined in the Niggli order of its axes."""
    asymmetric = [
        (82, 0.1879, 0.25, 0.1667),
        (16, 0.0633, 0.25, 0.6842),
        (8, 0.9079, 0.25, 0.5957),
        (8, 0.1936, 0.25, 0.5432),
    ]
    general = (8, 0.0813, 0.0270, 0.8092)
    species, coords = [], []
    for z, x, y, w in asymmetric:
        for image in ((x, y, w), (0.5 - x, -y, w + 0.5), (-x, y + 0.5, -w), (x + 0.5, 0.5 - y, 0.5 - w)):
            species.append(z)
            coords.append(image)
    z, x, y, w = general
    for image in ((x, y, w), (0.5 - x, -y, w + 0.5), (-x, y + 0.5, -w), (x + 0.5, 0.5 - y, 0.5 - w)):
        species += [z, z]
        coords += [image, tuple(-value for value in image)]
    conventional = Crystal(
        species=np.array(species), frac_coords=np.array(coords), basis=UnitCell(8.482, 5.398, 6.959).basis,
        u_iso=np.full(24, 0.0121),
    )  # fmt: skip
    axes = [1, 2, 0]
    refined = Crystal(
        species=conventional.species,
        frac_coords=conventional.frac_coords[:, axes] + np.array([0.25, 0.0, 0.5]),
        basis=UnitCell(5.398, 6.959, 8.482).basis,
        u_iso=conventional.u_iso,
    )
    refinement = RefinementResult(
        crystal=refined, r_wp=0.0934, r_p=0.071, r_exp=0.041, gof=2.278,
        parameters={"scale": 4.2e-4}, cell_su=(0.0001, 0.0002, 0.0003, 0.0, 0.0, 0.0),
        coordinate_su=np.tile([0.0, 0.0014, 0.0021], (24, 1)), curves=curves(),
    )  # fmt: skip
    return Candidate(
        refinement=refinement, origin="direct_space", space_group_number=62, space_group_symbol="Pnma",
        conventional=conventional, score=0.0934, warnings=("O2 and O3 contribute 6 % of the intensity.",),
        conventional_cell_su=(0.0003, 0.0001, 0.0002, 0.0, 0.0, 0.0),
        conventional_coordinate_su=np.tile([0.0021, 0.0, 0.0014], (24, 1)),
    )  # fmt: skip


def solved(*candidates: Candidate) -> Solution:
    evidence = Evidence(
        gof=1.087,
        excess=1.04,
        gap=0.12,
        shortest_contact=0.98,
        unexplained=0.004,
        reasons=("The fit reaches 1.09 sigma.",),
    )
    return Solution(
        candidates=candidates or (rock_salt(), anglesite()),
        verdict=Verdict.SOLVED,
        evidence=evidence,
        provenance={
            "spec": {"generator": "direct_space"},
            "seed": 7,
            "versions": {"pxrdgen": "0.1.0"},
            "seconds": math.inf,
            "citations": ["Li et al., Nat. Commun. 16, 7428 (2025), doi:10.1038/s41467-025-62708-8"],
        },
        notes=("Read 1.5418 A as the CuKa doublet.",),
    )


def empty(interrupted: bool = False) -> Solution:
    return Solution(candidates=(), verdict=Verdict.NOT_SOLVED, evidence=None, interrupted=interrupted)


class Page(HTMLParser):
    """Collects what a browser would act on: elements, and addresses it would load or that a reader may click."""

    LOADING = ("src", "srcset", "data", "poster", "action", "background", "formaction")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.loads: list[str] = []
        self.links: list[str] = []
        self.handlers: list[str] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self._open.append(tag)
        for name, value in attrs:
            if name in self.LOADING or (name == "href" and tag != "a"):
                self.loads.append(value or "")
            elif name == "href":
                self.links.append(value or "")
            elif name.startswith("on"):
                self.handlers.append(name)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            del self._open[len(self._open) - 1 - self._open[::-1].index(tag) :]

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self._open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words))


def numbers(value: object) -> Iterator[float]:
    if isinstance(value, dict):
        for entry in value.values():
            yield from numbers(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from numbers(entry)
    elif isinstance(value, float):
        yield value


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
    bad = replace(
        rock_salt(), origin=HOSTILE, space_group_symbol=HOSTILE, warnings=(HOSTILE,),
        refinement=replace(rock_salt().refinement, parameters={HOSTILE: 1.0}, message=HOSTILE),
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


def test_json_is_finite_and_survives_a_round_trip() -> None:
    worst = replace(rock_salt(), score=math.nan, refinement=replace(rock_salt().refinement, r_wp=math.inf))
    solution = replace(solved(worst, anglesite()), evidence=replace(solved().evidence, gap=math.inf))
    text = result_text(solution)
    read = json.loads(text)
    assert read == result_json(solution)
    assert all(math.isfinite(number) for number in numbers(read))
    assert read["evidence"]["gap"] is None
    assert read["candidates"][0]["refinement"]["r_wp"] is None
    assert text == json.dumps(read, sort_keys=True, indent=2, ensure_ascii=False) + "\n"


def test_json_holds_every_number() -> None:
    read = result_json(solved())
    assert (read["version"], read["verdict"], read["seed"]) == (RESULT_VERSION, "solved", 7)
    assert read["spec"] == {"generator": "direct_space"}
    assert read["versions"] == {"pxrdgen": "0.1.0"}
    first, second = read["candidates"]
    assert first["refinement"]["parameters"] == {"scale": 1.234e-3, "zero": -0.0123}
    assert first["primitive"]["cell"]["alpha"] == pytest.approx(60.0)
    assert first["primitive"]["cell_su"]["a"] == 0.0003
    assert first["conventional"]["cell"]["a"] == pytest.approx(SALT)
    assert [
        (site["label"], site["multiplicity"], site["wyckoff_letter"]) for site in first["conventional"]["sites"]
    ] == [
        ("Na1", 4, "a"),
        ("Cl1", 4, "b"),
    ]
    assert len(second["conventional"]["atoms"]) == 24
    assert second["conventional"]["formula_units_z"] == 4
    assert second["warnings"] == ["O2 and O3 contribute 6 % of the intensity."]


def test_anglesite_has_five_sites_with_their_uncertainties() -> None:
    found = sites(anglesite())
    assert [(s.label, s.multiplicity, s.wyckoff_letter) for s in found] == [
        ("O1", 8, "d"), ("O2", 4, "c"), ("O3", 4, "c"), ("S1", 4, "c"), ("Pb1", 4, "c"),
    ]  # fmt: skip
    assert found[-1].coordinate_su == pytest.approx((0.0021, 0.0, 0.0014))
    assert "0.188(2)" in report_html(solved(anglesite()), title="PbSO4")
    assert sorted(member for site in found for member in site.members) == list(range(24))


def test_wrong_space_group_lists_every_atom_without_letters() -> None:
    found = sites(replace(rock_salt(), space_group_number=194, space_group_symbol="P 63/m m c"))
    assert len(found) == 8
    assert all(site.wyckoff_letter is None for site in found)


def test_view_of_rock_salt_is_a_closed_cube() -> None:
    salt = rock_salt()
    view = scene(salt, sites(salt))
    assert view.symbols.count("Na") == 14
    assert view.symbols.count("Cl") == 13
    lengths = [np.linalg.norm(view.positions[i] - view.positions[j]) for i, j in view.bonds]
    assert len(lengths) == 54
    assert lengths == pytest.approx([SALT / 2] * 54)


def test_sulfate_in_the_view_has_four_oxygens() -> None:
    lead = anglesite()
    view = scene(lead, sites(lead))
    sulfur = view.symbols.index("S")
    assert sum(sulfur in pair and "O" in (view.symbols[pair[0]], view.symbols[pair[1]]) for pair in view.bonds) == 4


@pytest.mark.parametrize("sqrt_panel", [False, True])
def test_plot_is_a_png_of_reasonable_size(tmp_path: Path, sqrt_panel: bool) -> None:
    path = tmp_path / "rietveld.png"
    write_rietveld_plot(curves(), path, title="$NaCl$ <b>", r_wp=0.0712, gof=1.09, sqrt_panel=sqrt_panel)
    data = path.read_bytes()
    width, height = struct.unpack(">II", data[16:24])
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert data[-8:-4] == b"IEND"
    assert width == 1800
    assert height > 900
    assert 20_000 < len(data) < 1_000_000


def test_plot_survives_flat_patterns_and_gaps() -> None:
    whole = curves(400)
    keep = (whole.two_theta < 40) | (whole.two_theta > 50)
    cut = ProfileCurves(
        two_theta=whole.two_theta[keep], observed=whole.observed[keep] * 1e6, calculated=whole.calculated[keep] * 1e6,
        background=whole.background[keep] * 1e6, sigma=whole.sigma[keep], ticks=np.array([]),
    )  # fmt: skip
    zero = np.zeros(10)
    flat = ProfileCurves(
        two_theta=np.arange(10.0), observed=zero, calculated=zero, background=zero, sigma=zero + 1, ticks=zero
    )
    for case in (cut, flat):
        assert rietveld_png(case, dpi=40, r_wp=math.inf, sqrt_panel=True).startswith(b"\x89PNG")


def test_folder_holds_what_was_promised(tmp_path: Path) -> None:
    files = write_solution(solved(), tmp_path, cif_texts=("data_one\n", "data_two\n"))
    assert sorted(path.name for path in files) == [
        "candidate_01.cif", "candidate_02.cif", "report.html", "result.json", "rietveld.csv", "rietveld.png",
    ]  # fmt: skip
    assert (tmp_path / "candidate_02.cif").read_text() == "data_two\n"
    table = np.loadtxt(tmp_path / "rietveld.csv", delimiter=",", skiprows=1)
    assert table.shape == (1500, 6)
    assert table[:, 4] == pytest.approx(table[:, 1] - table[:, 2], abs=1e-4)
    assert json.loads((tmp_path / "result.json").read_text())["verdict"] == "solved"


def test_folder_without_candidates_or_plots(tmp_path: Path) -> None:
    names = [path.name for path in write_solution(empty(interrupted=True), tmp_path, cif_texts=())]
    assert sorted(names) == ["report.html", "result.json"]
    with pytest.raises(ValueError, match="0 CIF texts for 2"):
        write_solution(solved(), tmp_path, cif_texts=())
    with pytest.raises(OutputError, match="cannot be written"):
        write_solution(empty(), tmp_path / "absent", cif_texts=())


def test_file_name_that_is_no_utf8_is_written(tmp_path: Path) -> None:
    name = b"muster-\xfc.xy".decode("utf-8", "surrogateescape")
    solution = replace(solved(), notes=(name,), provenance={"file": Path(name), name: name})
    write_solution(solution, tmp_path, cif_texts=("", ""), plots=False, title=name, pattern_facts={"File": name})
    assert json.loads((tmp_path / "result.json").read_text())["notes"] == ["muster-?.xy"]
    assert "muster-.xy" in (tmp_path / "report.html").read_text()


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


def test_citation_keys_become_references() -> None:
    page = Page(report_html(solved(), title="NaCl", citations=["gsas2", "moyo", "own words"]))
    assert "Toby & Von Dreele (2013). GSAS-II: the genesis" in page.text
    assert "Shinohara. moyo" in page.text
    assert "46, 544\N{EN DASH}549" in page.text
    assert "own words" in page.text
    assert page.links == ["https://doi.org/10.1107/S0021889813003531"]
