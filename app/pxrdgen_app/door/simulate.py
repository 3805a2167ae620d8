"""The Python door to the diffraction engine: ``pxrdgen.simulate(...)`` returns a :class:`PowderPattern`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from pxrdgen.errors import InstrumentError
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.instrument import Instrument, Radiation
from pxrdgen.values.pattern import PowderPattern
from pxrdgen_files.named_instruments import radiation_from


def simulate(
    structure: Crystal | str | Path,
    *,
    instrument: Instrument | str = "laboratory",
    wavelength: Radiation | str | float | None = None,
    low: float = 5.0,
    high: float = 90.0,
    step: float = 0.02,
) -> PowderPattern:
    """The powder pattern of a crystal, noise-free and without background.

    Args:
        structure: a crystal, or its CIF.
        instrument: an :class:`Instrument`, the name of a shipped one or a .instprm file.
        wavelength: a tube or A, in place of the instrument's.
        low, high, step: of the grid, degrees 2theta.

    Raises:
        InputError: the structure, the instrument or the grid cannot be used.
    """
    import torch

    from pxrdgen.values.crystal_batch import CrystalBatch
    from pxrdgen_crystallography.diffraction import simulate_profile
    from pxrdgen_files.cif import read_cif
    from pxrdgen_files.instprm import chosen_instrument

    if not (0.0 <= low < high <= 180.0 and step > 0.0):
        raise InstrumentError(f"got the grid {low:g} {high:g} {step:g}, expected 0 <= low < high <= 180 and a step > 0")
    crystal = structure if isinstance(structure, Crystal) else read_cif(structure)
    chosen = chosen_instrument(instrument) if isinstance(instrument, str) else instrument
    if wavelength is not None:
        radiation = wavelength if isinstance(wavelength, Radiation) else radiation_from(wavelength)[0]
        chosen = replace(chosen, radiation=radiation)
    two_theta = low + step * np.arange(int((high - low) / step + 1.0 + 1e-6), dtype=np.float64)
    batch = CrystalBatch.from_crystals([crystal], dtype=torch.float64)
    with torch.no_grad():
        profile = simulate_profile(batch, chosen, torch.from_numpy(two_theta))[0].numpy()
    return PowderPattern(two_theta=two_theta, intensity=profile, instrument=chosen)
