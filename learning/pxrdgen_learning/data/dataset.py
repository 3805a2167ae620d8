"""Datasets of crystals, and the ``.npz`` pack that carries them between machines (numpy alone reads it).

Tables, CSVs and folders of CIFs are read by :mod:`pxrdgen_learning.data.dataset_sources`.
"""

from __future__ import annotations

import os
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from pxrdgen.errors import DatasetError
from pxrdgen_learning.data.crystal_dataset import FORMAT, KINDS, CrystalDataset, SizeBucket

__all__ = ["CrystalDataset", "SizeBucket", "load_pack", "pack"]

#: Limit on the unpacked size of a pack from elsewhere.
MAX_UNPACKED_BYTES = 4 * 2**30


def pack(dataset: CrystalDataset, path: str | Path) -> str:
    """Write a dataset to ``path`` as ``.npz`` (no pickle), whole or not at all; returns its checksum.

    Raises:
        DatasetError: the file cannot be written.
    """
    target = Path(path)
    checksum = dataset.checksum()
    arrays: dict[str, Any] = {name: getattr(dataset, name) for name in KINDS}
    partial: Path | None = None
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
        partial = Path(name)
        with os.fdopen(handle, "wb") as stream:
            np.savez_compressed(stream, format=np.array(FORMAT), checksum=np.array(checksum), **arrays)
        partial.chmod(0o644)
        partial.replace(target)
    except OSError as error:
        raise DatasetError(f"got the file {target}, which cannot be written ({error.strerror})") from error
    finally:
        if partial is not None:
            partial.unlink(missing_ok=True)
    return checksum


def load_pack(path: str | Path) -> CrystalDataset:
    """Read a pack and check that its content is what was written.

    Raises:
        DatasetError: no such file, not a pack, too large, damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > MAX_UNPACKED_BYTES:
            raise DatasetError(
                f"got {path}, {size / 2**30:.1f} GiB unpacked, expected at most {MAX_UNPACKED_BYTES >> 30} GiB"
            )
        with np.load(path, allow_pickle=False) as archive:
            if not {"format", "checksum", *KINDS} <= set(archive.files) or str(archive["format"]) != FORMAT:
                raise DatasetError(f"got {path}, which is not a pack of crystals; make one with 'pxrdgen data pack'")
            stored = str(archive["checksum"])
            dataset = CrystalDataset(**{name: archive[name] for name in KINDS})
    except DatasetError:
        raise
    except OSError as error:
        raise DatasetError(
            f"got {path}, which cannot be read ({error.strerror or error}); expected a .npz pack"
        ) from error
    except (ValueError, zipfile.BadZipFile, EOFError, KeyError, NotImplementedError, zlib.error) as error:
        raise DatasetError(f"got {path}, which is not a pack or is damaged ({error}); copy or pack it again") from error
    if dataset.checksum() != stored:
        raise DatasetError(
            f"got {path}, whose content does not match its checksum; it is damaged: copy or pack it again"
        )
    return dataset
