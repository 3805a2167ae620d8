"""Input for the program Fox as its users write it: independent atoms, pattern, parallel tempering.

Fox (Favre-Nicolin & Cerny 2002, doi:10.1107/S0021889802015236) moves the independent atoms of a given space group;
its dynamical occupancy correction merges atoms that meet their own images on special positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

import numpy as np

from pxrdgen.values.cell import UnitCell
from pxrdgen.values.elements import SYMBOLS
from pxrdgen.values.prepared_pattern import PreparedPattern
from pxrdgen.values.space_group import SpaceGroup
from pxrdgen_benchmarks.perturbed import Texture
from pxrdgen_crystallography.decomposition.decompose import Decomposition
from pxrdgen_crystallography.powder_line.widths import line_widths

#: displacement parameter of every atom, A^2 (8 pi^2 Uiso).
B_ISO = 0.8
#: highest sin(theta) / lambda used, 1/A; all of a laboratory pattern to 80 degrees.
MAX_S = 0.42
#: points of the interpolated background.
BACKGROUND_POINTS = 40


@dataclass(frozen=True, kw_only=True)
class FoxProblem:
    """What Fox is told.

    Args:
        prepared, decomposition: pattern, and the refined background, zero, widths and cell of a whole-pattern fit.
        cell: conventional.
        space_group: in the setting of the cell.
        sites: atomic number of each independent atom.
        texture: of the sample, in that cell; it stays as told. Fox takes the mean over equivalent planes of
            (r^2 c + (1 - c) / r)^(-3/2), as we do (``TextureMarchDollase::CalcCorr`` of ObjCryst++).
    """

    prepared: PreparedPattern
    decomposition: Decomposition
    cell: UnitCell
    space_group: SpaceGroup
    sites: Sequence[int]
    texture: Texture | None = None


def fox_input(problem: FoxProblem, trials: int) -> str:
    """The XML of one optimisation of ``trials`` trials a run."""
    return "\n".join(
        [
            '<ObjCryst Date="2024-01-01T00:00:00GMT">',
            *_crystal(problem),
            *_pattern(problem),
            f'<GlobalOptimObj Name="search" NbTrialPerRun="{trials}">',
            '<Option Name="Algorithm" Choice="1" ChoiceName="Parallel Tempering"/>',
            '<Option Name="Temperature Schedule" Choice="4" ChoiceName="Smart"/>',
            '<Option Name="Save Best Config Regularly" Choice="5" ChoiceName="Every Run (Recommended)"/>',
            '<Option Name="Automatic Least Squares Refinement" Choice="1" ChoiceName="At the end of each run"/>',
            "<TempMaxMin>1 1e-06</TempMaxMin>",
            '<Option Name="Displacement Amplitude Schedule" Choice="3" ChoiceName="Exponential"/>',
            "<MutationMaxMin>8 0.125</MutationMaxMin>",
            '<RefinedObject ObjectType="Crystal" ObjectName="sample"/>',
            '<RefinedObject ObjectType="PowderPattern" ObjectName="pattern"/>',
            "</GlobalOptimObj>",
            "</ObjCryst>",
            "",
        ]
    )


def _crystal(problem: FoxProblem) -> list[str]:
    names = ("a", "b", "c", "alpha", "beta", "gamma")
    lines = [f'<Crystal Name="sample" SpaceGroup={quoteattr(problem.space_group.hm_symbol)}>']
    lines += [_parameter(name, value, 1.0, 180.0) for name, value in zip(names, problem.cell.parameters, strict=True)]
    lines.append('<Option Name="Constrain Lattice to SpaceGroup Symmetry" Choice="0" ChoiceName="Yes (Default)"/>')
    lines.append('<Option Name="Use Dynamical Occupancy Correction" Choice="1" ChoiceName="Yes"/>')
    for number in sorted(set(problem.sites)):
        symbol = SYMBOLS[number]
        lines.append(f'<ScatteringPowerAtom Name="{symbol}" Symbol="{symbol}">')
        lines.append(_parameter("Biso", B_ISO, 0.1, 5.0))
        lines.append("</ScatteringPowerAtom>")
    for row, number in enumerate(problem.sites):
        symbol = SYMBOLS[number]
        lines.append(f'<Atom Name="{symbol}{row}" ScattPow="{symbol}">')
        lines += [_parameter(axis, 0.1 + 0.05 * row, 0.0, 1.0, refined=True, limited=False) for axis in "xyz"]
        lines.append(_parameter("Occup", 1.0, 0.01, 1.0))
        lines.append("</Atom>")
    return [*lines, "</Crystal>"]


def _pattern(problem: FoxProblem) -> list[str]:
    fit, pattern = problem.decomposition, problem.prepared.pattern
    radiation = fit.instrument.radiation
    first = radiation.wavelength
    doublet = len(radiation.wavelengths) == 2
    if doublet:
        second, ratio = radiation.wavelengths[1], radiation.weights[1] / radiation.weights[0]
        mean = (first + ratio * second) / (1.0 + ratio)
        source = [
            '<Radiation XRayTube="Cu">',
            '<Option Name="Spectrum" Choice="1" ChoiceName="X-Ray Tube"/>',
            _parameter("Wavelength", mean, 0.05, 20.0),
            _parameter("XRayTubeDeltaLambda", second - first, 0.001, 20.0),
            _parameter("XRayTubeAlpha2Alpha1Ratio", ratio, 0.4, 0.6),
        ]
    else:
        source = [
            "<Radiation>",
            '<Option Name="Spectrum" Choice="0" ChoiceName="Monochromatic"/>',
            _parameter("Wavelength", first, 0.05, 20.0),
        ]
    u, v, w, eta = _widths(problem)
    rows = np.unique(np.linspace(0, fit.grid.size - 1, BACKGROUND_POINTS).astype(int))
    # intensities in the range of counts, whatever the file's units
    scale = 1e4 / float(pattern.intensity.max())
    data = zip(fit.grid, pattern.intensity * scale, pattern.uncertainty * scale, strict=True)
    return [
        '<PowderPattern Name="pattern">',
        _parameter("Zero", fit.instrument.zero, -3.0, 3.0),
        '<Option Name="Use Integrated Profiles" Choice="0" ChoiceName="Yes (recommended)"/>',
        *source,
        '<Option Name="Radiation" Choice="1" ChoiceName="X-Ray"/>',
        "<LinearPolarRate>0</LinearPolarRate>",
        "</Radiation>",
        f"<MaxSinThetaOvLambda>{MAX_S}</MaxSinThetaOvLambda>",
        '<PowderPatternBackground Name="background">',
        '<Option Name="Interpolation Model" Choice="0" ChoiceName="Linear"/>',
        "<XIntensityList>",
        *(f"{fit.grid[row]:.4f} {fit.background[row] * scale:.4f} 0" for row in rows),
        "</XIntensityList>",
        "</PowderPatternBackground>",
        '<PowderPatternComponent Scale="1" Name="background"/>',
        '<PowderPatternCrystal Name="phase" Crystal="sample" IgnoreImagScattFact="0">',
        "<ReflectionProfilePseudoVoigt>",
        *(_parameter(name, value, -1.0, 1.0) for name, value in (("U", u), ("V", v), ("W", w))),
        _parameter("Eta0", eta, 0.0, 1.0),
        _parameter("Eta1", 0.0, -1.0, 1.0),
        "</ReflectionProfilePseudoVoigt>",
        *_texture(problem.texture),
        "</PowderPatternCrystal>",
        '<PowderPatternComponent Scale="1" Name="phase"/>',
        "<XIobsSigmaWeightList>",
        *(f"{angle:.4f} {counts:.4f} {sigma:.4f} {1.0 / sigma**2:.6g}" for angle, counts, sigma in data),
        "</XIobsSigmaWeightList>",
        "</PowderPattern>",
    ]


def _texture(told: Texture | None) -> list[str]:
    if told is None:
        return []
    named = (("Fraction", 1.0), ("MarchCoeff", told.ratio), *zip("HKL", told.axis, strict=True))
    lines = (_parameter(name, value, -10.0, 10.0, limited=False) for name, value in named)
    return [
        "<TextureMarchDollase>",
        "<TexturePhaseMarchDollase>",
        *lines,
        "</TexturePhaseMarchDollase>",
        "</TextureMarchDollase>",
    ]


def _widths(problem: FoxProblem) -> tuple[float, float, float, float]:
    """U, V, W (degrees^2) and eta of Fox's pseudo-Voigt, fitted to the widths of the decomposition."""
    theta = np.radians(problem.decomposition.two_theta) / 2.0
    width, mixing = line_widths(theta, problem.decomposition.instrument)
    tangent = np.tan(theta)
    u, v, w = np.polyfit(tangent, width**2, 2) if theta.size > 3 else (0.0, 0.0, float(np.mean(width**2)))
    return float(u), float(v), float(w), float(np.mean(mixing))


def _parameter(name: str, value: float, low: float, high: float, *, refined: bool = False, limited: bool = True) -> str:
    flags = f'Refined="{int(refined)}" Limited="{int(limited)}"'
    return f'<Par {flags} Min="{low:g}" Max="{high:g}" Name="{name}">{value:.6f}</Par>'
