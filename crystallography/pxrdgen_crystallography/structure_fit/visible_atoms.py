"""Hydrogen, which X-rays hardly see, left out of what is fitted."""

from __future__ import annotations

from dataclasses import replace

import torch

from pxrdgen.values.intensity_target import IntensityTarget

#: hydrogen with less than this share of the sum of squared scattering factors at rest is not sought in the pattern ...
UNSEEN = 0.01
#: ... if something is there that it is bonded to, so that geometry can place it: boron, carbon, nitrogen, oxygen.
DONORS = (5, 6, 7, 8)


def without_hydrogen(target: IntensityTarget) -> IntensityTarget:
    """The target of the heavier atoms alone; itself where there is no hydrogen, or nothing else."""
    kept = target.species > 1
    if bool(kept.all()) or not bool(kept.any()):
        return target
    species = target.species[kept]
    elements = torch.unique(species)
    columns = torch.searchsorted(target.elements, elements)
    return replace(
        target,
        species=species,
        elements=elements,
        element_of=torch.searchsorted(elements, species),
        valence=target.valence[kept],
        normal=target.normal[:, columns],
        anomalous=target.anomalous[columns],
    )


def without_unseen_hydrogen(target: IntensityTarget) -> IntensityTarget:
    """The target without its hydrogen, where that is unseen and has donors; else itself."""
    hydrogen = target.species == 1
    squares = target.species.double() ** 2
    unseen = float(squares[hydrogen].sum()) < UNSEEN * float(squares.sum())
    bonded = bool(torch.isin(target.species, torch.tensor(DONORS)).any())
    return without_hydrogen(target) if unseen and bonded else target
