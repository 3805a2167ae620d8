"""``pxrdgen data`` as a user meets it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pxrdgen.values.crystal import Crystal
from pxrdgen_app.cli import main
from pxrdgen_files.cif import write_cif_p1
from pxrdgen_learning.data.dataset import load_pack


def run(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as leaving:
        main([str(argument) for argument in arguments])
    return int(leaving.value.code or 0)


@pytest.fixture
def cifs(tmp_path: Path) -> Path:
    """A folder of two crystals and one broken CIF."""
    folder = tmp_path / "cifs"
    folder.mkdir()
    for name, species in (("caesium chloride", [55, 17]), ("nickel aluminide", [28, 13])):
        coords = np.array([[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]])
        crystal = Crystal(species=np.array(species), frac_coords=coords, basis=4.0 * np.eye(3), name=name)
        (folder / f"{name}.cif").write_text(write_cif_p1(crystal))
    (folder / "broken.cif").write_text("data_x\nloop_ oops")
    return folder


def test_a_folder_is_packed_and_described(cifs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = cifs.parent / "mine.npz"
    assert run("data", "pack", cifs, "--out", out) == 0
    packed = capsys.readouterr()
    checksum = load_pack(out).checksum()
    assert "2 crystals, 4 atoms" in packed.out
    assert f"sha256 {checksum}" in packed.out
    assert "skipped broken" in packed.err
    assert run("data", "info", out) == 0
    told = capsys.readouterr().out
    assert f"sha256 {checksum}" in told
    assert "4 elements\n  Al Cl Ni Cs" in told
    assert told.split("by atoms in the cell\n")[1].split("\n")[0].split() == ["1-4", "2"]


def test_packs_are_joined_and_filtered_by_split(cifs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = cifs.parent / "train.csv"
    text = next(iter(cifs.glob("nickel*"))).read_text()
    table.write_text(f'material_id,cif\nmp-1,"{text}"\n')
    joined = cifs.parent / "joined.npz"
    assert run("data", "pack", cifs, table, "--out", joined, "--split", "train") == 0
    assert load_pack(joined).ids.tolist() == ["mp-1"]
    assert run("data", "pack", joined, "--out", joined) == 2
    assert "--force" in capsys.readouterr().err
    assert run("data", "pack", joined, "--out", joined, "--force") == 0
    assert load_pack(joined).ids.tolist() == ["mp-1"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pack", "none.parquet", "--out", "a.npz"], "does not exist"),
        (["pack", "cifs", "--out", "a.zip"], "ends in .npz"),
        (["pack", "cifs", "--out", "no/where.npz"], "no folder"),
        (["pack", "cifs", "--out", "a.npz", "--split", "train"], "expected one of"),
        (["info", "cifs/broken.cif"], "no crystal could be read"),
    ],
)
def test_bad_input_is_one_message_and_leaves_nothing(
    cifs: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(cifs.parent)
    assert run("data", *arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert [entry.name for entry in cifs.parent.iterdir()] == ["cifs"]
