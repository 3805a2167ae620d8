"""Every quantity the refinement can free, one class each: a new one is a class in a file here and a name below."""

from __future__ import annotations

from pxrdgen_refiners.quantities.asymmetry import Asymmetry
from pxrdgen_refiners.quantities.atoms import Coordinates, Uiso
from pxrdgen_refiners.quantities.linear import Background, Scale
from pxrdgen_refiners.quantities.lorentz_z import LorentzZ
from pxrdgen_refiners.quantities.phases import PhaseScales, PhaseShapes
from pxrdgen_refiners.quantities.shifts import SampleDisplacement, Zero
from pxrdgen_refiners.quantities.strain import Strain
from pxrdgen_refiners.quantities.texture import Texture
from pxrdgen_refiners.quantities.transparency import Transparency
from pxrdgen_refiners.quantities.widths import Widths
from pxrdgen_refiners.quantity import Correction, Quantity

SCALE, BACKGROUND, COORDINATES, U_ISO, TEXTURE = Scale(), Background(), Coordinates(), Uiso(), Texture()
STRAIN, WIDTHS, ASYMMETRY = Strain(), Widths(), Asymmetry()
PHASE_SCALES, PHASE_SHAPES = PhaseScales(SCALE), PhaseShapes(STRAIN, WIDTHS)

#: corrections that the options ask for by name.
CORRECTIONS: tuple[Correction, ...] = (Transparency(), LorentzZ())
#: what the profile is linear in; what moves the atoms; what moves and shapes the peaks.
LINEAR: tuple[Quantity, ...] = (BACKGROUND, SCALE, PHASE_SCALES)
ATOMS: tuple[Quantity, ...] = (COORDINATES, U_ISO)
SHAPE: tuple[Quantity, ...] = (STRAIN, Zero(), SampleDisplacement(), WIDTHS, PHASE_SHAPES, *CORRECTIONS)
#: all, in the order of the report.
QUANTITIES: tuple[Quantity, ...] = (
    *(SCALE, BACKGROUND, PHASE_SCALES),
    *SHAPE,
    ASYMMETRY,
    TEXTURE,
    *ATOMS,
)
