"""The diffraction engine: batched, differentiable powder diffraction in torch."""

from __future__ import annotations

from pxrdgen_crystallography.diffraction.reflection_list import ReflectionList
from pxrdgen_crystallography.diffraction.simulate import simulate_profile, simulate_reflections
from pxrdgen_crystallography.scattering.amplitudes import Scattering, scattering_of

__all__ = ["ReflectionList", "Scattering", "scattering_of", "simulate_profile", "simulate_reflections"]
