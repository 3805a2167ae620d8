"""Datasets with a public home: where their files are, what they must be, whom to thank."""

from __future__ import annotations

from dataclasses import dataclass

from pxrdgen.errors import OptionError, nearest


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """One file of a dataset.

    Args:
        name: of the file, below the dataset's address.
        split: which part of the data it is.
        rows: crystals in it, as published.
        sha256: of its content; empty where nobody has published it: then the first download is remembered.
    """

    name: str
    split: str
    rows: int
    sha256: str = ""


@dataclass(frozen=True, kw_only=True)
class PublicDataset:
    """Files below one address.

    Args:
        name: on the command line.
        summary: one line.
        address: ends with a slash.
        files: in the order they are fetched.
        licence: of the data.
        cite: what to cite.
    """

    name: str
    summary: str
    address: str
    files: tuple[RemoteFile, ...]
    licence: str
    cite: str


DATASETS = (
    PublicDataset(
        name="mp20",
        summary="MP-20: 45,229 experimentally known crystals of up to 20 atoms, in the published splits",
        address="https://raw.githubusercontent.com/txie-93/cdvae/main/data/mp_20/",
        files=(
            RemoteFile(
                name="train.csv",
                split="train",
                rows=27_136,
                sha256="133bab58dba02d316f9f91174839f17802dce648be4e8659d1a42b32b97fa01d",
            ),
            RemoteFile(name="val.csv", split="val", rows=9_047),
            RemoteFile(name="test.csv", split="test", rows=9_046),
        ),
        licence="CC BY 4.0 (Materials Project)",
        cite="Jain et al. 2013, doi:10.1063/1.4812323; splits: Xie et al. 2022, arXiv:2110.06197",
    ),
)


def public_dataset(name: str) -> PublicDataset:
    """The dataset of that name.

    Raises:
        OptionError: there is none; the nearest is offered.
    """
    for dataset in DATASETS:
        if dataset.name == name:
            return dataset
    names = [dataset.name for dataset in DATASETS]
    raise OptionError(f"got the dataset {name!r}, expected one of {', '.join(names)}{nearest(name, names)}")
