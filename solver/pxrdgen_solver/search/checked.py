"""What generators and refiners answer, looked over before it is used: a stranger's may answer anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from pxrdgen.errors import BrokenPluginError
from pxrdgen.interfaces.refiner import Refiner
from pxrdgen.values.candidates import CandidateBatch
from pxrdgen.values.intensity_target import IntensityTarget
from pxrdgen.values.refinement import Measurement, RefinementResult, RefinementStart


def check_candidates(batch: object, name: str, target: IntensityTarget) -> CandidateBatch:
    """The answer of generator ``name`` as candidates for a target, stamped with its name.

    Raises:
        BrokenPluginError: not the type or shape asked for, or not finite; the message names the generator.
    """
    atoms, reflections = int(target.species.numel()), int(target.hkl.shape[0])
    coords = getattr(batch, "frac_coords", None)
    if not isinstance(batch, CandidateBatch) or not isinstance(coords, torch.Tensor):
        raise BrokenPluginError(f"generator {name!r} returned a {type(batch).__name__}; expected a CandidateBatch")
    if coords.ndim != 3 or coords.shape[1:] != (atoms, 3):
        raise BrokenPluginError(
            f"generator {name!r} returned frac_coords of shape {list(coords.shape)}; expected [M, {atoms}, 3]"
        )
    if not bool(torch.isfinite(coords).all()):
        raise BrokenPluginError(f"generator {name!r} returned coordinates that are not finite")
    count = int(coords.shape[0])
    for field, size in (
        ("prior_score", None if batch.prior_score is None else len(batch.prior_score)),
        ("freedom", None if batch.freedom is None else len(batch.freedom)),
        ("constraint", None if batch.constraint is None else len(batch.constraint)),
    ):
        if size not in (None, count):
            raise BrokenPluginError(f"generator {name!r} returned {size} entries of {field} for {count} candidates")
    if batch.texture is not None and batch.texture.shape != (count, reflections):
        raise BrokenPluginError(
            f"generator {name!r} returned a texture of shape {list(batch.texture.shape)}; "
            f"expected {[count, reflections]}"
        )
    return replace(batch, origin=(name,) * count)


def check_refinement(answer: object, name: str, start: RefinementStart) -> RefinementResult:
    """The answer of refiner ``name`` to one start.

    Raises:
        BrokenPluginError: not one result, other atoms, coordinates or R factors that are no numbers.
    """
    result = answer[0] if isinstance(answer, Sequence) and len(answer) == 1 else None
    if not isinstance(result, RefinementResult):
        raise BrokenPluginError(f"refiner {name!r} returned {answer!r:.80}; expected one RefinementResult a start")
    if not np.array_equal(result.crystal.species, start.crystal.species):
        raise BrokenPluginError(f"refiner {name!r} returned other atoms than it was given")
    if not np.isfinite(result.crystal.frac_coords).all() or np.isnan([result.r_wp, result.gof]).any():
        raise BrokenPluginError(f"refiner {name!r} returned a coordinate or an R factor that is not a number")
    return result


def refine_checked(refiner: Refiner, measurement: Measurement, start: RefinementStart) -> RefinementResult:
    """One structure refined; a refiner that fails, or answers what cannot be used, leaves a failed result."""
    name = type(refiner).__name__
    try:
        return check_refinement(refiner.refine(measurement, [start]), name, start)
    except Exception as error:  # a stranger's component may do anything
        infinite = float("inf")
        return RefinementResult(
            crystal=start.crystal,
            r_wp=infinite,
            r_p=infinite,
            r_exp=infinite,
            gof=infinite,
            converged=False,
            message=f"{type(error).__name__}: {error}",
        )
