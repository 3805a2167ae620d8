"""Evidence of the pattern for each placed space group: absences, intensity statistics, shape of the cell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pxrdgen.values.prepared_pattern import PreparedPattern
from pxrdgen_crystallography.decomposition.decompose import Decomposition
from pxrdgen_crystallography.space_groups.placements import Placement
from pxrdgen_crystallography.space_groups.subgroups import TIGHT
from pxrdgen_solver.space_group.cell_polish import polish
from pxrdgen_solver.space_group.line_fit import LineFit, fit_lines
from pxrdgen_solver.space_group.wilson import expected_scale, line_model, log_likelihoods

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: an intensity above this many standard uncertainties, and this share of the strongest, counts as seen.
SEEN_SU, SEEN_SHARE = 6.0, 0.004


@dataclass(frozen=True, kw_only=True)
class GroupEvidence:
    """What the pattern says of one placement, in natural logarithms.

    Args:
        absences: log likelihood of the lines that the group forbids, relative to their being present; with the log
            likelihood of the cell it demands relative to the cell as fitted.
        statistics: log likelihood of all lines under Wilson statistics of the group; only differences count.
        strain: that makes the cell exactly symmetric.
        forbidden: [F] 2theta (degrees) of lines that are seen but forbidden.
    """

    absences: float
    statistics: float
    strain: float
    forbidden: FloatArray


def evidence_of(
    prepared: PreparedPattern, decomposition: Decomposition, species: IntArray, placements: Sequence[Placement]
) -> list[GroupEvidence]:
    """One entry a placement, in the same order.

    Placements whose cell has the same shape share one fit of line intensities.
    """
    fitted = decomposition.basis @ decomposition.basis.T
    fits: dict[bytes, _CellFit] = {}
    plain = _CellFit(prepared, decomposition, species)
    found = []
    for placement in placements:
        strain = _strain(fitted, placement.metric)
        fit = plain
        if strain > TIGHT:
            key = np.round(placement.metric / np.sqrt(np.outer(np.diag(fitted), np.diag(fitted))), 6).tobytes()
            if key not in fits:
                symmetric = replace(decomposition, basis=_shaped(decomposition.basis, placement.metric))
                # operations act on columns of coordinates, strains want them acting on rows of the basis
                symmetric = polish(prepared, symmetric, placement.rotations.transpose(0, 2, 1))
                fits[key] = _CellFit(prepared, symmetric, species, plain)
            fit = fits[key]
        found.append(fit.evidence(placement, strain))
    return found


class _CellFit:
    """Lines fitted in a cell of one shape."""

    def __init__(
        self,
        prepared: PreparedPattern,
        decomposition: Decomposition,
        species: IntArray,
        plain: _CellFit | None = None,
    ) -> None:
        self.fit = fit_lines(prepared, decomposition)
        self.scale = expected_scale(self.fit, _squared_form_factors(self.fit, decomposition, species))
        # no symmetry but inversion: what every other group is compared with
        general = Placement.without_symmetry(decomposition.basis)
        self.present = log_likelihoods(self.fit, line_model(self.fit, general), self.scale)
        # Laplace: the likelihood of the whole profile, line intensities integrated out
        noise = max((plain or self).fit.chi_squared / self.fit.points, 1.0)
        widths = np.log(math.sqrt(2.0 * math.pi) * self.fit.su)
        self.of_profile = float(np.sum(self.present + widths)) - 0.5 * self.fit.chi_squared / noise
        self.of_cell = self.of_profile - plain.of_profile if plain is not None else 0.0

    def evidence(self, placement: Placement, strain: float) -> GroupEvidence:
        model = line_model(self.fit, placement)
        likelihood = log_likelihoods(self.fit, model, self.scale)
        gone = model.mean == 0
        strongest = float(self.fit.intensity.max())
        seen = (self.fit.intensity > SEEN_SU * self.fit.su) & (self.fit.intensity > SEEN_SHARE * strongest)
        return GroupEvidence(
            absences=float(np.sum((likelihood - self.present)[gone])) + self.of_cell,
            statistics=float(np.sum(likelihood - self.present)),
            strain=strain,
            forbidden=self.fit.two_theta[seen & gone],
        )


def _squared_form_factors(fit: LineFit, decomposition: Decomposition, species: IntArray) -> FloatArray:
    """[K] sum over the atoms of the cell of (f0 + f')^2 + f''^2."""
    import torch

    from pxrdgen_crystallography.scattering.amplitudes import scattering_of

    atoms = torch.as_tensor(species, dtype=torch.int64)
    scattering = scattering_of(decomposition.instrument.radiation)
    squared = scattering.squared(atoms[None], torch.as_tensor(fit.sine**2)[None])[0]
    return np.asarray(squared.sum(dim=0).numpy(), dtype=np.float64)


def _strain(fitted: FloatArray, symmetric: FloatArray) -> float:
    """Largest relative change of a length, or of an angle in radians."""
    scale = np.sqrt(np.outer(np.diag(fitted), np.diag(fitted)))
    change = np.abs(symmetric - fitted) / scale
    return float(max(0.5 * np.diag(change).max(), (change - np.diag(np.diag(change))).max()))


def _shaped(basis: FloatArray, metric: FloatArray) -> FloatArray:
    """The basis nearest to the given one that has this metric tensor: B F with F = (B^-1 M B^-T)^(1/2)."""
    inverse = np.linalg.inv(basis)
    values, vectors = np.linalg.eigh(inverse @ metric @ inverse.T)
    return np.asarray(basis @ (vectors * np.sqrt(values)) @ vectors.T)
