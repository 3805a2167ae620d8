"""How fast batched least squares is, against scipy, on the same residuals.

Everything runs on one thread, both sides in turn. scipy gets what a user would write: residuals and their analytic
Jacobian in plain numpy, one candidate at a time; and, beside it, the residuals alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from pxrdgen.interfaces.task import Task
from pxrdgen_benchmarks.cases import Column, SimulatedCase
from pxrdgen_benchmarks.crystal_data import CrystalData
from pxrdgen_benchmarks.options import Options
from pxrdgen_benchmarks.posed import posed_of

if TYPE_CHECKING:
    from torch import Tensor

    from pxrdgen.values.intensity_target import IntensityTarget

FloatArray = NDArray[np.float64]

#: how far (A) the starts that must find the same minimum are from the crystal.
DISPLACED = 0.2
#: misfits this close (relative, or absolute where both are nearly perfect) are the same minimum.
SAME_RELATIVE, SAME_ABSOLUTE = 0.01, 5e-4
#: displacement parameter of every atom, A^2, on both sides.
U_ISO = 0.01


class FittingSpec(Options):
    """How both sides are run."""

    iterations: int = Field(default=40, ge=1, description="steps allowed to either side")
    batch: int = Field(default=64, ge=1, description="candidates of ours at once")
    sample: int = Field(default=8, ge=1, description="starts given to scipy; a quarter of them without the Jacobian")
    repeats: int = Field(default=3, ge=1, description="of our batch; the median counts")


class SingleCandidate:
    """The grouped residuals of one arrangement as a user of scipy would write them: numpy, double precision.

    Parameters: x y z of each atom, log scale.
    """

    def __init__(self, target: IntensityTarget) -> None:
        self.hkl = target.hkl.double().numpy()
        damping = np.exp(-8.0 * np.pi**2 * U_ISO * target.s_squared.double().numpy())
        factors = target.normal.double().numpy() + 1j * target.anomalous.double().numpy()
        self.scattering = factors[:, target.element_of.numpy()] * damping[:, None]
        self.factor = target.factor.double().numpy()
        self.starts = np.flatnonzero(np.diff(target.group.numpy(), prepend=-1))
        self.observed, self.floor, self.weight = (
            tensor.double().numpy() for tensor in (target.observed, target.floor, target.weight)
        )
        self.norm = float(np.sum(self.weight**2 * self.observed))

    def residuals(self, parameters: FloatArray) -> FloatArray:
        """[K] weight (sqrt(y + e) - sqrt(o + e))."""
        groups = np.add.reduceat(self._intensity(self._phase(parameters), parameters[-1]), self.starts)
        return np.asarray(self.weight * (np.sqrt(groups + self.floor) - np.sqrt(self.observed + self.floor)))

    def jacobian(self, parameters: FloatArray) -> FloatArray:
        """[K, 3N + 1] derivatives of the residuals.

        The Friedel average of |F|^2 is |A|^2 + |B|^2 with A, B the sums with the real and imaginary scattering alone.
        """
        phase, scale = self._phase(parameters), self.factor * np.exp(parameters[-1])
        slopes = np.zeros(phase.shape)
        for part in (self.scattering.real, self.scattering.imag):
            terms = part * phase
            slopes += 2.0 * np.real(np.conj(terms.sum(axis=1))[:, None] * 2j * np.pi * terms)
        columns = (scale[:, None] * slopes)[:, :, None] * self.hkl[:, None, :]
        intensity = self._intensity(phase, parameters[-1])
        by_reflection = np.concatenate([columns.reshape(len(phase), -1), intensity[:, None]], axis=1)
        groups = np.add.reduceat(intensity, self.starts)
        outer = 0.5 * self.weight / np.sqrt(groups + self.floor)
        return np.asarray(outer[:, None] * np.add.reduceat(by_reflection, self.starts, axis=0))

    def misfit(self, parameters: FloatArray) -> float:
        """The solver's misfit of these parameters."""
        return float(np.sqrt(np.sum(self.residuals(parameters) ** 2) / self.norm))

    def _phase(self, parameters: FloatArray) -> NDArray[np.complex128]:
        return np.asarray(np.exp(2j * np.pi * (self.hkl @ parameters[:-1].reshape(-1, 3).T)))

    def _intensity(self, phase: NDArray[np.complex128], log_scale: float) -> FloatArray:
        normal, anomalous = ((part * phase).sum(axis=1) for part in (self.scattering.real, self.scattering.imag))
        return np.asarray(self.factor * np.exp(log_scale) * (np.abs(normal) ** 2 + np.abs(anomalous) ** 2))


@dataclass(frozen=True, kw_only=True)
class FitRow:
    """One crystal's medians, in milliseconds a candidate.

    Args:
        groups: of reflections.
        ours_ms: batched, starts anywhere in the cell.
        analytic_ms, numeric_ms: scipy with the analytic Jacobian, and with its own finite differences, same starts.
        analytic_ratio, numeric_ratio: of these to ours.
        same_minimum: share of displaced starts from which both end at the same misfit.
        ours_misfit, scipy_misfit: median misfit reached from anywhere.
    """

    groups: int
    ours_ms: float
    analytic_ms: float
    numeric_ms: float
    analytic_ratio: float
    numeric_ratio: float
    same_minimum: float
    ours_misfit: float
    scipy_misfit: float


class Fitting(Task):
    """Milliseconds a candidate of both sides, their ratio, and whether they find the same minima."""

    spec_model: ClassVar[type[BaseModel]] = FittingSpec
    data_model: ClassVar[type[BaseModel]] = CrystalData
    headline: ClassVar[str] = "analytic_ratio"
    card_values: ClassVar[tuple[str, ...]] = ("ours_ms", "analytic_ratio", "numeric_ratio", "same_minimum")

    def cases(self, data: Any) -> Sequence[SimulatedCase]:
        """Clean patterns of crystals of two atoms or more, for one has nothing to be fitted."""
        return [case for case in data.simulated((Column.CLEAN,)) if case.num_atoms > 1]

    def selection(self, data: Any) -> str:
        """Of the crystals."""
        return f"{data.selected()}; two atoms or more"

    def measure(self, case: Any, spec: Any) -> FitRow:
        """Time both sides on one crystal."""
        import torch

        from pxrdgen_crystallography.structure_fit.coordinate_fit import fit_coordinates
        from pxrdgen_crystallography.structure_fit.grouped_model import GroupedModel

        torch.set_num_threads(1)
        posed = posed_of(case.question())
        target = posed.target
        model, single = GroupedModel(target), SingleCandidate(target)
        rng = torch.Generator().manual_seed(0)
        anywhere = torch.rand(spec.batch, case.num_atoms, 3, generator=rng)
        moves = (DISPLACED / 3**0.5) * torch.randn(anywhere.shape, generator=rng) @ torch.linalg.inv(target.basis)
        nearby = torch.as_tensor(case.truth.frac_coords @ posed.problem.to_user, dtype=torch.float32) + moves

        def ours(coords: Tensor) -> FloatArray:
            fit = fit_coordinates(model, model.start(coords, U_ISO), iterations=spec.iterations, free_u=False)
            return np.asarray(fit.misfit.double().numpy())

        def starts(coords: Tensor, count: int) -> list[FloatArray]:
            begin = model.start(coords, U_ISO)
            flat = begin.frac_coords.double().flatten(1).numpy()
            return [np.append(flat[row], float(begin.log_scale[row])) for row in range(min(count, len(flat)))]

        ours(anywhere[:4])
        misfits, own = _repeated(lambda: ours(anywhere), spec.repeats)
        random_scipy, analytic = _scipy(single, starts(anywhere, spec.sample), single.jacobian, spec)
        _, numeric = _scipy(single, starts(anywhere, max(spec.sample // 4, 1)), "2-point", spec)
        near_ours = ours(nearby)[: spec.sample]
        near_scipy = np.array(_scipy(single, starts(nearby, spec.sample), single.jacobian, spec)[0])
        difference = np.abs(near_ours - near_scipy)
        same = (difference < SAME_ABSOLUTE) | (difference < SAME_RELATIVE * near_scipy)
        return FitRow(
            groups=target.num_groups,
            ours_ms=own / spec.batch,
            analytic_ms=analytic,
            numeric_ms=numeric,
            analytic_ratio=analytic * spec.batch / own,
            numeric_ratio=numeric * spec.batch / own,
            same_minimum=float(np.mean(same)),
            ours_misfit=float(np.median(misfits[: spec.sample])),
            scipy_misfit=float(np.median(random_scipy)),
        )


def _repeated(action: Callable[[], FloatArray], repeats: int) -> tuple[FloatArray, float]:
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        found = action()
        times.append(1e3 * (time.perf_counter() - started))
    return found, median(times)


def _scipy(
    single: SingleCandidate, starts: Sequence[FloatArray], jacobian: Any, spec: FittingSpec
) -> tuple[list[float], float]:
    """Misfits that scipy reaches by its own defaults (trf, to a gain of 1e-8), and median milliseconds."""
    from scipy.optimize import least_squares

    misfits, times = [], []
    for start in starts:
        started = time.perf_counter()
        found = least_squares(
            single.residuals,
            start,
            jac=jacobian,
            x_scale="jac",
            max_nfev=spec.iterations,
        )
        times.append(1e3 * (time.perf_counter() - started))
        misfits.append(single.misfit(found.x))
    return misfits, median(times)
