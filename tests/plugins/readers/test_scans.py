"""What was measured oddly is put right, and said: order, repeats, tilts, attenuators, counting times."""

from __future__ import annotations

import numpy as np
import pytest

from pxrdgen.errors import PatternError
from pxrdgen_files.patterns import read_pattern

from .made_up_pattern import COUNTS, FIXTURES, TWO_THETA, rows


def test_a_descending_scan_is_reversed(read):
    pattern = read("".join(reversed(rows().splitlines(keepends=True))))
    np.testing.assert_allclose(pattern.intensity, COUNTS)
    assert any("reversed" in note for note in pattern.notes)


def test_angles_measured_twice_are_averaged_and_their_uncertainty_shrinks(read):
    twice = "".join(f"{t:.2f} {i + shift:.0f}\n" for shift in (-10, 10) for t, i in zip(TWO_THETA, COUNTS, strict=True))
    pattern = read(twice)
    np.testing.assert_allclose(pattern.intensity, COUNTS)
    np.testing.assert_allclose(pattern.sigma, np.sqrt(COUNTS / 2), rtol=1e-6)
    assert any("merged" in note for note in pattern.notes)


def test_negative_intensities_are_kept(read):
    assert read("5.0 -3\n5.1 4\n5.2 -1\n").intensity.tolist() == [-3.0, 4.0, -1.0]


def test_points_before_the_direct_beam_are_dropped(read):
    pattern = read("-0.2 5\n-0.1 9\n0.0 100\n0.1 9\n0.2 5\n0.3 4\n0.4 3\n")
    assert pattern.two_theta[0] == pytest.approx(0.1)
    assert any("2theta = 0" in note for note in pattern.notes)


@pytest.mark.parametrize("axis", ["Chi", "Omega"])
def test_scans_at_other_tilts_are_not_averaged(axis, registry, tmp_path):
    text = (FIXTURES / "panalytical.xrdml").read_text()
    scan = text[text.index("<scan ") : text.index("</scan>") + len("</scan>")]
    tilted = f'<positions axis="{axis}">' + "<commonPosition>{}</commonPosition></positions><commonCountingTime"
    both = scan.replace("<commonCountingTime", tilted.format(0)) + scan.replace("<commonCountingTime", tilted.format(5))
    path = tmp_path / "tilts.xrdml"
    path.write_text(text.replace(scan, both))
    pattern = read_pattern(path, registry=registry)
    assert pattern.sigma is None
    assert any(
        "the first is used" in note and f"2: 20 to 30 degrees, {axis.casefold()} 5" in note for note in pattern.notes
    )
    assert not read_pattern(path, registry=registry, scan=2).notes
    with pytest.raises(PatternError, match="got scan 3"):
        read_pattern(path, registry=registry, scan=3)


TEMPERATURE = (
    '<nonAmbientPoints type="Temperature" unit="Kelvin"><nonAmbientValues>{}</nonAmbientValues></nonAmbientPoints>'
)


def test_scans_at_other_temperatures_are_not_averaged_and_those_of_one_are(registry, tmp_path):
    text = (FIXTURES / "panalytical.xrdml").read_text()
    scan = text[text.index("<scan ") : text.index("</scan>") + len("</scan>")]
    for second, words in (("500.1 500.0", "temperature 500"), ("298.2 298.3", "averaged")):
        both = [
            scan.replace("<commonCountingTime", TEMPERATURE.format(warm) + "<commonCountingTime")
            for warm in ("298.1 298.2", second)
        ]
        path = tmp_path / "warm.xrdml"
        path.write_text(text.replace(scan, "".join(both)))
        assert any(words in note for note in read_pattern(path, registry=registry).notes)


def test_scans_whose_lines_moved_are_not_averaged_though_the_file_tells_no_condition(read, rng):
    def block(shift: float) -> str:
        lines = 100 + 3000 * np.exp(-(((TWO_THETA - 25 - shift) / 0.15) ** 2))
        counts = rng.poisson(lines)
        return "_STEPSIZE=0.05\n_START=20\n_COUNTS\n" + " ".join(map(str, counts)) + "\n"

    repeats = read("_FILEVERSION=2\n" + block(0) + block(0) + block(0), "repeats.uxd")
    assert any("averaged" in note for note in repeats.notes)
    moved = read("_FILEVERSION=2\n" + block(0) + block(0.1), "moved.uxd")
    assert any("the first is used" in note for note in moved.notes)


def test_an_automatic_divergence_slit_is_undone_and_said(registry, tmp_path):
    text = (FIXTURES / "panalytical.xrdml").read_text()
    slit = (
        '<divergenceSlit xsi:type="automaticDivergenceSlitType" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"/>'
    )
    path = tmp_path / "ads.xrdml"
    beam = "<incidentBeamPath>"
    text = (
        text.replace(beam, beam + slit)
        if beam in text
        else text.replace("<scan ", f"{beam}{slit}</incidentBeamPath><scan ", 1)
    )
    path.write_text(text)
    pattern = read_pattern(path, registry=registry)
    scale = 0.5 / np.sin(np.radians(TWO_THETA / 2))
    np.testing.assert_allclose(pattern.intensity, COUNTS * scale, rtol=1e-6)
    np.testing.assert_allclose(pattern.sigma, np.sqrt(COUNTS) * scale, rtol=1e-6)
    assert any("automatic" in note for note in pattern.notes)


def test_scans_of_neighbouring_ranges_are_stitched_at_one_counting_time(registry, tmp_path):
    def block(start: float, seconds: float, counts: str) -> str:
        return f"_DRIVE='COUPLED'\n_STEPTIME={seconds}\n_STEPSIZE=1.0\n_START={start}\n_COUNTS\n{counts}\n"

    path = tmp_path / "two.uxd"
    path.write_text("_FILEVERSION=2\n" + block(10, 1.0, "50 60 70 80") + block(14, 10.0, "900 1000 1100 1200"))
    pattern = read_pattern(path, registry=registry)
    assert pattern.two_theta.tolist() == [10, 11, 12, 13, 14, 15, 16, 17]
    assert pattern.intensity.tolist() == [500, 600, 700, 800, 900, 1000, 1100, 1200]
    np.testing.assert_allclose(pattern.sigma[[0, 4]], [10 * np.sqrt(50), 30.0])


def test_an_attenuator_factor_is_applied_only_where_the_series_would_jump_without_it(registry, tmp_path):
    text = (FIXTURES / "rigaku.ras").read_text()
    stored_raw, corrected = [], []
    for line in text.splitlines():
        angle, _, rest = line.partition(" ")
        if angle.startswith("23.") and not line.startswith("*"):
            counts = float(rest.split()[0])
            stored_raw.append(f"{angle} {counts / 10:.4f} 10.0000")
            corrected.append(f"{angle} {counts:.4f} 10.0000")
        else:
            stored_raw.append(line)
            corrected.append(line)
    for name, lines in (("raw.ras", stored_raw), ("corrected.ras", corrected)):
        path = tmp_path / name
        path.write_text("\n".join(lines))
        pattern = read_pattern(path, registry=registry)
        np.testing.assert_allclose(pattern.intensity, COUNTS, rtol=1e-3)
        assert any("attenuator" in note for note in pattern.notes)


def test_an_attenuator_of_raw_counts_is_undone_with_its_uncertainty(registry, tmp_path):
    text = (FIXTURES / "panalytical.xrdml").read_text()
    factors = np.ones(201)
    factors[65:72] = 10.0
    listed = " ".join(f"{factor:g}" for factor in factors)
    path = tmp_path / "attenuated.xrdml"
    path.write_text(text.replace("<counts", f"<beamAttenuationFactors>{listed}</beamAttenuationFactors><counts"))
    pattern = read_pattern(path, registry=registry)
    np.testing.assert_allclose(pattern.intensity, COUNTS * factors)
    np.testing.assert_allclose(pattern.sigma, np.sqrt(COUNTS) * factors)


def test_a_rate_gets_its_uncertainty_from_the_counting_time(registry, tmp_path):
    text = (FIXTURES / "bruker.uxd").read_text().replace("_COUNTS", "_CPS")
    path = tmp_path / "rate.uxd"
    path.write_text(text)
    np.testing.assert_allclose(read_pattern(path, registry=registry).sigma, np.sqrt(COUNTS / 2.0))


def test_listed_positions_take_the_place_of_start_and_end(registry, tmp_path):
    text = (FIXTURES / "panalytical.xrdml").read_text()
    listed = " ".join(f"{angle:.4f}" for angle in TWO_THETA + 5.0)
    ends = "<startPosition>20.0</startPosition><endPosition>30.0</endPosition>"
    path = tmp_path / "listed.xrdml"
    path.write_text(text.replace(ends, f"<listPositions>{listed}</listPositions>"))
    assert read_pattern(path, registry=registry).two_theta[0] == pytest.approx(25.0)
