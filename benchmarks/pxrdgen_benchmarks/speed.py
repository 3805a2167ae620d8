"""How fast the diffraction engine is, against pymatgen's XRDCalculator, and how its memory grows with the batch.

``python -m pxrdgen_benchmarks.speed simulation [--crystals crystals.parquet]``: both on the same cores, in turn, in one
run; medians over repeats. Without a file the crystals are generated (seeded: 1-20 atoms, 15-25 A^3 an atom).
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated

import numpy as np
import typer

from pxrdgen.values.crystal import Crystal

app = typer.Typer(help="Speed of the computational core, measured.", no_args_is_help=True)

#: batch sizes of the memory measurement.
BATCHES = (100, 1000, 5000)
#: our batches per repeat: both sides then run for about as long, and a busy machine slows both alike.
CALLS = 10


@dataclass(frozen=True, kw_only=True)
class SimulationSpeed:
    """Medians over repeats, in milliseconds a pattern.

    Args:
        crystals: size of the batch.
        threads: what torch was allowed to use.
        reflections: our reflection lists, the whole batch at once.
        pymatgen: ``XRDCalculator.get_pattern`` on a sample of the same crystals, one by one, structures already built.
        profiles: our full profiles of 7501 points.
    """

    crystals: int
    threads: int
    reflections: float
    pymatgen: float
    profiles: float

    @property
    def ratio(self) -> float:
        """How many times faster our reflection lists are."""
        return self.pymatgen / self.reflections


def generated_crystals(count: int, *, seed: int = 0) -> list[Crystal]:
    """Random crystals of realistic size: 1-20 atoms, 15-25 A^3 an atom, Niggli-like cells, up to four elements."""
    rng = np.random.default_rng(seed)
    crystals = []
    for _ in range(count):
        atoms = int(rng.integers(1, 21))
        basis = np.diag(rng.uniform(0.7, 1.6, 3)) + rng.uniform(-0.25, 0.25, (3, 3))
        basis *= (rng.uniform(15.0, 25.0) * atoms / abs(np.linalg.det(basis))) ** (1.0 / 3.0)
        elements = rng.choice(np.arange(1, 84), size=4, replace=False)
        crystals.append(
            Crystal(species=rng.choice(elements, size=atoms), frac_coords=rng.random((atoms, 3)), basis=basis)
        )
    return crystals


def crystals_from(path: Path | None, count: int, split: str = "val") -> list[Crystal]:
    """``count`` crystals of one split of a parquet file, or generated ones without a file."""
    if path is None:
        return generated_crystals(count)
    import pyarrow.parquet as pq

    columns = ["lattice", "species", "frac_coords"]
    table = pq.read_table(path, columns=columns, filters=[("split", "==", split)]).slice(0, count)
    return [
        Crystal(
            species=np.array(row["species"]),
            frac_coords=np.array(row["frac_coords"], dtype=np.float64).reshape(-1, 3),
            basis=np.array(row["lattice"], dtype=np.float64).reshape(3, 3),
        )
        for row in table.to_pylist()
    ]


def measure_simulation(
    crystals: Sequence[Crystal], *, repeats: int = 5, sample: int = 60, threads: int = 1
) -> SimulationSpeed:
    """Time our engine and pymatgen's in turn, so that a busy machine slows both.

    Args:
        sample: crystals, evenly spread over the batch, that pymatgen and the full profiles are timed on.
    """
    import torch
    from pymatgen.analysis.diffraction.xrd import XRDCalculator
    from pymatgen.core.lattice import Lattice
    from pymatgen.core.structure import Structure

    from pxrdgen.values.crystal_batch import CrystalBatch
    from pxrdgen.values.instrument import GSAS2_DEFAULT
    from pxrdgen_crystallography.diffraction import simulate_profile, simulate_reflections

    torch.set_num_threads(threads)
    batch = CrystalBatch.from_crystals(crystals)
    chosen = [crystals[row] for row in np.linspace(0, len(crystals) - 1, min(sample, len(crystals))).astype(int)]
    some = CrystalBatch.from_crystals(chosen)
    structures = [Structure(Lattice(c.basis), c.species, c.frac_coords) for c in chosen]
    calculator = XRDCalculator(wavelength=GSAS2_DEFAULT.radiation.wavelength)
    grid = 5.0 + 0.01 * torch.arange(7501)

    def theirs() -> None:
        for structure in structures:
            calculator.get_pattern(structure, two_theta_range=(5.0, 80.0))

    def ours() -> None:
        for _ in range(CALLS):
            simulate_reflections(batch, GSAS2_DEFAULT)

    timed: list[tuple[Callable[[], object], int, list[float]]] = [
        (ours, CALLS * len(batch), []),
        (theirs, len(structures), []),
        (lambda: simulate_profile(some, GSAS2_DEFAULT, grid), len(some), []),
    ]
    simulate_reflections(batch, GSAS2_DEFAULT)  # loads the tables
    with torch.no_grad():
        for _ in range(repeats):
            for action, patterns, times in timed:
                start = time.perf_counter()
                action()
                times.append(1e3 * (time.perf_counter() - start) / patterns)
    lists, pymatgen, profiles = (median(times) for _, _, times in timed)
    return SimulationSpeed(
        crystals=len(batch), threads=torch.get_num_threads(), reflections=lists, pymatgen=pymatgen, profiles=profiles
    )


def memory_of_batch(count: int) -> dict[str, float]:
    """Peak memory in MB of a fresh process that simulates ``count`` generated crystals, and the size of its result."""
    finished = subprocess.run(
        [sys.executable, "-m", "pxrdgen_benchmarks.speed", "one-batch", str(count)],
        capture_output=True,
        text=True,
        check=True,
    )
    measured: dict[str, float] = json.loads(finished.stdout.splitlines()[-1])
    return measured


@app.command()
def simulation(
    crystals: Annotated[Path | None, typer.Option(help="Parquet of crystals; generated ones without it.")] = None,
    count: Annotated[int, typer.Option(min=1, help="Crystals in the batch.")] = 1000,
    repeats: Annotated[int, typer.Option(min=1)] = 5,
    threads: Annotated[int, typer.Option(min=1, help="For torch; pymatgen uses one.")] = 1,
    memory: Annotated[bool, typer.Option(help="Also measure how memory grows with the batch.")] = True,
) -> None:
    """Reflection lists and profiles per pattern, against pymatgen; peak memory by batch size."""
    for size in BATCHES if memory else ():  # first: a child inherits the peak of the process that starts it
        used = memory_of_batch(size)
        typer.echo(
            f"batch {size:5d}: result {used['result']:6.0f} MB, growth while computing {used['growth']:6.0f} MB, "
            f"beyond the result {used['growth'] - used['result']:6.0f} MB"
        )
    speed = measure_simulation(crystals_from(crystals, count), repeats=repeats, threads=threads)
    typer.echo(f"{speed.crystals} crystals, {speed.threads} thread(s), medians of {repeats}")
    typer.echo(f"reflection list  {speed.reflections:8.3f} ms a pattern")
    typer.echo(f"pymatgen         {speed.pymatgen:8.3f} ms a pattern   ratio {speed.ratio:.0f}")
    typer.echo(f"7501 points      {speed.profiles:8.3f} ms a pattern")


@app.command(hidden=True)
def one_batch(count: Annotated[int, typer.Argument(min=1)]) -> None:
    """Peak memory of one batch in this process, as JSON in MB."""
    import resource

    import torch

    from pxrdgen.values.crystal_batch import CrystalBatch
    from pxrdgen.values.instrument import GSAS2_DEFAULT
    from pxrdgen_crystallography.diffraction import simulate_reflections

    def peak() -> float:
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return used / (1 << 20 if sys.platform == "darwin" else 1 << 10)

    torch.set_num_threads(1)
    batch = CrystalBatch.from_crystals(generated_crystals(count))
    simulate_reflections(batch[:2], GSAS2_DEFAULT)
    before = peak()
    found = simulate_reflections(batch, GSAS2_DEFAULT)
    tensors = (found.hkl, found.d, found.two_theta, found.multiplicity, found.f_squared, found.intensity, found.mask)
    result = sum(tensor.numel() * tensor.element_size() for tensor in tensors) / (1 << 20)
    typer.echo(json.dumps({"result": result, "growth": peak() - before}))


if __name__ == "__main__":
    app()
