"""The Bravais lattice behind a cell, within a tolerance, and whether two cells span the same lattice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import CellError
from pxrdgen.values.cell import UnitCell
from pxrdgen_crystallography.lattice.bravais import BRAVAIS_LATTICES, BravaisLattice, cell_of_form, form_of_basis

FloatArray = NDArray[np.float64]

#: numbers of the holohedries, the highest space group of each lattice type.
_BY_NUMBER = {
    225: "Fm-3m",
    229: "Im-3m",
    221: "Pm-3m",
    191: "P6/mmm",
    166: "R-3m",
    139: "I4/mmm",
    123: "P4/mmm",
    69: "Fmmm",
    71: "Immm",
    65: "Cmmm",
    47: "Pmmm",
    12: "C2/m",
    10: "P2/m",
    2: "P-1",
}
_BY_SYMBOL = {lattice.holohedry: lattice for lattice in BRAVAIS_LATTICES}
#: shortest vectors that tell one lattice from another, and how far their lengths may differ.
_VECTORS, SAME_LATTICE = 16, 0.004


@dataclass(frozen=True, kw_only=True)
class LatticeDescription:
    """A lattice in its conventional axes.

    Args:
        lattice: its type.
        parameters: [p] of the quadratic form, 1/A^2.
    """

    lattice: BravaisLattice
    parameters: FloatArray

    @property
    def conventional(self) -> UnitCell:
        """The conventional cell."""
        return cell_of_form(self.parameters @ self.lattice.free)

    @property
    def primitive(self) -> UnitCell:
        """The Niggli-reduced primitive cell."""
        return UnitCell.from_basis(self.lattice.primitive_basis(self.parameters)).niggli()[0]


def describe(basis: FloatArray, tolerance: float = 1e-3) -> LatticeDescription:
    """The most symmetric lattice type within ``tolerance`` (a share of the mean edge) of a primitive basis [3, 3].

    Raises:
        CellError: the basis is degenerate.
    """
    import spglib

    edge = float(abs(np.linalg.det(basis))) ** (1.0 / 3.0)
    try:
        found = spglib.get_symmetry_dataset((basis, [[0.0, 0.0, 0.0]], [1]), symprec=tolerance * edge)  # type: ignore[arg-type]
    except Exception as error:  # spglib raises its own kinds by version
        raise CellError(f"got a basis whose lattice type cannot be found ({error}); expected three vectors") from None
    symbol = "P-1" if found is None else _BY_NUMBER.get(int(found.number), "P-1")
    lattice = _BY_SYMBOL[symbol]
    standard = basis if found is None or symbol == "P-1" else np.asarray(found.std_lattice, dtype=np.float64)
    if symbol == "P-1":
        standard = UnitCell.from_basis(basis).niggli()[0].basis
    form = form_of_basis(standard)
    parameters = np.asarray(np.linalg.lstsq(lattice.free.T, form, rcond=None)[0], dtype=np.float64)
    return LatticeDescription(lattice=lattice, parameters=parameters)


def fingerprint(basis: FloatArray) -> FloatArray:
    """[16] lengths of the shortest lattice vectors of a reduced basis [3, 3] (opposite ones once), rising, in A."""
    grid = np.stack(np.meshgrid(*[np.arange(-3, 4)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    half = grid[len(grid) // 2 + 1 :]
    return np.sort(np.linalg.norm(half @ basis, axis=1))[:_VECTORS]


def same_lattice(first: FloatArray, second: FloatArray, tolerance: float = SAME_LATTICE) -> bool:
    """Whether two fingerprints agree."""
    return bool(np.all(np.abs(first - second) <= tolerance * first))


def is_superlattice(larger: FloatArray, smaller: FloatArray, *, most: int = 8, tolerance: float = SAME_LATTICE) -> int:
    """Index n >= 2 when the reduced basis ``larger`` spans a sublattice of ``smaller`` (n times its volume), else 0."""
    ratio = abs(float(np.linalg.det(larger) / np.linalg.det(smaller)))
    index = round(ratio)
    if not 2 <= index <= most or abs(ratio - index) > 3.0 * tolerance * index:
        return 0
    wanted = fingerprint(larger)
    for form in sublattices(index):
        try:
            reduced = UnitCell.from_basis(form @ smaller).niggli()[0].basis
        except CellError:
            continue
        if same_lattice(fingerprint(reduced), wanted, 2.0 * tolerance):
            return index
    return 0


def relatives(
    basis: FloatArray, smallest: float, largest: float, *, indices: tuple[int, ...] = (2, 3)
) -> list[UnitCell]:
    """Cells of all sublattices of ``basis`` [3, 3] of these indices and of all lattices it is such a sublattice of.

    Those of less than ``smallest`` or more than ``largest`` A^3 are left out. Indexing often lands on a multiple or a
    part of the cell.
    """
    volume = abs(float(np.linalg.det(basis)))
    found = []
    for index in indices:
        for form in sublattices(index):
            for matrix, size in ((form, volume * index), (np.linalg.inv(form.T), volume / index)):
                if not smallest <= size <= largest:
                    continue
                try:
                    found.append(UnitCell.from_basis(matrix @ basis).niggli()[0])
                except CellError:
                    continue
    return found


def sublattices(index: int) -> list[FloatArray]:
    """Hermite normal forms of determinant ``index``."""
    forms: list[FloatArray] = []
    for a in range(1, index + 1):
        if index % a:
            continue
        for b in range(1, index // a + 1):
            if (index // a) % b:
                continue
            c = index // a // b
            forms.extend(
                np.array([[a, x, y], [0, b, z], [0, 0, c]], dtype=np.float64)
                for x in range(b)
                for y in range(c)
                for z in range(c)
            )
    return forms
