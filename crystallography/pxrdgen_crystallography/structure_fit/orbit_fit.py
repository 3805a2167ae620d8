"""Batched least squares in the free coordinates of one assignment, short contacts penalised."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pxrdgen.values.intensity_target import IntensityTarget
from pxrdgen_crystallography.least_squares.batch import Evaluation, damped_step, minimise
from pxrdgen_crystallography.structure_fit.contact_prior import STRENGTH, usual_contacts
from pxrdgen_crystallography.structure_fit.coordinate_fit import MAX_STEP, U_RANGE, normal_equations, with_u_restraint
from pxrdgen_crystallography.structure_fit.orbit_model import OrbitMap, OrbitModel, OrbitParameters


@dataclass(frozen=True, kw_only=True)
class OrbitFit:
    """Fitted arrangements of one assignment.

    Args:
        parameters: free coordinates, scale and U.
        misfit: [M] root-intensity misfit.
        score: [M] sqrt(misfit^2 + contact penalty), what was minimised.
    """

    parameters: OrbitParameters
    misfit: Tensor
    score: Tensor

    def __len__(self) -> int:
        return len(self.parameters)

    def select(self, rows: Tensor) -> OrbitFit:
        """The arrangements ``rows`` only."""
        return OrbitFit(parameters=self.parameters.select(rows), misfit=self.misfit[rows], score=self.score[rows])


class OrbitContacts:
    """The penalty of :class:`ContactPenalty`, looked at from one atom of each orbit.

    sum over orbits of multiplicity / 2 times the penalty of its first atom's contacts, nearest image of each neighbour.
    """

    def __init__(self, target: IntensityTarget, orbits: OrbitMap) -> None:
        usual = torch.as_tensor(usual_contacts(target.elements.numpy()), dtype=torch.float32)
        usual = usual[target.element_of][:, target.element_of]
        atoms = int(target.species.numel())
        first = (orbits.orbit[1:] != orbits.orbit[:-1]).nonzero().squeeze(1) + 1
        first = torch.cat([torch.zeros(1, dtype=torch.long), first])
        sizes = torch.bincount(orbits.orbit)
        own = first.repeat_interleave(atoms)
        other = torch.arange(atoms).repeat(len(first))
        kept = own != other
        own, other = own[kept], other[kept]
        self._weight = (0.5 * sizes[orbits.orbit[own]]).float()
        self._usual = usual[own, other]
        basis = target.basis.float()
        self._basis = basis
        self._along = orbits.linear[own] - orbits.linear[other]
        self._apart = orbits.constant[own] - orbits.constant[other]
        self._moves = torch.einsum("qip,ij->qjp", self._along, basis)

    def value_and_normal(self, free: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Penalty [M], Gauss-Newton matrix [M, P, P] and gradient [M, P] of half the penalty."""
        count, freedom = free.shape
        if self._usual.numel() == 0:
            return free.new_zeros(count), free.new_zeros(count, freedom, freedom), free.new_zeros(count, freedom)
        vector = torch.einsum("qip,mp->mqi", self._along, free) + self._apart
        vector = (vector - torch.round(vector)) @ self._basis
        distance = torch.linalg.vector_norm(vector, dim=-1).clamp_min(0.05)
        overlap = (STRENGTH * (1.0 - distance / self._usual)).clamp_min(0.0)
        penalty = (self._weight * overlap**2).sum(1)
        if freedom == 0:
            return penalty, free.new_zeros(count, 0, 0), free.new_zeros(count, 0)
        row, pair = overlap.nonzero(as_tuple=True)
        slope = -STRENGTH * vector[row, pair] / (distance[row, pair] * self._usual[pair])[:, None]
        slope = (slope[:, None, :] @ self._moves[pair]).squeeze(1) * self._weight[pair, None].sqrt()
        pull = slope * (overlap[row, pair] * self._weight[pair].sqrt())[:, None]
        gradient = free.new_zeros(count, freedom).index_add_(0, row, pull)
        blocks = (slope[:, :, None] * slope[:, None, :]).view(-1, freedom * freedom)
        matrix = free.new_zeros(count, freedom * freedom).index_add_(0, row, blocks)
        return penalty, matrix.view(count, freedom, freedom), gradient


def fit_orbits(model: OrbitModel, contacts: OrbitContacts, start: OrbitParameters, *, iterations: int) -> OrbitFit:
    """Minimise misfit^2 plus contact penalty of every arrangement; a step that does not lower it is taken back."""
    objective = _Objective(model, contacts, start.u_iso)
    best, misfit, score = minimise(objective, start, len(start), iterations)
    return OrbitFit(parameters=best, misfit=misfit, score=score)


class _Objective:
    def __init__(self, model: OrbitModel, contacts: OrbitContacts, u_start: Tensor) -> None:
        self._model, self._contacts, self._u_start = model, contacts, u_start

    def evaluate(self, parameters: OrbitParameters, rows: Tensor) -> Evaluation:
        del rows
        residual, jacobian = self._model.residual_and_jacobian(parameters)
        matrix, gradient = normal_equations(residual, jacobian)
        misfit = self._model.misfit_of(residual)
        penalty, blocks, pull = self._contacts.value_and_normal(parameters.free)
        size = pull.shape[1]
        matrix[:, :size, :size] += self._model.norm * blocks
        gradient[:, :size] += self._model.norm * pull
        return Evaluation(misfit=misfit, score=torch.sqrt(misfit**2 + penalty), matrix=matrix, gradient=gradient)

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
