"""Packed crystals: what goes in comes out, damage is noticed."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from pxrdgen.errors import DatasetError
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.crystal_batch import CrystalBatch
from pxrdgen_files.cif import write_cif_p1
from pxrdgen_learning.data.dataset import CrystalDataset, load_pack, pack
from pxrdgen_learning.data.dataset_sources import read_dataset


def crystal(name: str, *species: int, seed: int = 0) -> Crystal:
    coords = (np.arange(3 * len(species)).reshape(-1, 3) * 0.31 + 0.017 * seed) % 1.0
    return Crystal(species=np.array(species), frac_coords=coords, basis=np.diag([5.0, 6.0, 7.0 + seed]), name=name)


@pytest.fixture
def dataset() -> CrystalDataset:
    crystals = [crystal("one", 11, 17), crystal("two", 22, 8, 8, seed=1), crystal("three", *[14, 8, 8] * 3, seed=2)]
    return CrystalDataset.from_crystals(crystals, source="made", split=["train", "val", "train"], space_group=[1, 2, 3])


def same(first: CrystalDataset, second: CrystalDataset) -> bool:
    return first.checksum() == second.checksum()


def test_a_crystal_comes_back_as_it_went_in(dataset: CrystalDataset) -> None:
    back, original = dataset[-1], crystal("three", *[14, 8, 8] * 3, seed=2)
    assert back.name == "three"
    assert np.array_equal(back.species, original.species)
    assert np.allclose(back.frac_coords, original.frac_coords, atol=1e-6)
    assert np.allclose(back.basis, original.basis)
    assert dataset.formula.tolist() == ["NaCl", "TiO2", "SiO2"]
    with pytest.raises(IndexError):
        dataset[3]


def test_splits_ids_and_sizes_are_selected(dataset: CrystalDataset) -> None:
    assert dataset.select(split="train").ids.tolist() == ["one", "three"]
    assert dataset.select(max_atoms=3).ids.tolist() == ["one", "two"]
    assert dataset.by_ids(["three", "one"]).ids.tolist() == ["three", "one"]
    assert np.array_equal(dataset.by_ids(["three", "one"])[1].species, dataset[0].species)
    assert [(bucket.label, bucket.rows.tolist()) for bucket in dataset.size_buckets()] == [
        ("1-4", [0, 1]), ("9-12", [2]),
    ]  # fmt: skip
    with pytest.raises(DatasetError, match="'val'"):
        dataset.select(split="vall")
    with pytest.raises(DatasetError, match="did you mean 'three'"):
        dataset.by_ids(["thre"])


def test_a_batch_equals_its_crystals_padded_one_by_one(dataset: CrystalDataset) -> None:
    rows = [2, 0, 1]
    batch = dataset.to_batch(rows)
    expected = CrystalBatch.from_crystals([dataset[row] for row in rows])
    for name in ("species", "frac_coords", "basis", "mask"):
        assert torch.equal(getattr(batch, name), getattr(expected, name)), name
    assert dataset.to_batch(dtype=torch.float64).basis.dtype == torch.float64
    with pytest.raises(DatasetError, match="no rows"):
        dataset.to_batch([])


def test_a_pack_reads_back_and_carries_its_checksum(dataset: CrystalDataset, tmp_path: Path) -> None:
    path = tmp_path / "crystals.npz"
    assert pack(dataset, path) == dataset.checksum()
    assert same(load_pack(path), dataset)
    assert [entry.name for entry in tmp_path.iterdir()] == ["crystals.npz"]
    moved = CrystalDataset.from_crystals([crystal("one", 11, 17, seed=1)])
    assert not same(moved, CrystalDataset.from_crystals([crystal("one", 11, 17)]))


def test_a_tampered_pack_is_refused(dataset: CrystalDataset, tmp_path: Path) -> None:
    path = tmp_path / "crystals.npz"
    pack(dataset, path)
    with np.load(path) as archive:
        arrays = dict(archive)
    arrays["frac_coords"][0, 0] += 0.01
    np.savez(path, **arrays)
    with pytest.raises(DatasetError, match="checksum"):
        load_pack(path)
    arrays["frac_coords"] = arrays["frac_coords"][:-1]
    np.savez(path, **arrays)
    with pytest.raises(DatasetError, match="expected \\(14, 3\\)"):
        load_pack(path)


def test_truncated_foreign_pickled_and_missing_files_are_refused(dataset: CrystalDataset, tmp_path: Path) -> None:
    path = tmp_path / "crystals.npz"
    pack(dataset, path)
    for content in (path.read_bytes()[:-200], b"PK\x03\x04nonsense", b""):
        path.write_bytes(content)
        with pytest.raises(DatasetError, match="damaged"):
            load_pack(path)
    np.savez(path, a=np.zeros(3))
    with pytest.raises(DatasetError, match="not a pack of crystals"):
        load_pack(path)
    np.savez(path, format=np.array([{}], dtype=object))
    with pytest.raises(DatasetError):
        load_pack(path)
    with pytest.raises(DatasetError, match="cannot be read"):
        load_pack(tmp_path / "none.npz")
    with pytest.raises(DatasetError, match="cannot be written"):
        pack(dataset, tmp_path / "no" / "folder.npz")


def test_two_crystals_of_one_name_are_refused(dataset: CrystalDataset) -> None:
    with pytest.raises(DatasetError, match="ids must be distinct"):
        CrystalDataset.concatenate([dataset, dataset])


SALT = Crystal(
    species=np.array([11] * 4 + [17] * 4),
    frac_coords=np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]] * 2)
    + np.repeat([[0.0], [0.5]], 4, axis=0),
    basis=5.64 * np.eye(3),
)


def test_a_folder_of_cifs_becomes_primitive_cells_and_names_what_it_skips(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "salt.cif").write_text(write_cif_p1(SALT))
    (tmp_path / "broken.cif").write_text("data_x\nloop_ oops")
    reading = read_dataset(tmp_path)
    assert reading.dataset.ids.tolist() == ["deep/salt"]
    assert reading.dataset.num_atoms.tolist() == [2]
    assert reading.dataset.space_group.tolist() == [225]
    assert [name for name, _ in reading.skipped] == ["broken"]


def test_an_mp20_style_csv_is_read_with_its_split(tmp_path: Path) -> None:
    import csv

    path = tmp_path / "val.csv"
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["", "material_id", "pretty_formula", "cif"])
        writer.writerow([0, "mp-1", "NaCl", write_cif_p1(SALT)])
        writer.writerow([1, "mp-2", "NaCl", "nonsense"])
        writer.writerow([2, "mp-1", "NaCl", write_cif_p1(SALT)])
    seen: list[int] = []
    reading = read_dataset(path, progress=lambda done, _total: seen.append(done))
    assert reading.dataset.ids.tolist() == ["mp-1"]
    assert reading.dataset.split.tolist() == ["val"]
    assert [name for name, _ in reading.skipped] == ["mp-2", "mp-1"]
    assert seen == [1, 2, 3]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "x,y\n1,2\n", "without the column"),
        ("a.csv", "material_id,cif\nmp-1,nonsense\n", "no crystal could be read"),
        ("a.parquet", "nonsense", "not a readable parquet"),
        ("a.txt", "", "expected .parquet"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DatasetError, match=message):
        read_dataset(tmp_path / name)
    with pytest.raises(DatasetError, match="does not exist"):
        read_dataset(tmp_path / "none.csv")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match=r"no \.cif"):
        read_dataset(tmp_path / "empty")


def test_loading_a_pack_needs_numpy_alone(dataset: CrystalDataset, tmp_path: Path) -> None:
    path = tmp_path / "crystals.npz"
    pack(dataset, path)
    code = (
        "import sys; from pxrdgen_learning.data.dataset import load_pack; "
        f"assert len(load_pack({str(path)!r})) == 3; "
        "print(sorted({'torch', 'pandas', 'pyarrow', 'pymatgen', 'spglib', 'gemmi', 'scipy'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_whole_corpus_packs_small_and_fast(shared_data: Path, tmp_path: Path) -> None:
    start = time.perf_counter()
    whole = read_dataset(shared_data / "crystals.parquet").dataset
    path = tmp_path / "all.npz"
    pack(whole, path)
    assert time.perf_counter() - start < 60
    assert path.stat().st_size < 64 * 2**20
    assert len(whole.select(split="train")) == 42_461
    assert same(load_pack(path), whole)
    assert whole.formula[0] == "PrH3CSO7"
