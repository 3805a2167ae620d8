"""Sites with their letters, the view of a cell, and the Rietveld plot."""

from __future__ import annotations

import math
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pxrdgen.values.refinement import ProfileCurves
from pxrdgen_app.report.html import report_html
from pxrdgen_app.report.rietveld_plot import rietveld_png, write_rietveld_plot
from pxrdgen_app.report.scene import scene
from pxrdgen_app.report.sites import sites

from .solutions import SALT, anglesite, curves, rock_salt, solved


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
