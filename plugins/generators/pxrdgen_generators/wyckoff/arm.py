"""One assignment under trial: starts drawn and fitted a slice at a time, the best kept and kicked."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from pxrdgen_crystallography.structure_fit.chemistry import OrbitChemistry
from pxrdgen_crystallography.structure_fit.orbit_fit import OrbitFit, fit_orbits
from pxrdgen_crystallography.structure_fit.orbit_model import OrbitModel, SymmetricReflections
from pxrdgen_crystallography.wyckoff.coordinates import orbit_map
from pxrdgen_crystallography.wyckoff.positions import CellGroup
from pxrdgen_generators.wyckoff.drawing import Drawing
from pxrdgen_generators.wyckoff.orbit_kicks import kick

#: (share kept, least-squares steps) of each stage of a slice.
STAGES = ((1.0, 6), (0.5, 8), (0.25, 14))
#: fits kept of each assignment.
MEMBERS = 6
#: slices without a better fit after which the members are drawn afresh.
SLICES_AT_REST = 5
#: scores this close, relative to the better one, are taken for the same fit.
SAME_SCORE = 5e-3
#: summed squared overlaps above which a drawn arrangement is not worth fitting.
CROWDED = 0.6
#: operations that building a model and one step of a batch cost beside those that grow with its size.
OVERHEAD = 2.0e4


@dataclass
class Arm:
    """An assignment and what its trials have found.

    Args:
        group: index of its space group.
        orbits: positions of each element.
        freedom: free coordinates, a floating origin not counted.
        log_prior: log probability of group and assignment before any trial.
        starts: arrangements fitted so far.
        hits: times another way has led to the best fit again.
        members: best fits of this generation, without texture; ``None`` before there is one.
        stale: slices since the members got better.
        record: best score of all generations without texture.
        exhausted: nothing more can come of it.
        crowded: slices in which no arrangement had room.
        oriented: best fit of earlier generations or under a texture that makes it better.
    """

    group: int
    orbits: tuple[tuple[int, ...], ...]
    freedom: int
    log_prior: float
    starts: int = 0
    hits: int = 0
    members: OrbitFit | None = field(default=None, repr=False)
    stale: int = 0
    record: float = math.inf
    exhausted: bool = False
    crowded: int = 0
    oriented: OrbitFit | None = field(default=None, repr=False)

    def start_afresh(self) -> None:
        """Forget the members, which kicks do not improve any more; the best fit stays known."""
        if self.members is not None:
            best = self.members.select(self.members.score.argsort()[:1])
            if self.oriented is None or float(best.score[0]) < float(self.oriented.score[0]):
                self.oriented = best
        self.members, self.stale = None, 0

    @property
    def plain_score(self) -> float:
        """Of the best fit without texture, infinite before there is one."""
        return float(self.members.score[0]) if self.members is not None else math.inf

    @property
    def best_score(self) -> float:
        """Of the best fit, infinite before there is one."""
        return min(self.plain_score, float(self.oriented.score[0]) if self.oriented is not None else math.inf)

    @property
    def best_misfit(self) -> float:
        """Of the best fit, infinite before there is one."""
        fits = [fit for fit in (self.members, self.oriented) if fit is not None]
        return min((float(fit.misfit[0]) for fit in fits), default=math.inf)

    @property
    def slice_size(self) -> int:
        """Starts worth drawing at a time: more where there is more to draw."""
        return (1, 6, 12, 20)[self.freedom] if self.freedom < 4 else 32 if self.freedom < 14 else 48


def run_slice(
    arm: Arm, group: CellGroup, reflections: SymmetricReflections, rng: torch.Generator
) -> tuple[OrbitFit | None, float]:
    """Fit one more slice of starts and keep the best with the arm; the new fits, and the operations it took."""
    target = reflections.target
    orbits = orbit_map(group, arm.orbits)
    families = [group.families[index] for chosen in arm.orbits for index in chosen]
    drawing = Drawing(target, orbits, tuple(family.freedom for family in families))
    count = arm.slice_size
    wanted = count if arm.members is None or arm.freedom < 4 else count // 2
    free, crowding = drawing.draw(wanted + wanted // 2 if orbits.freedom else 1, rng)
    order = crowding.argsort()[:wanted]
    free = free[order][crowding[order] < CROWDED]
    fresh = len(free)
    if arm.members is not None and wanted < count:
        parents = arm.members.parameters.free
        free = torch.cat([free, kick(parents, count - wanted, arm.orbits, families, drawing, target, orbits, rng)])
    arm.starts += count
    work = float(len(reflections) * orbits.linear.shape[0])
    if len(free) == 0:
        arm.crowded += 1
        arm.exhausted = arm.crowded >= 2 or orbits.freedom == 0
        return None, OVERHEAD + 4.0 * count * work
    arm.exhausted = orbits.freedom == 0
    model, chemistry = OrbitModel(reflections, orbits), OrbitChemistry(target, orbits)
    fit = OrbitFit(parameters=model.start(free), misfit=torch.zeros(len(free)), score=torch.zeros(len(free)))
    rows = torch.arange(len(free))
    spent = OVERHEAD + 2.0 * count * work
    for share, iterations in STAGES:
        kept = fit.score.argsort()[: max(math.ceil(share * len(free)), 1)]
        fit, rows = fit.select(kept), rows[kept]
        fit = fit_orbits(model, chemistry, fit.parameters, iterations=iterations)
        spent += (iterations + 1) * (len(kept) * work + OVERHEAD)
    remember(arm, fit, rows < fresh)
    return fit, spent


def remember(arm: Arm, fit: OrbitFit, fresh: Tensor) -> None:
    """Keep the best different fits; count how often another way, ``fresh`` starts [M] say, led to the record."""
    lowest = float(fit.score.min())
    arm.stale = 0 if lowest < arm.plain_score * (1.0 - SAME_SCORE) - 1e-4 else arm.stale + 1
    if lowest < arm.record * (1.0 - SAME_SCORE) - 1e-4:
        arm.hits = 0
    else:
        near = (fit.score - arm.record).abs() <= SAME_SCORE * arm.record + 1e-4
        # members that led elsewhere first came to it by themselves
        arm.hits += int(
            (near & fresh).any() or (near.any() and arm.plain_score > arm.record * (1.0 + SAME_SCORE) + 1e-4)
        )
    arm.record = min(arm.record, lowest)
    arm.members = different(fit if arm.members is None else joined(arm.members, fit), MEMBERS)
    if arm.stale >= SLICES_AT_REST:
        arm.start_afresh()


def different(fit: OrbitFit, count: int) -> OrbitFit:
    """The ``count`` best fits with different scores."""
    order = fit.score.argsort()
    score = fit.score[order]
    new = torch.ones_like(score, dtype=torch.bool)
    new[1:] = score[1:] - score[:-1] > SAME_SCORE * score[1:] * 0.2
    return fit.select(order[new][:count])


def joined(first: OrbitFit, second: OrbitFit) -> OrbitFit:
    """The fits of both."""

    def both(name: str) -> Tensor:
        return torch.cat([getattr(first.parameters, name), getattr(second.parameters, name)])

    return OrbitFit(
        parameters=type(first.parameters)(free=both("free"), log_scale=both("log_scale"), u_iso=both("u_iso")),
        misfit=torch.cat([first.misfit, second.misfit]),
        score=torch.cat([first.score, second.score]),
    )
