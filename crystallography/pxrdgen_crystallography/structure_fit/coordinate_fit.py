"""Batched least squares on grouped intensities: coordinates, scale and U of every candidate at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pxrdgen_crystallography.least_squares.batch import Evaluation, damped_step, minimise
from pxrdgen_crystallography.structure_fit.chemistry import Chemistry
from pxrdgen_crystallography.structure_fit.grouped_model import GroupedModel, GroupedParameters

#: a step moves no coordinate further than this fraction of the cell.
MAX_STEP = 0.15
#: displacement parameters stay within this range, A^2.
U_RANGE = (0.0005, 0.08)
#: weight of the restraint that keeps U near its start, in root-intensity units per A^2.
U_RESTRAINT = 3.0


@dataclass(frozen=True, kw_only=True)
class CoordinateFit:
    """Fitted arrangements, in the order they were given.

    Args:
        parameters: coordinates, scale and U.
        misfit: [M] root-intensity misfit, see :meth:`GroupedModel.misfit`.
        score: [M] root of the objective, see :class:`Chemistry`: what was minimised.
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
    chemistry: Chemistry | None = None,
    constraint: Tensor | None = None,
    free_u: bool = True,
) -> CoordinateFit:
    """Minimise misfit^2 plus penalties of every arrangement; a step that does not lower it is taken back.

    Args:
        chemistry: penalties on odd distances, if wanted.
        constraint: [3 N, P] directions the coordinates may move in (orthonormal columns; zero columns do nothing),
            or [M, 3 N, P] with directions of their own for each arrangement; default all.
        free_u: whether the displacement parameters of the elements move.
    """
    objective = _Objective(model, start, chemistry, constraint, free_u)
    best, misfit, score = minimise(objective, start, start.log_scale.shape[0], iterations)
    return CoordinateFit(parameters=best, misfit=misfit, score=score)


class _Objective:
    def __init__(
        self,
        model: GroupedModel,
        start: GroupedParameters,
        chemistry: Chemistry | None,
        constraint: Tensor | None,
        free_u: bool,
    ) -> None:
        self._model, self._chemistry, self._constraint = model, chemistry, constraint
        self._u_start, self._free_u = start.u_iso, free_u

    def _constraint_of(self, rows: Tensor) -> Tensor | None:
        own = self._constraint is not None and self._constraint.dim() == 3
        return self._constraint[rows] if own and self._constraint is not None else self._constraint

    def evaluate(self, parameters: GroupedParameters, rows: Tensor) -> Evaluation:
        residual, jacobian = self._model.residual_and_jacobian(parameters)
        constraint = self._constraint_of(rows)
        if constraint is not None:
            columns = constraint.shape[-2]
            jacobian = torch.cat([jacobian[..., :columns] @ constraint, jacobian[..., columns:]], dim=-1)
        matrix, gradient = normal_equations(residual, jacobian)
        misfit = self._model.misfit_of(residual)
        score = misfit
        if self._chemistry is not None:
            chemical = self._chemistry.objective(misfit, parameters.frac_coords)
            blocks, pull, score = chemical.matrix, chemical.gradient, chemical.score
            if constraint is not None:
                transposed = constraint.transpose(-2, -1)
                blocks, pull = transposed @ blocks @ constraint, (transposed @ pull[..., None]).squeeze(-1)
            # misfit^2 is in units of residual^2 over the norm
            size = pull.shape[1]
            matrix[:, :size, :size] += self._model.norm * blocks
            gradient[:, :size] += self._model.norm * pull
        return Evaluation(misfit=misfit, score=score, matrix=matrix, gradient=gradient)

    def stepped(
        self, parameters: GroupedParameters, matrix: Tensor, gradient: Tensor, damping: Tensor, rows: Tensor
    ) -> GroupedParameters:
        elements = parameters.u_iso.shape[1]
        matrix, gradient = with_u_restraint(matrix, gradient, parameters.u_iso, self._u_start[rows], self._free_u)
        step = damped_step(matrix, gradient, damping)
        moves = step[:, : -1 - elements]
        constraint = self._constraint_of(rows)
        if constraint is not None:
            moves = (constraint @ moves[..., None]).squeeze(-1)
        moves = moves.reshape(parameters.frac_coords.shape)
        largest = moves.abs().amax(dim=(1, 2))
        moves = moves * (MAX_STEP / largest.clamp_min(MAX_STEP))[:, None, None]
        return GroupedParameters(
            frac_coords=parameters.frac_coords + moves,
            log_scale=parameters.log_scale + step[:, -1 - elements].clamp(-1.0, 1.0),
            u_iso=(parameters.u_iso + step[:, -elements:].clamp(-0.02, 0.02)).clamp(*U_RANGE),
            texture=parameters.texture,
        )


def normal_equations(residual: Tensor, jacobian: Tensor) -> tuple[Tensor, Tensor]:
    """J^T J [M, P, P] and J^T r [M, P], double precision, of residuals [K, M] and derivatives [M, K, P]."""
    transposed = jacobian.transpose(1, 2)
    matrix = (transposed @ jacobian).double()
    gradient = (transposed @ residual.transpose(0, 1)[..., None]).squeeze(-1).double()
    return matrix, gradient


def with_u_restraint(
    matrix: Tensor, gradient: Tensor, u_iso: Tensor, u_start: Tensor, free_u: bool = True
) -> tuple[Tensor, Tensor]:
    """Normal equations with the displacement parameters, their last columns, held near their start or fixed."""
    matrix, gradient = matrix.clone(), gradient.clone()
    elements = u_iso.shape[1]
    diagonal = matrix.diagonal(dim1=-2, dim2=-1)
    if free_u:
        diagonal[:, -elements:] += U_RESTRAINT**2
        gradient[:, -elements:] += U_RESTRAINT**2 * (u_iso - u_start).double()
    else:
        matrix[:, -elements:, :] = 0.0
        matrix[:, :, -elements:] = 0.0
        diagonal[:, -elements:] = 1.0
        gradient[:, -elements:] = 0.0
    return matrix, gradient
