"""Options of the GSAS-II components; this module imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from pxrdgen.interfaces.refinement_options import RefinementOptions


class Gsas2WorkerOptions(BaseModel):
    """How the process that holds GSAS-II is run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    python: str | None = Field(
        default=None,
        description="the Python interpreter that has GSAS-II; default PXRDGEN_GSAS2_PYTHON, else this one",
    )
    timeout: float = Field(default=180.0, gt=0, description="seconds each process may take")
    memory_mib: int = Field(default=4096, ge=256, description="memory each process may use, MiB")
    as_installed: bool = Field(
        default=False,
        description="leave known defects of the installed GSAS-II alone: slopes of tied cell terms, Friedel mates",
    )
    retries: int = Field(default=1, ge=0, le=5, description="how often a call is repeated after a crash or garbage")


class Gsas2Options(Gsas2WorkerOptions, RefinementOptions):
    """Rietveld refinement with GSAS-II."""

    workers: int = Field(default=1, ge=1, le=64, description="refinements at a time")
    keep_projects: Path | None = Field(
        default=None, description="folder that keeps each .gpx project and .lst listing for GSAS-II's own window"
    )
    instrument_file: Path | None = Field(
        default=None, description=".instprm or .prm file handed to GSAS-II as it is; default from the measurement"
    )
    max_cycles: int = Field(default=12, ge=1, description="cycles of the last stage, all parameters together")
    refine_cell: bool = Field(default=True, description="whether the cell moves, as its symmetry allows")
    refine_coordinates: bool = Field(default=True, description="whether the atoms move, as their sites allow")
    refine_widths: bool = Field(default=True, description="whether the peak widths U V W X Y move")
    refine_asymmetry: bool = Field(
        default=True, description="whether axial divergence SH/L is tried where widths alone leave a misfit"
    )
    refine_u_iso: bool = Field(default=True, description="whether Uiso moves, grouped as u_iso says")
    shift: Literal["zero", "displacement", "both"] = Field(default="zero", description="what corrects peak positions")
    background: Literal["given", "chebyshev"] = Field(
        default="given", description="Chebyshev terms on top of the measurement's background, or alone"
    )


class Gsas2IndexingOptions(Gsas2WorkerOptions):
    """GSAS-II's dichotomy-free random search for cells."""

    timeout: float = Field(default=600.0, gt=0, description="seconds the process may take in all")
    seconds_per_lattice: float = Field(default=5.0, gt=0, description="seconds spent on each Bravais lattice")
    systems: tuple[
        Literal["cubic", "hexagonal", "trigonal", "tetragonal", "orthorhombic", "monoclinic", "triclinic"], ...
    ] = Field(
        default=("cubic", "hexagonal", "trigonal", "tetragonal", "orthorhombic", "monoclinic"),
        description="crystal systems to try, from high to low symmetry",
    )
    lines: int = Field(default=25, ge=10, le=60, description="lines of lowest angle that are indexed")
    least_intensity: float = Field(
        default=1.0,
        ge=0,
        le=100,
        description="per cent of the strongest line; weaker ones only make up the first eight",
    )
    most_unindexed: int = Field(default=2, ge=0, description="lines of the first twenty a cell may leave unindexed")
    least_m20: float = Field(default=3.0, ge=0, description="figure of merit below which cells are dropped")
    start_volume: float = Field(default=25.0, gt=0, description="smallest cell volume tried, A^3")
