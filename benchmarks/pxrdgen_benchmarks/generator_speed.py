"""Candidates a second of learned generators, by size of the cell, on one thread and on several.

``python -m pxrdgen_benchmarks.generator_speed``: networks of full size with weights drawn at random, which take as
long as trained ones; ``--weights FILE`` times a trained one. With several threads the members of a batch are shared
out, one thread each.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from pxrdgen.errors import OptionError
from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.interfaces.structure_generator import StructureGenerator
from pxrdgen.plugins.registry import default_registry
from pxrdgen.plugins.resolution import resolve_spec
from pxrdgen.specs.pipeline import ComponentSpec
from pxrdgen.values.crystal import Crystal
from pxrdgen_benchmarks.command import guarded
from pxrdgen_benchmarks.results_file import code_digest
from pxrdgen_benchmarks.tables import Table

if TYPE_CHECKING:
    from pxrdgen_testing.samples import Sample

#: atoms of the cells that are timed.
SIZES = (4, 8, 12, 20)
#: what is timed unless told otherwise: a generator and its denoiser, each of full size.
SPECS = ("flow/attention", "flow/cspnet", "diffusion/attention", "diffusion/cspnet")
#: A^3 an atom of the made-up crystals.
_ATOM_VOLUME = 14.0


@dataclass(frozen=True, kw_only=True)
class Timed:
    """One generator in one cell.

    Args:
        spec: as it was asked for.
        atoms: in the cell.
        threads: that shared the batch.
        steps: of a sample.
        candidates: in the batch.
        seconds, cpu_seconds: of the batch, medians over the repeats; the latter of all threads together.
    """

    spec: str
    atoms: int
    threads: int
    steps: int
    candidates: int
    seconds: float
    cpu_seconds: float

    @property
    def per_second(self) -> float:
        """Candidates a second of the clock."""
        return self.candidates / self.seconds


def spec_of(name: str) -> ComponentSpec:
    """``GENERATOR/DENOISER``, or a YAML file with ``plugin`` and ``options``.

    Raises:
        OptionError: neither.
    """
    if name.endswith((".yml", ".yaml", ".json")):
        import yaml

        from pxrdgen.specs.validation import validated

        try:
            document = yaml.safe_load(Path(name).read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise OptionError(f"got the spec {name}, which cannot be read as YAML ({error})") from error
        return validated(ComponentSpec, document, "generator spec")
    generator, _, denoiser = name.partition("/")
    if not generator or not denoiser:
        raise OptionError(f"got {name!r}, expected GENERATOR/DENOISER such as {SPECS[0]}, or a .yml file")
    return ComponentSpec(plugin=generator, options={"denoiser": {"plugin": denoiser}})


def untrained(spec: ComponentSpec, folder: Path, *, steps: int) -> StructureGenerator:
    """The generator of ``spec`` with weights drawn at random; they are written to ``folder`` on the way."""
    from pxrdgen_learning.training.runs import build
    from pxrdgen_learning.training.spec import CorpusOptions, TrainingSpec
    from pxrdgen_learning.weights.restore import lasting_tensors
    from pxrdgen_learning.weights.weights import WeightsCard, save_weights

    registry, kind = default_registry(), ComponentKind.GENERATOR
    model = build(TrainingSpec(kind=kind, component=spec, corpus=CorpusOptions(path=folder)))
    card = WeightsCard(
        kind=kind,
        component=spec.plugin,
        options=resolve_spec(registry.settle(kind, spec, untrained=True).options, registry).model_dump(mode="json"),
        max_atoms=max(SIZES),
        data="none: drawn at random",
    )
    weights = folder / f"{spec.plugin}.safetensors"
    save_weights(weights, lasting_tensors(model.network), card)
    return trained(spec.plugin, weights, steps=steps)


def trained(name: str, weights: Path, *, steps: int) -> StructureGenerator:
    """The generator ``name`` with the weights of a file."""
    built: Any = default_registry().build(
        ComponentKind.GENERATOR, ComponentSpec(plugin=name, weights=str(weights.resolve()), options={"steps": steps})
    )
    return built  # type: ignore[no-any-return]


def cell_of(atoms: int, *, seed: int = 0) -> Sample:
    """A made-up crystal SrTiO2 of ``atoms`` atoms (a multiple of 4) without symmetry, its pattern prepared."""
    from pxrdgen_testing.samples import sample_of

    rng = np.random.default_rng(seed + atoms)
    basis = np.diag(rng.uniform(0.8, 1.3, 3)) + np.tril(rng.uniform(-0.2, 0.2, (3, 3)), -1)
    basis *= (_ATOM_VOLUME * atoms / abs(np.linalg.det(basis))) ** (1.0 / 3.0)
    species = np.repeat([8, 22, 38], [atoms // 2, atoms // 4, atoms // 4])
    crystal = Crystal(species=species, frac_coords=rng.random((atoms, 3)), basis=basis)
    return sample_of(crystal, "SrTiO2", z=atoms // 4)


def measure(
    generator: StructureGenerator, name: str, sample: Sample, *, threads: int, candidates: int, repeats: int, steps: int
) -> Timed:
    """Time batches of ``candidates``, shared out to ``threads``, after one that warms up."""
    import torch

    shares = [candidates // threads + (member < candidates % threads) for member in range(threads)]

    def generate(member: int) -> None:
        torch.set_num_threads(1)
        rng = torch.Generator().manual_seed(member)
        generator.generate(sample.problem, sample.target, shares[member], rng)

    before = torch.get_num_threads()
    walls, cpus = [], []
    try:
        with ThreadPoolExecutor(threads) as pool:
            for _ in range(repeats + 1):
                wall, cpu = time.perf_counter(), time.process_time()
                list(pool.map(generate, range(threads)))
                walls.append(time.perf_counter() - wall)
                cpus.append(time.process_time() - cpu)
    finally:
        torch.set_num_threads(before)
    return Timed(
        spec=name,
        atoms=sample.problem.num_atoms,
        threads=threads,
        steps=steps,
        candidates=candidates,
        seconds=median(walls[1:]),
        cpu_seconds=median(cpus[1:]),
    )


def speed_table(rows: Sequence[Timed], *, repeats: int) -> Table:
    """A line a spec and number of threads, a column a size."""
    sizes = sorted({row.atoms for row in rows})
    lines = []
    for spec, threads in dict.fromkeys((row.spec, row.threads) for row in rows):
        own = {row.atoms: row for row in rows if (row.spec, row.threads) == (spec, threads)}
        lines.append((spec, str(threads), *(f"{own[size].per_second:.2f}" if size in own else "" for size in sizes)))
    return Table(
        title=f"Candidates a second at {rows[0].steps} steps, medians of {repeats}",
        header=("generator/denoiser", "threads", *(f"{size} atoms" for size in sizes)),
        rows=tuple(lines),
    )


def main(
    spec: Annotated[
        list[str] | None, typer.Option(help="GENERATOR/DENOISER or a .yml file with plugin and options; repeat it.")
    ] = None,
    weights: Annotated[
        list[str] | None, typer.Option(help="GENERATOR=FILE: trained weights to time as well; repeat it.")
    ] = None,
    atoms: Annotated[list[int] | None, typer.Option(help="Size of a cell, a multiple of 4; repeat it.")] = None,
    threads: Annotated[list[int] | None, typer.Option(min=1, help="1 and 2 unless given; repeat it.")] = None,
    steps: Annotated[int, typer.Option(min=2, help="Of a sample.")] = 50,
    candidates: Annotated[int, typer.Option(min=1, help="In a batch.")] = 20,
    repeats: Annotated[int, typer.Option(min=1, help="Timed batches.")] = 3,
    out: Annotated[Path | None, typer.Option(help="JSON file to write.")] = None,
) -> None:
    """Time learned generators and print a table.

    Examples:

      python -m pxrdgen_benchmarks.generator_speed --out speed.json

      python -m pxrdgen_benchmarks.generator_speed --spec flow/attention --threads 1 --atoms 8 --steps 25

      python -m pxrdgen_benchmarks.generator_speed --weights flow=runs/flow.safetensors
    """
    import os
    import platform

    import torch

    sizes = atoms or list(SIZES)
    for size in sizes:
        if size < 4 or size % 4:
            raise typer.BadParameter(f"got a cell of {size} atoms, expected multiples of 4")
    samples = [cell_of(size) for size in sizes]
    rows: list[Timed] = []
    with TemporaryDirectory() as folder:
        chosen = spec or ([] if weights else list(SPECS))
        named = [(name, untrained(spec_of(name), _own_folder(folder, name), steps=steps)) for name in chosen]
        for entry in weights or []:
            generator, _, path = entry.partition("=")
            named.append((entry, trained(generator, Path(path), steps=steps)))
        for (name, generator_), sample, number in product(named, samples, threads or [1, 2]):
            row = measure(generator_, name, sample, threads=number, candidates=candidates, repeats=repeats, steps=steps)
            rows.append(row)
            typer.echo(f"{row.spec:<24} {row.atoms:3d} atoms {row.threads} threads {row.per_second:9.2f} /s")
    typer.echo("\n" + speed_table(rows, repeats=repeats).markdown())
    if out is not None:
        about = {
            "torch": torch.__version__,
            "processor": platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
            "code": code_digest(),
            "repeats": repeats,
        }
        document = {"about": about, "rows": [{**asdict(row), "per_second": row.per_second} for row in rows]}
        out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _own_folder(parent: str, name: str) -> Path:
    folder = Path(parent) / "".join(letter if letter.isalnum() else "-" for letter in name)
    folder.mkdir()
    return folder


if __name__ == "__main__":
    guarded(lambda: typer.run(main))
