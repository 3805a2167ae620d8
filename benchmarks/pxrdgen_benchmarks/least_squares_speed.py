"""How fast batched least squares is, against scipy, on the same residuals; and what a small ``solve`` costs.

``python -m pxrdgen_benchmarks.least_squares_speed [--crystals crystals.parquet]``. Everything runs on one thread, both
sides in turn. scipy gets what a user would write: residuals and, in the first column, their analytic Jacobian in plain
numpy for one candidate at a time. Without a file the crystals are generated (seeded).
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from pxrdgen.values.crystal import Crystal
from pxrdgen_benchmarks.speed import crystals_from

if TYPE_CHECKING:
    from torch import Tensor

    from pxrdgen.values.intensity_target import IntensityTarget

FloatArray = NDArray[np.float64]

app = typer.Typer(help="Batched least squares against scipy.", no_args_is_help=False)

#: candidates in a batch.
BATCH = 64
#: steps allowed to either side.
ITERATIONS = 40
#: relative gain at which scipy may stop, its own default; ours rests after four steps below 2e-3 of the root.
TOLERANCE = 1e-8
#: how far (A) the starts that must find the same minimum are from the crystal.
DISPLACED = 0.2
#: misfits this close (relative, or absolute where both are nearly perfect) are the same minimum.
SAME_RELATIVE, SAME_ABSOLUTE = 0.01, 5e-4
#: displacement parameter of every atom, A^2, on both sides.
U_ISO = 0.01


class SingleCandidate:
    """The grouped residuals of one arrangement as a user of scipy would write them: numpy, double precision.

    Parameters: x y z of each atom, log scale.
    """

    def __init__(self, target: IntensityTarget) -> None:
        self.hkl = target.hkl.double().numpy()
        element_of = target.element_of.numpy()
        damping = np.exp(-8.0 * np.pi**2 * U_ISO * target.s_squared.double().numpy())
        factors = target.normal.double().numpy() + 1j * target.anomalous.double().numpy()
        self.scattering = factors[:, element_of] * damping[:, None]
        self.factor = target.factor.double().numpy()
        self.starts = np.flatnonzero(np.diff(target.group.numpy(), prepend=-1))
        self.observed, self.floor, self.weight = (
            tensor.double().numpy() for tensor in (target.observed, target.floor, target.weight)
        )
        self.norm = float(np.sum(self.weight**2 * self.observed))

    def residuals(self, parameters: FloatArray) -> FloatArray:
        """[K] weight (sqrt(y + e) - sqrt(o + e))."""
        phase = np.exp(2j * np.pi * (self.hkl @ parameters[:-1].reshape(-1, 3).T))
        groups = np.add.reduceat(self._intensity(phase, parameters[-1]), self.starts)
        return np.asarray(self.weight * (np.sqrt(groups + self.floor) - np.sqrt(self.observed + self.floor)))

    def jacobian(self, parameters: FloatArray) -> FloatArray:
        """[K, 3N + 1] derivatives of the residuals.

        The Friedel average of |F|^2 is |A|^2 + |B|^2 with A, B the sums with the real and imaginary scattering alone.
        """
        phase = np.exp(2j * np.pi * (self.hkl @ parameters[:-1].reshape(-1, 3).T))
        scale = self.factor * np.exp(parameters[-1])
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

    def _intensity(self, phase: NDArray[np.complex128], log_scale: float) -> FloatArray:
        normal = (self.scattering.real * phase).sum(axis=1)
        anomalous = (self.scattering.imag * phase).sum(axis=1)
        return np.asarray(self.factor * np.exp(log_scale) * (np.abs(normal) ** 2 + np.abs(anomalous) ** 2))

    def misfit(self, parameters: FloatArray) -> float:
        """The solver's misfit of these parameters."""
        return float(np.sqrt(np.sum(self.residuals(parameters) ** 2) / self.norm))


@dataclass(frozen=True, kw_only=True)
class FitSpeed:
    """One crystal's medians, in milliseconds a candidate.

    Args:
        formula, atoms, groups: of the crystal and its target.
        ours: batched, starts anywhere in the cell.
        analytic, numeric: scipy with the analytic Jacobian, and with its own finite differences, same starts.
        same_minimum: share of displaced starts from which both end at the same misfit.
        random_ours, random_scipy: median misfit reached from anywhere.
    """

    formula: str
    atoms: int
    groups: int
    ours: float
    analytic: float
    numeric: float
    same_minimum: float
    random_ours: float
    random_scipy: float


def target_of(crystal: Crystal) -> IntensityTarget:
    """What the clean pattern of a crystal says in its true cell."""
    from pxrdgen_benchmarks.perturbed import clean_task
    from pxrdgen_crystallography.decomposition.decompose import decompose
    from pxrdgen_crystallography.preparation import prepare
    from pxrdgen_crystallography.structure_fit.intensities import intensity_target

    prepared = prepare(clean_task(crystal).pattern)
    pattern = prepared.pattern
    if pattern.sigma is None:
        raise ValueError("got a prepared pattern without sigma")
    decomposition = decompose(
        pattern.two_theta,
        pattern.intensity,
        pattern.sigma,
        prepared.background,
        prepared.instrument,
        crystal.basis,
        background_su=prepared.background_su,
        refine_cell=False,
    )
    return intensity_target(decomposition, crystal.species)


def measure_fits(
    crystal: Crystal, *, method: str = "trf", tolerance: float = TOLERANCE, sample: int = 8, repeats: int = 3
) -> FitSpeed:
    """Time both sides on one crystal.

    Args:
        method: of ``scipy.optimize.least_squares``; ``"lm"`` needs more groups than parameters.
        tolerance: scipy's ftol and xtol.
        sample: starts given to scipy with the analytic Jacobian; a quarter of them without.
        repeats: of our batch; the median counts.
    """
    import torch
    from scipy.optimize import least_squares

    from pxrdgen_crystallography.structure_fit.coordinate_fit import fit_coordinates
    from pxrdgen_crystallography.structure_fit.grouped_model import GroupedModel

    target = target_of(crystal)
    model, single = GroupedModel(target), SingleCandidate(target)
    rng = torch.Generator().manual_seed(0)
    anywhere = torch.rand(BATCH, len(crystal), 3, generator=rng)
    moves = (DISPLACED / 3**0.5) * torch.randn(anywhere.shape, generator=rng) @ torch.linalg.inv(target.basis)
    nearby = torch.as_tensor(crystal.frac_coords, dtype=torch.float32) + moves

    def ours(coords: Tensor) -> FloatArray:
        fit = fit_coordinates(model, model.start(coords, U_ISO), iterations=ITERATIONS, free_u=False)
        return np.asarray(fit.misfit.double().numpy())

    def scipys(coords: Tensor, rows: Sequence[int], jacobian: Any) -> tuple[list[float], list[float]]:
        begin = model.start(coords, U_ISO)
        misfits, times = [], []
        for row in rows:
            x0 = np.append(begin.frac_coords[row].double().numpy().ravel(), float(begin.log_scale[row]))
            clock = time.perf_counter()
            tolerances = {"ftol": tolerance, "xtol": tolerance, "gtol": 1e-8}
            found = least_squares(
                single.residuals, x0, jac=jacobian, method=method, x_scale="jac", max_nfev=ITERATIONS, **tolerances
            )
            times.append(1e3 * (time.perf_counter() - clock))
            misfits.append(single.misfit(found.x))
        return misfits, times

    rows = range(sample)
    ours(anywhere[:4])
    own_times = []
    for _ in range(repeats):
        clock = time.perf_counter()
        reached = ours(anywhere)
        own_times.append(1e3 * (time.perf_counter() - clock) / BATCH)
    random_scipy, analytic = scipys(anywhere, rows, single.jacobian)
    _, numeric = scipys(anywhere, rows[: max(sample // 4, 1)], "2-point")
    near_ours = ours(nearby)[:sample]
    near_scipy = np.array(scipys(nearby, rows, single.jacobian)[0])
    difference = np.abs(near_ours - near_scipy)
    same = (difference < SAME_ABSOLUTE) | (difference < SAME_RELATIVE * near_scipy)
    return FitSpeed(
        formula=crystal.formula,
        atoms=len(crystal),
        groups=target.num_groups,
        ours=median(own_times),
        analytic=median(analytic),
        numeric=median(numeric),
        same_minimum=float(np.mean(same)),
        random_ours=float(np.median(reached[:sample])),
        random_scipy=float(np.median(random_scipy)),
    )


def of_size(crystals: Path | None, smallest: int, largest: int, count: int) -> list[Crystal]:
    """``count`` crystals with ``smallest`` to ``largest`` atoms, spread evenly, atoms in order of atomic number."""
    fitting = [c.sorted_by_species() for c in crystals_from(crystals, 400) if smallest <= len(c) <= largest]
    fitting.sort(key=len)
    rows = np.linspace(0, len(fitting) - 1, min(count, len(fitting))).astype(int)
    return [fitting[row] for row in rows]


@app.callback(invoke_without_command=True)
def main(
    context: typer.Context,
    crystals: Annotated[Path | None, typer.Option(help="Parquet of crystals; generated ones without it.")] = None,
    count: Annotated[int, typer.Option(min=1, help="Crystals of 4-16 atoms.")] = 6,
    sample: Annotated[int, typer.Option(min=1, help="Starts given to scipy.")] = 8,
    method: Annotated[str, typer.Option(help="Of scipy.optimize.least_squares: trf, dogbox or lm.")] = "trf",
    tolerance: Annotated[float, typer.Option(help="Of scipy.")] = TOLERANCE,
) -> None:
    """One table: milliseconds a candidate of both sides, their ratio, and whether they find the same minima."""
    if context.invoked_subcommand is not None:
        return
    import torch

    torch.set_num_threads(1)
    header = f"{'crystal':<22}{'atoms':>6}{'groups':>7}{'ours':>9}{'scipy':>9}{'ratio':>7}{'no jac':>9}{'ratio':>7}"
    typer.echo(
        f"ms a candidate, batches of {BATCH}, one thread, scipy {method} to {tolerance:g}; misfit: median from anywhere"
    )
    typer.echo(header + f"{'same min':>10}{'misfit':>9}{'scipy':>8}")
    speeds = []
    for crystal in of_size(crystals, 4, 16, count):
        speed = measure_fits(crystal, method=method, tolerance=tolerance, sample=sample)
        speeds.append(speed)
        typer.echo(
            f"{speed.formula:<22}{speed.atoms:>6}{speed.groups:>7}{speed.ours:>9.2f}{speed.analytic:>9.1f}"
            f"{speed.analytic / speed.ours:>7.0f}{speed.numeric:>9.1f}{speed.numeric / speed.ours:>7.0f}"
            f"{speed.same_minimum:>10.0%}{speed.random_ours:>9.3f}{speed.random_scipy:>8.3f}"
        )
    analytic = median(speed.analytic / speed.ours for speed in speeds)
    numeric = median(speed.numeric / speed.ours for speed in speeds)
    same = float(np.mean([speed.same_minimum for speed in speeds]))
    typer.echo(f"{'median':<22}{'':>31}{analytic:>7.0f}{'':>9}{numeric:>7.0f}{same:>10.0%}")
    command = [sys.executable, "-m", "pxrdgen_benchmarks.least_squares_speed", "one-solve"]
    if crystals is not None:
        command += ["--crystals", str(crystals)]
    clock = time.perf_counter()
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    whole = time.perf_counter() - clock
    solved = json.loads(finished.stdout.splitlines()[-1])
    typer.echo(
        f"solve {solved['formula']}, {solved['atoms']} atoms: 20 candidates fitted and symmetrised, "
        f"{solved['refined']} refined and ranked in {solved['seconds']:.1f} s ({whole:.1f} s with start of Python), "
        f"peak {solved['peak_mb']:.0f} MB"
    )


@app.command(hidden=True)
def one_solve(
    crystals: Annotated[Path | None, typer.Option(help="Parquet of crystals; generated ones without it.")] = None,
) -> None:
    """One round of search in a 10-atom cell with 20 candidates, refined and ranked; time and peak memory as JSON."""
    import resource

    from pxrdgen.plugins.registry import default_registry
    from pxrdgen.specs.pipeline import PipelineSpec
    from pxrdgen.values.composition import Composition
    from pxrdgen_benchmarks.perturbed import clean_task
    from pxrdgen_solver.loop.components import build_components
    from pxrdgen_solver.loop.solve_question import solve_question
    from pxrdgen_solver.question.question import Question

    crystal = of_size(crystals, 10, 10, 1)[0]
    spec, registry = PipelineSpec(rounds=1, searches=1, processes=1), default_registry()
    components = build_components(spec, registry)
    task = clean_task(crystal)
    clock = time.perf_counter()
    composition, z = Composition.from_species(crystal.species).reduced()
    question = Question(pattern=task.pattern, composition=composition, cell=task.cell, z=z)
    solution = solve_question(question, spec, registry, components=components)
    seconds = time.perf_counter() - clock
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak = used / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    typer.echo(
        json.dumps(
            {
                "formula": crystal.formula,
                "atoms": len(crystal),
                "refined": len(solution.candidates),
                "seconds": seconds,
                "peak_mb": peak,
            }
        )
    )


if __name__ == "__main__":
    app()
