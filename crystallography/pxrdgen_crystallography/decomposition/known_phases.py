"""Impurities whose structures are known: their profiles, scaled, join the background that the unknown is fitted on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import nnls

from pxrdgen.values.crystal import Crystal
from pxrdgen.values.crystal_batch import CrystalBatch
from pxrdgen.values.prepared_pattern import PreparedPattern
from pxrdgen_crystallography.decomposition.decompose import Decomposition, decompose
from pxrdgen_crystallography.diffraction import simulate_profile

FloatArray = NDArray[np.float64]

#: isotropic strains of a known cell that are tried: published cells are that far off by temperature and calibration.
STRAINS = np.linspace(-0.004, 0.004, 17)
#: a point belongs to the impurities where the unknown's own lines give less than this many standard uncertainties.
CLEAR = 1.0
#: fewest such points that may decide; below, all points do.
ENOUGH_POINTS = 50
#: fits of known crystals, each after a decomposition that knows the last.
ROUNDS = 2


@dataclass(frozen=True, kw_only=True)
class KnownPhases:
    """Fitted impurities.

    Args:
        profile: [G] their sum, in the pattern's units.
        notes: a sentence on each.
        crystals: with the strains found.
    """

    profile: FloatArray
    notes: tuple[str, ...] = ()
    crystals: tuple[Crystal, ...] = ()


def decompose_with_known_phases(
    prepared: PreparedPattern, basis: FloatArray, crystals: Sequence[Crystal] = ()
) -> tuple[Decomposition, KnownPhases]:
    """A prepared pattern taken apart in the cell ``basis`` [3, 3], with known crystals as part of its background."""
    known = KnownPhases(profile=np.zeros(len(prepared.pattern)))
    decomposition = _decompose(prepared, basis, known)
    for _ in range(ROUNDS if crystals else 0):
        known = fit_known_phases(crystals, prepared, decomposition, known.profile)
        decomposition = _decompose(prepared, basis, known)
    return decomposition, known


def _decompose(prepared: PreparedPattern, basis: FloatArray, known: KnownPhases) -> Decomposition:
    pattern = prepared.pattern
    return decompose(
        pattern.two_theta,
        pattern.intensity,
        pattern.uncertainty,
        prepared.background + known.profile,
        prepared.instrument,
        basis,
        background_su=prepared.background_su,
    )


def fit_known_phases(
    crystals: Sequence[Crystal], prepared: PreparedPattern, decomposition: Decomposition, inside: FloatArray
) -> KnownPhases:
    """Scale, and one strain each, of known crystals where the lines of the unknown's cell leave the pattern to them.

    Widths, zero and lines are the decomposition's. Scales are a non-negative least-squares fit. ``inside`` [G] is the
    part of the decomposition's background that an earlier fit put there.
    """
    pattern = prepared.pattern
    sigma = pattern.uncertainty
    net = pattern.intensity - (decomposition.background - inside)
    own = decomposition.shapes @ decomposition.intensity
    clear = own < CLEAR * sigma
    if np.count_nonzero(clear) < ENOUGH_POINTS:
        clear = np.ones_like(clear)
    weight = clear / sigma
    chosen = [_best_strain(crystal, pattern.two_theta, net * weight, weight, decomposition) for crystal in crystals]
    profiles = np.stack([profile for _, profile in chosen], axis=1)
    scales, _ = nnls(profiles * weight[:, None], net * weight)
    total = float(np.sum(np.maximum(net, 0.0)))
    notes = []
    for crystal, (strain, profile), scale in zip(crystals, chosen, scales, strict=True):
        share = scale * float(profile.sum()) / max(total, 1e-30)
        name = crystal.name or crystal.formula
        notes.append(f"impurity {name}: {share:.1%} of the net intensity, its cell scaled by {1.0 + strain:.4f}")
    return KnownPhases(
        profile=np.asarray(profiles @ scales, dtype=np.float64),
        notes=tuple(notes),
        crystals=tuple(
            replace(crystal, basis=crystal.basis * (1.0 + strain))
            for crystal, (strain, _) in zip(crystals, chosen, strict=True)
        ),
    )


def _best_strain(
    crystal: Crystal, grid: FloatArray, weighted_net: FloatArray, weight: FloatArray, decomposition: Decomposition
) -> tuple[float, FloatArray]:
    """The strain whose profile [G] explains most of the net intensity, and that profile."""
    most, best = -1.0, (0.0, np.zeros_like(grid))
    for strain in STRAINS.tolist():
        strained = replace(crystal, basis=crystal.basis * (1.0 + strain))
        batch = CrystalBatch.from_crystals([strained], dtype=torch.float64)
        with torch.no_grad():
            profile = simulate_profile(batch, decomposition.instrument, torch.from_numpy(grid))[0].numpy()
        column = profile * weight
        gain = max(float(column @ weighted_net), 0.0) ** 2 / max(float(column @ column), 1e-30)
        if gain > most:
            most, best = gain, (strain, profile)
    return best
