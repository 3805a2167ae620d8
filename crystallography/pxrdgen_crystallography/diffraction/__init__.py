"""The diffraction engine: batched, differentiable powder diffraction in torch."""

from __future__ import annotations

from pxrdgen_crystallography.diffraction.form_factors import FormFactors, form_factors
from pxrdgen_crystallography.diffraction.simulate import ReflectionList, simulate_profile, simulate_reflections

__all__ = ["FormFactors", "ReflectionList", "form_factors", "simulate_profile", "simulate_reflections"]
