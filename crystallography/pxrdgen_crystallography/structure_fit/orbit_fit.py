"""Batched least squares in the free coordinates of one assignment, odd chemistry penalised."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from pxrdgen_crystallography.least_squares.batch import Evaluation, damped_step, minimise
from pxrdgen_crystallography.structure_fit.chemistry import OrbitChemistry
from pxrdgen_crystallography.structure_fit.coordinate_fit import MAX_STEP, U_RANGE, normal_equations, with_u_restraint
from pxrdgen_crystallography.structure_fit.orbit_model import OrbitModel, OrbitParameters


@dataclass(frozen=True, kw_only=True)
class OrbitFit:
    """Fitted arrangements of one assignment.

    Args:
        parameters: free coordinates, scale and U.
        misfit: [M] root-intensity misfit.
        score: [M] root of the objective, see :class:`Chemistry`: what was minimised.
    """

    parameters: OrbitParameters
    misfit: Tensor
    score: Tensor

    def __len__(self) -> int:
        return len(self.parameters)

    def select(self, rows: Tensor) -> OrbitFit:
        """The arrangements ``rows`` only."""
        return OrbitFit(parameters=self.parameters.select(rows), misfit=self.misfit[rows], score=self.score[rows])


def fit_orbits(model: OrbitModel, chemistry: OrbitChemistry, start: OrbitParameters, *, iterations: int) -> OrbitFit:
    """Minimise misfit^2 plus penalties of every arrangement; a step that does not lower it is taken back."""
    objective = _Objective(model, chemistry, start.u_iso)
    best, misfit, score = minimise(objective, start, len(start), iterations)
    return OrbitFit(parameters=best, misfit=misfit, score=score)


class _Objective:
    def __init__(self, model: OrbitModel, chemistry: OrbitChemistry, u_start: Tensor) -> None:
        self._model, self._chemistry, self._u_start = model, chemistry, u_start

    def evaluate(self, parameters: OrbitParameters, rows: Tensor) -> Evaluation:
        del rows
        residual, jacobian = self._model.residual_and_jacobian(parameters)
        matrix, gradient = normal_equations(residual, jacobian)
        misfit = self._model.misfit_of(residual)
        chemical = self._chemistry.objective(misfit, parameters.free)
        size = chemical.gradient.shape[1]
        matrix[:, :size, :size] += self._model.norm * chemical.matrix
        gradient[:, :size] += self._model.norm * chemical.gradient
        return Evaluation(misfit=misfit, score=chemical.score, matrix=matrix, gradient=gradient)

    def stepped(
        self, parameters: OrbitParameters, matrix: Tensor, gradient: Tensor, damping: Tensor, rows: Tensor
    ) -> OrbitParameters:
        elements = parameters.u_iso.shape[1]
        matrix, gradient = with_u_restraint(matrix, gradient, parameters.u_iso, self._u_start[rows])
        step = damped_step(matrix, gradient, damping)
        moves = step[:, : -1 - elements]
        if moves.shape[1]:
            linear = self._model.orbits.linear
            largest = (moves @ linear.reshape(-1, linear.shape[2]).transpose(0, 1)).abs().amax(dim=1)
            moves = moves * (MAX_STEP / largest.clamp_min(MAX_STEP))[:, None]
        return OrbitParameters(
            free=parameters.free + moves,
            log_scale=parameters.log_scale + step[:, -1 - elements].clamp(-1.0, 1.0),
            u_iso=(parameters.u_iso + step[:, -elements:].clamp(-0.02, 0.02)).clamp(*U_RANGE),
        )
