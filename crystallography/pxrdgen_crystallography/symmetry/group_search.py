"""The outside search for symmetry: moyo first, spglib where moyo gives up. Nothing else imports either for this."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pxrdgen.errors import SymmetryError
from pxrdgen.values.crystal import Crystal

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# moyo logs every large displacement; what matters of it is in SymmetrisedCrystal.max_displacement.
logging.getLogger("moyo").addHandler(logging.NullHandler())


@dataclass(frozen=True, kw_only=True)
class FoundGroup:
    """What a search says about one cell, with its noise.

    Args:
        number: space group 1 to 230.
        hall_number: 1 to 530, the setting of the standard cell.
        linear: [3, 3] standard basis (columns) = input basis (columns) @ linear.
        origin: [3] of the standard cell, in input coordinates; x_standard = linear^-1 (x - origin).
        wyckoff_letters: [N] one a site.
    """

    number: int
    hall_number: int
    linear: FloatArray
    origin: FloatArray
    wyckoff_letters: tuple[str, ...]


def search_group(crystal: Crystal, tolerance: float) -> FoundGroup:
    """The space group of a cell within a distance tolerance in A, in the reference setting (origin 2, hexagonal axes).

    spglib: Togo, Shinohara & Tanaka 2024, doi:10.1080/27660400.2024.2384822; moyo is its successor in Rust.

    Raises:
        SymmetryError: neither program finds a group (atoms that coincide within the tolerance, for instance).
    """
    try:
        return _moyo(crystal, tolerance)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic in Rust is no Exception; here it only means that moyo gave up
        fallback = _spglib(crystal, tolerance)
        if fallback is None:
            raise SymmetryError(
                f"got a crystal {crystal.formula} without a recognisable space group at {tolerance:g} A ({error}); "
                "expected distinct atoms; try a smaller tolerance"
            ) from error
        return fallback


def group_operations(hall_number: int) -> tuple[IntArray, FloatArray]:
    """Exact operations [G, 3, 3] and [G, 3] of a Hall number, from spglib's table; centring translations included."""
    import spglib

    table = spglib.get_symmetry_from_database(hall_number)
    if table is None:
        raise SymmetryError(f"got the Hall number {hall_number}, expected 1 to 530")
    rotations = np.asarray(table["rotations"], dtype=np.int64)
    translations = np.rint(np.asarray(table["translations"], dtype=np.float64) * 24.0) / 24.0
    return rotations, translations % 1.0


def _moyo(crystal: Crystal, tolerance: float) -> FoundGroup:
    import moyopy

    cell = moyopy.Cell(crystal.basis.tolist(), crystal.frac_coords.tolist(), crystal.species.tolist())
    found = moyopy.MoyoDataset(cell, symprec=tolerance, setting=moyopy.Setting.standard())
    return FoundGroup(
        number=found.number,
        hall_number=found.hall_number,
        linear=_rational(np.array(found.std_linear, dtype=np.float64)),
        origin=np.array(found.std_origin_shift, dtype=np.float64),
        wyckoff_letters=tuple(found.wyckoffs),
    )


def _spglib(crystal: Crystal, tolerance: float) -> FoundGroup | None:
    import spglib

    try:
        cell = (crystal.basis.tolist(), crystal.frac_coords.tolist(), crystal.species.tolist())
        found = spglib.get_symmetry_dataset(cell, symprec=tolerance, angle_tolerance=-1.0)
    except Exception:  # spglib's error type depends on its version and its environment
        return None
    if found is None:
        return None
    linear = _rational(np.linalg.inv(np.asarray(found.transformation_matrix, dtype=np.float64)))
    return FoundGroup(
        number=int(found.number),
        hall_number=int(found.hall_number),
        linear=linear,
        origin=-linear @ found.origin_shift,
        wyckoff_letters=tuple(found.wyckoffs),
    )


def _rational(linear: FloatArray) -> FloatArray:
    """The same matrix with its entries as exact fractions; whole numbers when the input cell is primitive."""
    for denominator in range(1, 49):
        scaled = np.rint(linear * denominator)
        if np.abs(linear - scaled / denominator).max() < 1e-6:
            return np.asarray(scaled / denominator)
    return linear
