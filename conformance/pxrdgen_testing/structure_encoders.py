"""What an encoder of crystals owes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from pxrdgen.interfaces.structure_encoder import StructureEncoder
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.crystal_batch import CrystalBatch
from pxrdgen_testing.check import Check, Subject, expect, expect_instance
from pxrdgen_testing.samples import caesium_chloride, rutile

SAME = 1e-3


def it_gives_a_vector_of_its_width(subject: Subject) -> None:
    """[B, D] finite numbers."""
    encoder = _encoder(subject)
    vectors = _encode(encoder, [rutile(), caesium_chloride()])
    shape = tuple(vectors.shape)
    expect(shape == (2, encoder.width), f"got vectors of shape {shape}, expected (2, {encoder.width}): batch, width")
    expect(bool(torch.isfinite(vectors).all()), "got a vector with numbers that are not finite")


def padding_does_not_matter(subject: Subject) -> None:
    """A small crystal beside a large one is encoded as alone."""
    encoder = _encoder(subject)
    together = _encode(encoder, [caesium_chloride(), rutile()])[:1]
    _same(together, _encode(encoder, [caesium_chloride()]), "beside a larger crystal and alone")


def a_common_shift_does_not_matter(subject: Subject) -> None:
    """The origin of a cell is a choice."""
    crystal = rutile()
    moved = replace(crystal, frac_coords=(crystal.frac_coords + np.array([0.13, 0.37, 0.71])) % 1.0)
    encoder = _encoder(subject)
    _same(_encode(encoder, [crystal]), _encode(encoder, [moved]), "before and after a common shift of all atoms")


def the_order_of_atoms_does_not_matter(subject: Subject) -> None:
    """Nor how they are wrapped into the cell."""
    crystal = rutile()
    order = np.array([3, 1, 0, 2, 5, 4])
    shuffled = replace(crystal, species=crystal.species[order], frac_coords=crystal.frac_coords[order])
    wrapped = replace(crystal, frac_coords=crystal.frac_coords + np.arange(18).reshape(6, 3) % 3 - 1.0)
    encoder = _encoder(subject)
    vector = _encode(encoder, [crystal])
    _same(vector, _encode(encoder, [shuffled]), "in two orders of the same atoms")
    _same(vector, _encode(encoder, [wrapped]), "with atoms in neighbouring cells")


def different_crystals_get_different_vectors(subject: Subject) -> None:
    """And so does one crystal with an atom displaced."""
    crystal = rutile()
    coords = crystal.frac_coords.copy()
    coords[0] = (coords[0] + [0.1, 0.0, 0.05]) % 1.0
    vectors = _encode(_encoder(subject), [crystal, replace(crystal, frac_coords=coords), caesium_chloride()])
    expect(not torch.allclose(vectors[0], vectors[2], atol=1e-5), "got the same vector for two different crystals")
    expect(not torch.allclose(vectors[0], vectors[1], atol=1e-6), "got the same vector after an atom was displaced")


def _encoder(subject: Subject) -> StructureEncoder:
    encoder = expect_instance(subject.build(), StructureEncoder)
    if isinstance(encoder, nn.Module):
        encoder.eval()
    return encoder


@torch.no_grad()
def _encode(encoder: StructureEncoder, crystals: Sequence[Crystal]) -> Tensor:
    return encoder.encode(CrystalBatch.from_crystals(list(crystals), dtype=torch.float32))


def _same(first: Tensor, second: Tensor, what: str) -> None:
    off = float((first - second).abs().max())
    expect(off <= SAME * max(float(first.abs().max()), 1.0), f"got vectors that differ by {off:.2g} {what}")


CHECKS: tuple[Check, ...] = (
    it_gives_a_vector_of_its_width,
    padding_does_not_matter,
    a_common_shift_does_not_matter,
    the_order_of_atoms_does_not_matter,
    different_crystals_get_different_vectors,
)
