"""Least squares on what generators propose: a short fit for all, a longer one for the better half, texture last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from pxrdgen.values.candidates import CandidateBatch
from pxrdgen.values.intensity_target import IntensityTarget
from pxrdgen_crystallography.structure_fit.chemistry import Chemistry
from pxrdgen_crystallography.structure_fit.coordinate_fit import CoordinateFit, fit_coordinates
from pxrdgen_crystallography.structure_fit.grouped_model import GroupedModel, GroupedParameters
from pxrdgen_crystallography.structure_fit.texture_fit import TextureFit
from pxrdgen_solver.search.pool import Pool, joined_fits

#: least-squares steps given to every proposal, and to the share of them that then fit best.
FIRST_ITERATIONS, MORE_ITERATIONS, SURVIVORS = 8, 14, 0.5
#: least-squares steps under a new texture.
TEXTURE_ITERATIONS = 6


class CandidateFitter:
    """Fits the candidates of one problem to its grouped intensities, those with a constraint within it."""

    def __init__(self, target: IntensityTarget) -> None:
        self._target = target
        self._model = GroupedModel(target)
        self._chemistry = Chemistry(target)
        self._texture = TextureFit(target, self._model)

    def fit(self, proposals: CandidateBatch, texture: Tensor | None = None) -> Pool:
        """The better half of the proposals, fitted, best first, each under its row of ``texture`` [M, H]."""
        start = self._model.start(proposals.frac_coords)
        if texture is not None:
            start = self._model.rescaled(replace(start, texture=texture))
        constraint = proposals.constraints
        first = self._fit(start, FIRST_ITERATIONS, constraint)
        pool = Pool(
            fit=first, origin=proposals.origin, freedom=freedom_of(proposals, self._target), constraint=constraint
        )
        pool = pool.select(torch.argsort(first.score)[: max(round(SURVIVORS * len(pool)), 1)])
        return replace(pool, fit=self._fit(pool.fit.parameters, MORE_ITERATIONS, pool.constraint))

    def with_texture(self, pool: Pool) -> Pool:
        """Candidates with their own texture, where it helps, fitted a little further."""
        parameters, texture = self._texture.fit(pool.fit.parameters)
        if texture.eq(1.0).all() and pool.fit.parameters.texture is None:
            return pool
        fit = self._fit(parameters, TEXTURE_ITERATIONS, pool.constraint)
        better = fit.score < pool.fit.score
        old = pool.fit.parameters
        kept = old.texture if old.texture is not None else torch.ones_like(texture)
        merged = fit.parameters.where(better, old)
        merged = replace(merged, texture=torch.where(better[:, None], texture, kept))
        result = CoordinateFit(
            parameters=merged,
            misfit=torch.where(better, fit.misfit, pool.fit.misfit),
            score=torch.where(better, fit.score, pool.fit.score),
        )
        return replace(pool, fit=result).best(len(pool), self._target.num_groups)

    def _fit(self, start: GroupedParameters, iterations: int, constraint: tuple[Tensor | None, ...]) -> CoordinateFit:
        """Least squares, arrangements with a constraint within it."""
        bound = torch.tensor([entry is not None for entry in constraint], dtype=torch.bool)
        kinds = [rows for rows in ((~bound).nonzero().squeeze(1), bound.nonzero().squeeze(1)) if len(rows)]
        parts = [
            fit_coordinates(
                self._model,
                start.select(rows),
                iterations=iterations,
                chemistry=self._chemistry,
                constraint=_padded([constraint[int(row)] for row in rows]),
            )
            for rows in kinds
        ]
        if len(parts) == 1:
            return parts[0]
        order = torch.argsort(torch.cat(kinds))
        return joined_fits(parts).select(order)


def joined_batches(batches: Sequence[CandidateBatch], target: IntensityTarget) -> CandidateBatch:
    """The candidates of several batches; of none, a batch without candidates."""
    if not batches:
        return CandidateBatch(frac_coords=torch.zeros(0, int(target.species.numel()), 3), origin=())
    return CandidateBatch(
        frac_coords=torch.cat([batch.frac_coords for batch in batches]),
        origin=sum((batch.origin for batch in batches), ()),
        freedom=torch.cat([freedom_of(batch, target) for batch in batches]),
        constraint=sum((batch.constraints for batch in batches), ()),
    )


def freedom_of(batch: CandidateBatch, target: IntensityTarget) -> Tensor:
    """[M] what the generator says of its candidates, else all coordinates but the origin."""
    if batch.freedom is not None:
        return batch.freedom
    return torch.full((len(batch),), 3 * int(target.species.numel()) - 3)


def _padded(constraints: list[Tensor | None]) -> Tensor | None:
    """[M, 3 N, P] constraints filled up with columns of zeros; ``None`` for unconstrained arrangements."""
    known = [entry for entry in constraints if entry is not None]
    if not known:
        return None
    widest = max(entry.shape[1] for entry in known)
    return torch.stack([torch.nn.functional.pad(entry, (0, widest - entry.shape[1])) for entry in known])
