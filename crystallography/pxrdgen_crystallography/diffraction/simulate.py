"""Powder diffraction of batches of crystals: reflection lists and profiles (closed form of GSAS-II's model).

Integrated intensity of a reflection: I = m |F|^2 LP / V, with m the multiplicity and V the cell's volume.
Differentiable in coordinates, cell, displacement parameters and profile parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace

import torch
from torch import Tensor

from pxrdgen.errors import InstrumentError
from pxrdgen.values.crystal_batch import CrystalBatch
from pxrdgen.values.instrument import Instrument
from pxrdgen_crystallography.diffraction.profile_sum import sum_peaks
from pxrdgen_crystallography.diffraction.reflection_list import ReflectionList
from pxrdgen_crystallography.diffraction.reflections import enumerate_hkl, index_limits, s_squared
from pxrdgen_crystallography.diffraction.structure_factors import structure_factors_squared
from pxrdgen_crystallography.powder_line.strength import lorentz_polarization
from pxrdgen_crystallography.scattering.amplitudes import Scattering, check_species, scattering_of
from pxrdgen_crystallography.scattering.radiation import polarization_of

#: displacement parameter of atoms without one, in A^2: what GSAS-II gives atoms of a CIF.
DEFAULT_U_ISO = 0.01
#: numbers held by one chunk of atoms x reflections; keeps intermediates in cache and memory bounded.
CHUNK_ELEMENTS = 300_000


def simulate_reflections(
    batch: CrystalBatch,
    instrument: Instrument,
    *,
    two_theta_min: float = 5.0,
    two_theta_max: float = 80.0,
    factors: Scattering | None = None,
) -> ReflectionList:
    """Reflections with ``two_theta_min`` < 2theta < ``two_theta_max`` (degrees, first wavelength), with intensities.

    Args:
        factors: tables to use instead of the library's for the radiation.

    Raises:
        InstrumentError: the range is empty or outside 0-180 degrees.
        StructureError: an element without form factor.
        CellError: a cell with too many reflections.
    """
    check_range(two_theta_min, two_theta_max)
    check_species(batch.species)
    tables = (factors or scattering_of(instrument.radiation)).to(dtype=batch.basis.dtype, device=batch.basis.device)
    s_min, s_max = (
        math.sin(math.radians(angle) / 2.0) / instrument.radiation.wavelength
        for angle in (two_theta_min, two_theta_max)
    )
    rows_of_parts = _chunks(batch, s_max)

    def part_of(rows: Tensor) -> ReflectionList:
        return _reflections_of(_trimmed(batch[rows]), instrument, s_min, s_max, tables)

    tensors = (batch.frac_coords, batch.basis, *(() if batch.u_iso is None else (batch.u_iso,)))
    plain = batch.basis.device.type == "cpu" and not any(tensor.requires_grad for tensor in tensors)
    parts = _in_threads(part_of, rows_of_parts) if plain else [part_of(rows) for rows in rows_of_parts]
    return _reassemble(parts, rows_of_parts)


def simulate_profile(
    batch: CrystalBatch,
    instrument: Instrument,
    two_theta: Tensor,
    *,
    background: float = 0.0,
    reflection_range: tuple[float, float] | None = None,
    factors: Scattering | None = None,
) -> Tensor:
    """Profiles [B, G] on a grid ``two_theta`` [G] (degrees, increasing), intensity per centidegree plus ``background``.

    Args:
        reflection_range: only reflections between these angles contribute; default: the ends of the grid.
        factors: tables to use instead of the library's for the radiation.

    Raises:
        InstrumentError: the grid is not increasing or leaves 0-180 degrees.
    """
    check_grid(two_theta)
    low, high = reflection_range or (float(two_theta[0]), float(two_theta[-1]))
    grid = two_theta.to(device=batch.basis.device, dtype=batch.basis.dtype)
    reflections = simulate_reflections(batch, instrument, two_theta_min=low, two_theta_max=high, factors=factors)
    return sum_peaks(reflections, instrument, grid) + background


def check_range(low: float, high: float) -> None:
    """Refuse a 2theta range that is empty or outside 0-180 degrees."""
    if not (math.isfinite(low) and math.isfinite(high) and 0.0 <= low < high <= 180.0):
        raise InstrumentError(f"got a 2theta range {low:g} to {high:g}, expected 0 <= low < high <= 180 degrees")


def check_grid(two_theta: Tensor) -> None:
    """Refuse a grid of fewer than two angles, not increasing, or outside 0-180 degrees."""
    if two_theta.ndim != 1 or two_theta.numel() < 2:
        raise InstrumentError(f"got a grid of shape {tuple(two_theta.shape)}, expected at least two angles in a row")
    if not bool((two_theta[1:] > two_theta[:-1]).all()):
        raise InstrumentError("got a grid whose angles do not increase; give start < stop and a positive step")
    check_range(float(two_theta[0]), float(two_theta[-1]))


def _in_threads(part_of: Callable[[Tensor], ReflectionList], rows_of_parts: list[Tensor]) -> list[ReflectionList]:
    """The parts in order, as many at once as torch has threads: small tensors share cores badly, chunks well."""
    workers = min(torch.get_num_threads(), len(rows_of_parts) // 2)
    if workers < 2:
        return [part_of(rows) for rows in rows_of_parts]
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(workers) as pool:
            return list(pool.map(part_of, rows_of_parts))
    finally:
        torch.set_num_threads(before)


def _reflections_of(
    batch: CrystalBatch, instrument: Instrument, s_min: float, s_max: float, tables: Scattering
) -> ReflectionList:
    wavelength = instrument.radiation.wavelength
    indices = enumerate_hkl(batch.basis, s_min, s_max)
    squared = s_squared(indices.hkl, batch.basis)
    squared = torch.where(indices.mask, squared, torch.full_like(squared, 0.25))
    f_squared = structure_factors_squared(batch, indices.hkl, squared, tables, default_u_iso=DEFAULT_U_ISO)
    f_squared = torch.where(indices.mask, f_squared, torch.zeros_like(f_squared))
    sine = torch.where(indices.mask, torch.sqrt(squared) * wavelength, torch.full_like(squared, 0.5))
    theta = torch.asin(sine)
    multiplicity = 2.0 * indices.mask.to(squared.dtype)
    factor = lorentz_polarization(sine, polarization_of(instrument)) / batch.volume[:, None]
    return ReflectionList(
        hkl=indices.hkl,
        d=0.5 / torch.sqrt(squared),
        two_theta=torch.where(indices.mask, torch.rad2deg(2.0 * theta), torch.zeros_like(theta)),
        multiplicity=multiplicity,
        f_squared=f_squared,
        intensity=multiplicity * f_squared * factor,
        mask=indices.mask,
    )


def _chunks(batch: CrystalBatch, s_max: float) -> list[Tensor]:
    """Rows of similar size together, so that padding and memory stay small."""
    atoms, volume = batch.num_atoms, batch.volume.detach()
    limits = index_limits(batch.basis, s_max)
    needs = torch.cat(
        [atoms[:, None], volume[:, None] * (16.0 / 3.0 * math.pi * s_max**3) + 30.0, limits], dim=1
    ).tolist()
    group = ((atoms + 1) // 4).tolist()
    order = sorted(range(len(batch)), key=lambda row: (group[row], needs[row][1]))
    chunks: list[list[int]] = []
    largest: list[float] = []
    for row in order:
        widened = [max(pair) for pair in zip(largest or needs[row], needs[row], strict=True)]
        new_group = bool(chunks) and group[row] != group[chunks[-1][0]]
        if not chunks or new_group or (len(chunks[-1]) + 1) * _numbers_per_row(widened) > CHUNK_ELEMENTS:
            chunks.append([])
            widened = needs[row]
        chunks[-1].append(row)
        largest = widened
    return [torch.tensor(rows, device=batch.basis.device) for rows in chunks]


def _numbers_per_row(needs: list[float]) -> float:
    """Atoms x reflections, or the half box of indices looked through: the larger."""
    atoms, reflections, *limits = needs
    return max(atoms * reflections, (limits[0] + 1.0) * (2.0 * limits[1] + 1.0) * (2.0 * limits[2] + 1.0))


def _trimmed(batch: CrystalBatch) -> CrystalBatch:
    """Without the columns of atoms that are padding in every row."""
    used = int(batch.mask.any(dim=0).nonzero().max()) + 1 if bool(batch.mask.any()) else 1
    return replace(
        batch,
        species=batch.species[:, :used],
        frac_coords=batch.frac_coords[:, :used],
        mask=batch.mask[:, :used],
        u_iso=None if batch.u_iso is None else batch.u_iso[:, :used],
        occupancy=None if batch.occupancy is None else batch.occupancy[:, :used],
    )


def _reassemble(parts: list[ReflectionList], rows_of_parts: list[Tensor]) -> ReflectionList:
    """Every part's rows to their places, padded to one width."""
    if len(parts) == 1 and len(rows_of_parts[0]) == 1:
        return parts[0]
    rows, width = sum(len(part) for part in rows_of_parts), max(part.mask.shape[1] for part in parts)

    def joined(name: str) -> Tensor:
        first: Tensor = getattr(parts[0], name)
        whole = first.new_full((rows, width, *first.shape[2:]), 1.0 if name == "d" else 0)
        for part, places in zip(parts, rows_of_parts, strict=True):
            value: Tensor = getattr(part, name)
            whole[places, : value.shape[1]] = value
        return whole

    return ReflectionList(**{field.name: joined(field.name) for field in fields(ReflectionList)})
