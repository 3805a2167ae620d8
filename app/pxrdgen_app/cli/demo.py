"""``pxrdgen demo``: solve a measured pattern that comes along, and lay the answer beside the published structure."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pxrdgen.values.crystal import Crystal

_HYDROGEN = 1


def command(
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The folder to make; default: pxrdgen_demo, or the next free name."),
    ] = None,
    budget: Annotated[float, typer.Option("--budget", help="Seconds of searching.")] = 15.0,
) -> None:
    """Solve a measured laboratory pattern of brucite, Mg(OH)2, from its formula and cell.

    At the end the answer is compared with the published structure, which the solver never sees.

    Examples:

      pxrdgen demo

      pxrdgen demo --budget 30 --out brucite
    """
    import pxrdgen
    from pxrdgen_app.cli.measured_pattern import pattern_facts, print_notes, read_measured
    from pxrdgen_app.cli.solving import finish
    from pxrdgen_app.cli.watched import progress_shown
    from pxrdgen_app.examples.examples import example
    from pxrdgen_files.folders import check_output_folder

    brucite = example("brucite")
    target = out or _free_folder()
    check_output_folder(target)
    measured, notes = read_measured(brucite.pattern)
    print_notes(notes)
    cell = " ".join(f"{number:g}" for number in brucite.cell)
    typer.echo("\nA textured powder measured in the laboratory; formula and cell are given, nothing else. By hand:\n")
    typer.echo(f'  pxrdgen solve {brucite.pattern} --formula "{brucite.formula}" --cell {cell} --z {brucite.z}\n')
    with progress_shown() as progress:
        solution = pxrdgen.solve(
            measured, brucite.formula, z=brucite.z, cell=brucite.cell, budget=budget, progress=progress
        )
    code = finish(solution, target, title="brucite", facts=pattern_facts(measured, brucite.pattern))
    if solution.best is not None:
        from pxrdgen_files.cif import read_cif

        typer.echo(f"\n{comparison(solution.best.crystal, read_cif(brucite.reference))}")
    raise typer.Exit(code)


def _free_folder() -> Path:
    names = (Path("pxrdgen_demo" if number == 1 else f"pxrdgen_demo_{number}") for number in count(1))
    return next(name for name in names if not name.exists())


def comparison(found: Crystal, published: Crystal) -> str:
    """How far the atoms are from the published ones, hydrogen apart, in a sentence.

    Distances are those of pymatgen's best superposition, the cells scaled to one volume.
    """
    from pymatgen.analysis.structure_matcher import StructureMatcher

    from pxrdgen_crystallography.symmetry.pymatgen_structure import crystal_to_pymatgen

    first, second = (crystal_to_pymatgen(_heavy(crystal)) for crystal in (found, published))
    matcher = StructureMatcher(ltol=0.1, stol=0.1, angle_tol=2.0)
    distances: tuple[float, float] | None = matcher.get_rms_dist(first, second)  # type: ignore[no-untyped-call]
    if distances is None:
        return "Compared with the published structure: Mg and O do NOT agree with it."
    length = (second.volume / len(second)) ** (1.0 / 3.0)
    return (
        f"Compared with the published structure: Mg and O agree within {distances[1] * length:.3f} A "
        f"(root mean square {distances[0] * length:.3f} A); {_hydrogens_compared(found, published)}."
    )


def _hydrogens_compared(found: Crystal, published: Crystal) -> str:
    from pymatgen.analysis.structure_matcher import StructureMatcher

    from pxrdgen_crystallography.symmetry.pymatgen_structure import crystal_to_pymatgen

    unseen = "H, hardly seen by X-rays, "
    if (found.species == _HYDROGEN).sum() != (published.species == _HYDROGEN).sum():
        return unseen + "is not compared"
    reference = crystal_to_pymatgen(published)
    matcher = StructureMatcher(ltol=0.1, stol=0.5, angle_tol=2.0, primitive_cell=False)
    laid_over = matcher.get_s2_like_s1(reference, crystal_to_pymatgen(found))  # type: ignore[no-untyped-call]
    if laid_over is None:
        return unseen + "lies elsewhere than published"
    apart = [one.distance(other) for one, other in zip(reference, laid_over, strict=True) if one.specie.Z == _HYDROGEN]
    return unseen + f"was placed by geometry: {max(apart):.2f} A from where it was published"


def _heavy(crystal: Crystal) -> Crystal:
    from dataclasses import replace

    keep = crystal.species != _HYDROGEN
    u_iso = None if crystal.u_iso is None else crystal.u_iso[keep]
    return replace(crystal, species=crystal.species[keep], frac_coords=crystal.frac_coords[keep], u_iso=u_iso)
