"""What an encoder of powder patterns owes."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor, nn

from pxrdgen.interfaces.encoder import PatternEncoder
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.pattern_batch import PatternBatch, PatternFeatures
from pxrdgen_crystallography.preparation import prepare
from pxrdgen_learning.views.pattern_views import patterns_from_prepared
from pxrdgen_testing.check import Check, Subject, expect, expect_instance
from pxrdgen_testing.samples import caesium_chloride, pattern_of, rutile

#: agreement of vectors that must be the same but for rounding.
SAME = 1e-4


def it_gives_a_vector_of_its_width(subject: Subject) -> None:
    """[B, D] finite numbers; tokens come with their mask."""
    encoder = _encoder(subject)
    features = _encode(encoder, _patterns(encoder))
    shape = tuple(features.vector.shape)
    expect(shape == (2, encoder.width), f"got vectors of shape {shape}, expected (2, {encoder.width}): batch, width")
    expect(bool(torch.isfinite(features.vector).all()), "got a vector with numbers that are not finite")
    if features.tokens is not None:
        expect(features.token_mask is not None, "got tokens without token_mask, expected [B, T] bool with them")
        expect(features.tokens.shape[0] == 2, f"got tokens for {features.tokens.shape[0]} patterns, expected 2")


def a_pattern_is_encoded_alone_as_in_a_batch(subject: Subject) -> None:
    """The other patterns of a batch, and padding, must not matter."""
    encoder = _encoder(subject)
    patterns = _patterns(encoder)
    together = _encode(encoder, patterns).vector
    alone = torch.cat([_encode(encoder, patterns[slice(row, row + 1)]).vector for row in range(2)])
    _same(together, alone, "alone and in a batch")
    padded = replace(
        patterns,
        peaks=torch.nn.functional.pad(patterns.peaks, (0, 0, 0, 5)),
        peak_mask=torch.nn.functional.pad(patterns.peak_mask, (0, 5)),
    )
    _same(together, _encode(encoder, padded).vector, "with and without padding")


def encoding_twice_gives_the_same(subject: Subject) -> None:
    """In evaluation mode nothing is random."""
    encoder = _encoder(subject)
    patterns = _patterns(encoder)
    first, again = _encode(encoder, patterns).vector, _encode(encoder, patterns).vector
    _same(first, again, "twice; switch dropout off in eval()")


def different_patterns_get_different_vectors(subject: Subject) -> None:
    """A vector that says nothing is no use."""
    encoder = _encoder(subject)
    first, second = _encode(encoder, _patterns(encoder)).vector
    expect(not torch.allclose(first, second, atol=SAME), "got the same vector for two different crystals")


def gradients_reach_its_parameters(subject: Subject) -> None:
    """One that learns is a torch module whose parameters matter."""
    encoder = _encoder(subject)
    if not isinstance(encoder, nn.Module):
        return
    learned = [(name, p) for name, p in encoder.named_parameters() if p.requires_grad]
    if not learned:
        return
    vector = encoder.encode(_patterns(encoder)).vector
    weights = torch.linspace(-1.0, 1.0, vector.numel()).reshape(vector.shape)
    (vector * weights).sum().backward()  # type: ignore[no-untyped-call]
    reached = [name for name, p in learned if p.grad is not None]
    expect(reached, "got no gradient in any parameter; is the vector detached?")
    broken = [name for name, p in learned if p.grad is not None and not torch.isfinite(p.grad).all()]
    expect(not broken, f"got gradients that are not finite in {', '.join(broken[:3])}")


def a_featureless_pattern_is_no_failure(subject: Subject) -> None:
    """No peaks at all: some finite vector."""
    encoder = _encoder(subject)
    patterns = _patterns(encoder)
    empty = replace(
        patterns,
        peaks=torch.zeros_like(patterns.peaks),
        peak_mask=torch.zeros_like(patterns.peak_mask),
        profile=torch.zeros_like(patterns.profile),
    )
    vector = _encode(encoder, empty).vector
    expect(bool(torch.isfinite(vector).all()), "got numbers that are not finite for a pattern without peaks")


def _encoder(subject: Subject) -> PatternEncoder:
    encoder = expect_instance(subject.build(), PatternEncoder)
    if isinstance(encoder, nn.Module):
        encoder.eval()
    return encoder


def _patterns(encoder: PatternEncoder) -> PatternBatch:
    crystals: tuple[Crystal, ...] = (rutile(), caesium_chloride())
    return patterns_from_prepared([prepare(pattern_of(crystal)) for crystal in crystals], grid=encoder.grid)


@torch.no_grad()
def _encode(encoder: PatternEncoder, patterns: PatternBatch) -> PatternFeatures:
    features = encoder.encode(patterns)
    expect(isinstance(features, PatternFeatures), f"got a {type(features).__name__}, expected PatternFeatures")
    return features


def _same(first: Tensor, second: Tensor, what: str) -> None:
    off = float((first - second).abs().max())
    size = max(float(first.abs().max()), math.ulp(1.0))
    expect(off <= SAME * max(size, 1.0), f"got vectors that differ by {off:.2g} {what}, expected the same")


CHECKS: tuple[Check, ...] = (
    it_gives_a_vector_of_its_width,
    a_pattern_is_encoded_alone_as_in_a_batch,
    encoding_twice_gives_the_same,
    different_patterns_get_different_vectors,
    gradients_reach_its_parameters,
    a_featureless_pattern_is_no_failure,
)
