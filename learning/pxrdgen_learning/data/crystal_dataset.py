"""Many crystals as a few packed arrays. Needs numpy; torch only where tensors are asked for."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import DatasetError, nearest
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.elements import SYMBOLS

if TYPE_CHECKING:
    import torch

    from pxrdgen.values.crystal_batch import CrystalBatch

IntArray = NDArray[np.int64]

#: Upper edges of the size buckets of the benchmarks, in atoms; the last is open.
BUCKET_EDGES = (4, 8, 12, 20)
#: Name and version of the content; part of the checksum.
FORMAT = "pxrdgen crystals 1"


@dataclass(frozen=True, kw_only=True)
class SizeBucket:
    """Rows of crystals with ``smallest`` to ``largest`` atoms."""

    smallest: int
    largest: int
    rows: IntArray

    @property
    def label(self) -> str:
        """``"5-8"``."""
        return f"{self.smallest}-{self.largest}"


@dataclass(frozen=True, kw_only=True)
class CrystalDataset:
    """M crystals; atoms of all of them concatenated, A in total.

    Args:
        ids: [M] distinct names.
        source, split, formula: [M] text.
        num_atoms: [M] int64.
        space_group: [M] int64, 1-230, 0 where unknown.
        basis: [M, 3, 3] float32, rows a, b, c in A.
        species: [A] uint8 atomic numbers.
        frac_coords: [A, 3] float32.

    Raises:
        DatasetError: shapes disagree, two crystals share an id, an atomic number outside 1-118, values not finite.
    """

    ids: NDArray[np.str_]
    source: NDArray[np.str_]
    split: NDArray[np.str_]
    formula: NDArray[np.str_]
    num_atoms: IntArray
    space_group: IntArray
    basis: NDArray[np.float32]
    species: NDArray[np.uint8]
    frac_coords: NDArray[np.float32]

    def __post_init__(self) -> None:
        for name, kind in KINDS.items():
            array = np.ascontiguousarray(getattr(self, name), dtype=kind)
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        rows, atoms = self.ids.shape[0], int(self.num_atoms.sum())
        expected: dict[str, tuple[int, ...]] = dict.fromkeys(KINDS, (rows,))
        expected |= {"basis": (rows, 3, 3), "species": (atoms,), "frac_coords": (atoms, 3)}
        for name, shape in expected.items():
            if getattr(self, name).shape != shape:
                raise DatasetError(
                    f"got {name} of shape {getattr(self, name).shape}, expected {shape}; is the file damaged?"
                )
        if rows and self.num_atoms.min() < 1:
            raise DatasetError(f"got crystal {self.ids[int(self.num_atoms.argmin())]} without atoms; leave it out")
        if atoms and not 1 <= self.species.min() <= self.species.max() < len(SYMBOLS):
            raise DatasetError(f"got atomic numbers outside 1 to {len(SYMBOLS) - 1}; is the file damaged?")
        if not (np.isfinite(self.basis).all() and np.isfinite(self.frac_coords).all()):
            raise DatasetError("got cells or coordinates that are not finite; is the file damaged?")
        names, counts = np.unique(self.ids, return_counts=True)
        if rows and counts.max() > 1:
            raise DatasetError(
                f"got {int(counts.max())} crystals named {names[counts.argmax()]!r}; ids must be distinct"
            )

    @cached_property
    def offsets(self) -> IntArray:
        """[M + 1] where each crystal's atoms begin in ``species`` and ``frac_coords``."""
        return np.concatenate([[0], np.cumsum(self.num_atoms)]).astype(np.int64)

    def __len__(self) -> int:
        return int(self.ids.shape[0])

    def __getitem__(self, row: int) -> Crystal:
        """One crystal, named by its id."""
        index = range(len(self))[row]
        atoms = slice(int(self.offsets[index]), int(self.offsets[index + 1]))
        return Crystal(
            species=self.species[atoms].astype(np.int64),
            frac_coords=self.frac_coords[atoms].astype(np.float64),
            basis=self.basis[index].astype(np.float64),
            name=str(self.ids[index]),
        )

    def __iter__(self) -> Iterator[Crystal]:
        return (self[row] for row in range(len(self)))

    @classmethod
    def from_crystals(
        cls,
        crystals: Sequence[Crystal],
        *,
        source: str = "",
        split: Sequence[str] | str = "",
        formula: Sequence[str] | None = None,
        space_group: Sequence[int] | None = None,
    ) -> CrystalDataset:
        """Pack crystals; ids are their names."""
        count = len(crystals)
        none = np.zeros((0, 3), dtype=np.float32)
        return cls(
            ids=np.array([crystal.name for crystal in crystals], dtype=np.str_),
            source=np.full(count, source, dtype=f"<U{max(len(source), 1)}"),
            split=np.array([split] * count if isinstance(split, str) else split, dtype=np.str_),
            formula=np.array(formula or [_reduced_formula(crystal) for crystal in crystals], dtype=np.str_),
            num_atoms=np.array([len(crystal) for crystal in crystals], dtype=np.int64),
            space_group=np.array(space_group or [0] * count, dtype=np.int64),
            basis=np.array([crystal.basis for crystal in crystals], dtype=np.float32).reshape(count, 3, 3),
            species=np.concatenate([np.zeros(0, dtype=np.uint8), *(c.species.astype(np.uint8) for c in crystals)]),
            frac_coords=np.concatenate([none, *(c.frac_coords.astype(np.float32) for c in crystals)]),
        )

    @classmethod
    def concatenate(cls, datasets: Sequence[CrystalDataset]) -> CrystalDataset:
        """All crystals of several datasets, in order.

        Raises:
            DatasetError: none was given, or two share an id.
        """
        if not datasets:
            raise DatasetError("got no datasets to join; expected at least one")
        return cls(**{name: np.concatenate([getattr(dataset, name) for dataset in datasets]) for name in KINDS})

    def take(self, rows: Sequence[int] | NDArray[np.integer]) -> CrystalDataset:
        """The crystals of some rows, in that order."""
        index = np.asarray(rows, dtype=np.int64).reshape(-1)
        index = np.where(index < 0, index + len(self), index)
        if index.size and not 0 <= index.min() <= index.max() < len(self):
            raise DatasetError(f"got row {int(index.max())} of a dataset of {len(self)} crystals")
        atoms = self._atom_rows(index)
        chosen = {name: getattr(self, name)[atoms if name in PER_ATOM else index] for name in KINDS}
        return CrystalDataset(**chosen)

    def select(
        self,
        *,
        split: str | Iterable[str] | None = None,
        source: str | Iterable[str] | None = None,
        max_atoms: int | None = None,
    ) -> CrystalDataset:
        """The crystals of some splits, sources and sizes.

        Raises:
            DatasetError: an unknown split or source.
        """
        keep = np.ones(len(self), dtype=bool)
        for what, wanted in (("split", split), ("source", source)):
            if wanted is not None:
                names = {wanted} if isinstance(wanted, str) else set(wanted)
                present = set(getattr(self, what).tolist())
                for name in sorted(names - present):
                    raise DatasetError(
                        f"got the {what} {name!r}, expected one of {', '.join(sorted(present))}{nearest(name, present)}"
                    )
                keep &= np.isin(getattr(self, what), list(names))
        if max_atoms is not None:
            keep &= self.num_atoms <= max_atoms
        return self.take(np.flatnonzero(keep))

    def by_ids(self, ids: Sequence[str]) -> CrystalDataset:
        """The crystals of these ids, in that order.

        Raises:
            DatasetError: an unknown id.
        """
        rows = {name: row for row, name in enumerate(self.ids.tolist())}
        missing = [name for name in ids if name not in rows]
        if missing:
            raise DatasetError(
                f"got {len(missing)} id(s) that the dataset lacks, the first {missing[0]!r}{nearest(missing[0], rows)}"
            )
        return self.take([rows[name] for name in ids])

    def to_batch(
        self,
        rows: Sequence[int] | NDArray[np.integer] | None = None,
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str = "cpu",
    ) -> CrystalBatch:
        """Some rows (default all) as padded tensors; ``dtype`` defaults to float32.

        Raises:
            DatasetError: no rows.
        """
        import torch

        from pxrdgen.values.crystal_batch import CrystalBatch

        index = np.arange(len(self)) if rows is None else np.asarray(rows, dtype=np.int64).reshape(-1)
        if not index.size:
            raise DatasetError("got no rows to batch; expected at least one")
        counts = self.num_atoms[index]
        mask = np.arange(int(counts.max())) < counts[:, None]
        species = np.zeros(mask.shape, dtype=np.int64)
        coords = np.zeros((*mask.shape, 3), dtype=np.float32)
        atoms = self._atom_rows(index)
        species[mask] = self.species[atoms]
        coords[mask] = self.frac_coords[atoms]
        return CrystalBatch(
            species=torch.as_tensor(species, device=device),
            frac_coords=torch.as_tensor(coords, dtype=dtype, device=device),
            basis=torch.as_tensor(self.basis[index], dtype=dtype, device=device),
            mask=torch.as_tensor(mask, device=device),
        )

    def size_buckets(self, edges: Sequence[int] = BUCKET_EDGES) -> tuple[SizeBucket, ...]:
        """Rows by number of atoms: up to the first edge, up to the second, ..., and the rest; empty ones left out."""
        largest = max(int(self.num_atoms.max(initial=0)), max(edges) + 1)
        bounds = [0, *sorted(edges), largest]
        buckets: list[SizeBucket] = []
        for low, high in itertools.pairwise(bounds):
            rows = np.flatnonzero((self.num_atoms > low) & (self.num_atoms <= high))
            if rows.size:
                buckets.append(SizeBucket(smallest=low + 1, largest=high, rows=rows))
        return tuple(buckets)

    def checksum(self) -> str:
        """SHA-256 of the content, the same on every machine and for every way of compressing it."""
        digest = hashlib.sha256(FORMAT.encode())
        for name in sorted(KINDS):
            array: NDArray[Any] = getattr(self, name)
            if array.dtype.kind == "U":
                content = "\0".join(array.tolist()).encode()
            else:
                content = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
            digest.update(f"{name} {array.shape} {len(content)}\n".encode())
            digest.update(content)
        return digest.hexdigest()

    def _atom_rows(self, index: IntArray) -> IntArray:
        """Rows of ``species`` that belong to some crystals, crystal by crystal."""
        counts = self.num_atoms[index]
        within = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
        rows: IntArray = np.repeat(self.offsets[index], counts) + within
        return rows


#: Arrays with one row an atom.
PER_ATOM = frozenset({"species", "frac_coords"})
#: The arrays of a dataset and the type each is stored in.
KINDS: dict[str, Any] = {field.name: np.str_ for field in fields(CrystalDataset)}
KINDS |= {"num_atoms": np.int64, "space_group": np.int64, "basis": np.float32}
KINDS |= {"species": np.uint8, "frac_coords": np.float32}


def _reduced_formula(crystal: Crystal) -> str:
    from pxrdgen.values.composition import Composition

    numbers, counts = np.unique(crystal.species, return_counts=True)
    factor = np.gcd.reduce(counts)
    return Composition(tuple((int(z), int(n // factor)) for z, n in zip(numbers, counts, strict=True))).formula
