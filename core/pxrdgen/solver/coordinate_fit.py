"""Batched Levenberg-Marquardt on grouped intensities: coordinates, scale and U of every candidate at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pxrdgen.solver.contact_prior import ContactPenalty
from pxrdgen.solver.grouped_model import GroupedModel, GroupedParameters

#: a step moves no coordinate further than this fraction of the cell.
MAX_STEP = 0.15
#: displacement parameters stay within this range, A^2.
U_RANGE = (0.0005, 0.08)
#: weight of the restraint that keeps U near its start, in root-intensity units per A^2.
U_RESTRAINT = 3.0
START_DAMPING, LEAST_DAMPING, MOST_DAMPING = 0.1, 1e-7, 1e4
#: factors on the damping after a step that is kept and one that is taken back; above the third, a candidate may rest.
LOWER, HIGHER, RESTING_DAMPING = 0.5, 3.0, 10.0
#: a candidate rests when this many steps in a row gained less than this fraction (steps taken back count only late).
PATIENCE, LEAST_GAIN = 4, 2e-3


@dataclass(frozen=True, kw_only=True)
class CoordinateFit:
    """Fitted arrangements, in the order they were given.

    Args:
        parameters: coordinates, scale and U.
        misfit: [M] root-intensity misfit, see :meth:`GroupedModel.misfit`.
        score: [M] sqrt(misfit^2 + contact penalty), what was minimised.
    """

    parameters: GroupedParameters
    misfit: Tensor
    score: Tensor

    def select(self, rows: Tensor) -> CoordinateFit:
        """The arrangements ``rows`` only."""
        return CoordinateFit(parameters=self.parameters.select(rows), misfit=self.misfit[rows], score=self.score[rows])


def fit_coordinates(
    model: GroupedModel,
    start: GroupedParameters,
    *,
    iterations: int = 30,
    contacts: ContactPenalty | None = None,
    constraint: Tensor | None = None,
    free_u: bool = True,
) -> CoordinateFit:
    """Minimise misfit^2 plus contact penalty of every arrangement; a step that does not lower it is taken back.

    Args:
        contacts: penalty on short contacts, if wanted.
        constraint: [3 N, P] directions the coordinates may move in (orthonormal columns), default all.
        free_u: whether the displacement parameters of the elements move.
    """
    best = start
    score = torch.full((start.log_scale.shape[0],), float("inf"))
    misfit = score.clone()
    damping = torch.full_like(score, START_DAMPING)
    idle = torch.zeros_like(score, dtype=torch.long)
    active = torch.arange(score.shape[0])
    trial = start
    stored: _Normal | None = None
    for _ in range(iterations + 1):
        residual, jacobian = model.residual_and_jacobian(trial)
        fresh = _normal_equations(jacobian, residual, constraint)
        trial_misfit = model.misfit_of(residual)
        new = trial_misfit
        if contacts is not None:
            penalty, fresh = _with_contacts(contacts, trial.frac_coords, fresh, model.norm, constraint)
            new = torch.sqrt(new**2 + penalty)
        old = score[active]
        better = new < old
        gained = (old - new) > LEAST_GAIN * old
        # a step taken back says the damping was too low, not that the candidate is at rest
        slow = torch.where(better, ~gained, damping[active] > RESTING_DAMPING)
        idle[active] = torch.where(gained | torch.isinf(old), torch.zeros_like(idle[active]), idle[active] + slow)
        score[active] = torch.where(better, new, old)
        misfit[active] = torch.where(better, trial_misfit, misfit[active])
        damping[active] = torch.where(better, damping[active] * LOWER, damping[active] * HIGHER).clamp(
            LEAST_DAMPING, MOST_DAMPING
        )
        best = _scattered(best, active, trial.where(better, best.select(active)))
        stored = fresh if stored is None else fresh.where(better, stored)
        keep = (idle[active] < PATIENCE).nonzero().squeeze(1)
        if keep.numel() == 0:
            break
        if keep.numel() < active.numel():
            active, stored = active[keep], stored.select(keep)
        trial = _stepped(best.select(active), stored, damping[active], start.u_iso[active], constraint, free_u)
    return CoordinateFit(parameters=best, misfit=misfit, score=score)


@dataclass(frozen=True)
class _Normal:
    matrix: Tensor
    gradient: Tensor

    def where(self, better: Tensor, other: _Normal) -> _Normal:
        return _Normal(
            torch.where(better[:, None, None], self.matrix, other.matrix),
            torch.where(better[:, None], self.gradient, other.gradient),
        )

    def select(self, rows: Tensor) -> _Normal:
        return _Normal(self.matrix[rows], self.gradient[rows])


def _normal_equations(jacobian: Tensor, residual: Tensor, constraint: Tensor | None) -> _Normal:
    """J^T J [M, P, P] and J^T r [M, P], double precision."""
    if constraint is not None:
        columns = constraint.shape[0]
        jacobian = torch.cat([jacobian[..., :columns] @ constraint, jacobian[..., columns:]], dim=-1)
    transposed = jacobian.transpose(1, 2)
    matrix = (transposed @ jacobian).double()
    gradient = (transposed @ residual.transpose(0, 1)[..., None]).squeeze(-1).double()
    return _Normal(matrix, gradient)


def _with_contacts(
    contacts: ContactPenalty, frac_coords: Tensor, normal: _Normal, norm: Tensor, constraint: Tensor | None
) -> tuple[Tensor, _Normal]:
    """Penalty [M] and the normal equations with it; ``norm`` turns units of misfit^2 into units of residual^2."""
    penalty, matrix, gradient = contacts.value_and_normal(frac_coords)
    if constraint is not None:
        matrix, gradient = constraint.transpose(0, 1) @ matrix @ constraint, gradient @ constraint
    size = gradient.shape[1]
    normal.matrix[:, :size, :size] += norm * matrix
    normal.gradient[:, :size] += norm * gradient
    return penalty, normal


def _stepped(
    parameters: GroupedParameters,
    normal: _Normal,
    damping: Tensor,
    u_start: Tensor,
    constraint: Tensor | None,
    free_u: bool,
) -> GroupedParameters:
    elements = parameters.u_iso.shape[1]
    matrix, gradient = normal.matrix.clone(), normal.gradient.clone()
    if free_u:
        diagonal = matrix.diagonal(dim1=-2, dim2=-1)
        diagonal[:, -elements:] += U_RESTRAINT**2
        gradient[:, -elements:] += U_RESTRAINT**2 * (parameters.u_iso - u_start).double()
    else:
        matrix[:, -elements:, :] = 0.0
        matrix[:, :, -elements:] = 0.0
        matrix.diagonal(dim1=-2, dim2=-1)[:, -elements:] = 1.0
        gradient[:, -elements:] = 0.0
    diagonal = matrix.diagonal(dim1=-2, dim2=-1)
    # origin shifts leave the intensities alone, so the matrix is singular without an absolute term
    scale = diagonal.mean(dim=-1, keepdim=True)
    diagonal += damping.double()[:, None] * (diagonal + 0.1 * scale) + 1e-7 * scale + 1e-12
    factor, _ = torch.linalg.cholesky_ex(matrix)
    step = torch.cholesky_solve(-gradient[..., None], factor).squeeze(-1).float()
    step = torch.nan_to_num(step, nan=0.0, posinf=0.0, neginf=0.0)
    moves = step[:, : -1 - elements]
    if constraint is not None:
        moves = moves @ constraint.transpose(0, 1)
    moves = moves.reshape(parameters.frac_coords.shape)
    largest = moves.abs().amax(dim=(1, 2))
    moves = moves * (MAX_STEP / largest.clamp_min(MAX_STEP))[:, None, None]
    return GroupedParameters(
        frac_coords=parameters.frac_coords + moves,
        log_scale=parameters.log_scale + step[:, -1 - elements].clamp(-1.0, 1.0),
        u_iso=(parameters.u_iso + step[:, -elements:].clamp(-0.02, 0.02)).clamp(*U_RANGE),
        texture=parameters.texture,
    )


def _scattered(whole: GroupedParameters, rows: Tensor, part: GroupedParameters) -> GroupedParameters:
    """``whole`` with ``rows`` replaced by ``part``."""
    return GroupedParameters(
        frac_coords=whole.frac_coords.index_copy(0, rows, part.frac_coords),
        log_scale=whole.log_scale.index_copy(0, rows, part.log_scale),
        u_iso=whole.u_iso.index_copy(0, rows, part.u_iso),
        texture=whole.texture,
    )
