"""The candidates a search holds: fitted, with where they came from and what their symmetry leaves free."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pxrdgen_crystallography.structure_fit.coordinate_fit import CoordinateFit
from pxrdgen_crystallography.structure_fit.grouped_model import GroupedParameters

#: candidates of one element set this close in score are taken for the same structure.
SAME_SCORE = 1e-4


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Fitted candidates, best first.

    Args:
        fit: parameters, misfit and score.
        origin: generator of each.
        freedom: [M] coordinates its symmetry leaves free, as far as known.
        rounds: rounds done.
        constraint: for each the directions [3 N, P] its coordinates may move in, or ``None`` for all.
    """

    fit: CoordinateFit
    origin: tuple[str, ...]
    freedom: Tensor
    rounds: int = 0
    constraint: tuple[Tensor | None, ...] = ()

    def __post_init__(self) -> None:
        if not self.constraint:
            object.__setattr__(self, "constraint", (None,) * len(self.origin))

    def __len__(self) -> int:
        return len(self.origin)

    @property
    def best_score(self) -> float:
        """Of the first."""
        return float(self.fit.score[0])

    def select(self, rows: Tensor) -> Pool:
        """The candidates ``rows``, in that order."""
        return replace(
            self,
            fit=self.fit.select(rows),
            origin=tuple(self.origin[int(row)] for row in rows),
            freedom=self.freedom[rows],
            constraint=tuple(self.constraint[int(row)] for row in rows),
        )

    def best(self, count: int, groups: int) -> Pool:
        """The ``count`` best that differ in score: half by fit alone, half by fit and freedom together.

        Freedom is weighed as K ln(score^2) + freedom ln K with K ``groups``, so that a symmetric arrangement that fits
        a little worse survives among free ones that fit by numbers.
        """
        order = torch.argsort(self.fit.score)
        score = self.fit.score[order]
        new = torch.ones_like(score, dtype=torch.bool)
        new[1:] = score[1:] - score[:-1] > SAME_SCORE * score[1:].clamp_min(0.02)
        order, score = order[new], score[new]
        criterion = groups * torch.log(score**2 + 1e-5) + self.freedom[order] * math.log(max(groups, 2))
        by_criterion = torch.argsort(criterion)[: count // 2]
        chosen = torch.zeros_like(score, dtype=torch.bool)
        chosen[by_criterion] = True
        chosen[(~chosen).nonzero().squeeze(1)[: count - len(by_criterion)]] = True
        return self.select(order[chosen])

    def best_of_each(self, count: int, groups: int) -> Pool:
        """The ``count`` best with an equal share for each generator, so that none crowds another out."""
        names = tuple(dict.fromkeys(self.origin))
        if len(names) == 1:
            return self.best(count, groups)
        own = [torch.tensor([i for i, name in enumerate(self.origin) if name == wanted]) for wanted in names]
        kept = joined([self.select(rows).best(max(count // len(names), 1), groups) for rows in own])
        return replace(kept.select(torch.argsort(kept.fit.score)), rounds=self.rounds)


def joined(pools: list[Pool]) -> Pool:
    """All candidates of several pools."""
    return Pool(
        fit=joined_fits([pool.fit for pool in pools]),
        origin=sum((pool.origin for pool in pools), ()),
        freedom=torch.cat([pool.freedom for pool in pools]),
        rounds=max(pool.rounds for pool in pools),
        constraint=sum((pool.constraint for pool in pools), ()),
    )


def joined_fits(fits: list[CoordinateFit]) -> CoordinateFit:
    """All arrangements of several fits; those without a texture get an even one where another has some."""
    parameters = [fit.parameters for fit in fits]
    textured = any(part.texture is not None for part in parameters)

    def texture(part: GroupedParameters) -> Tensor:
        reflections = next(p.texture.shape[1] for p in parameters if p.texture is not None)
        return part.texture if part.texture is not None else torch.ones(part.log_scale.shape[0], reflections)

    return CoordinateFit(
        parameters=GroupedParameters(
            frac_coords=torch.cat([part.frac_coords for part in parameters]),
            log_scale=torch.cat([part.log_scale for part in parameters]),
            u_iso=torch.cat([part.u_iso for part in parameters]),
            texture=torch.cat([texture(part) for part in parameters]) if textured else None,
        ),
        misfit=torch.cat([fit.misfit for fit in fits]),
        score=torch.cat([fit.score for fit in fits]),
    )
