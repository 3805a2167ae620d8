"""What encoders see and what they must not see: wavelength, step, origin, order, choice of the cell."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from pxrdgen.errors import OptionError, StructureError
from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.plugins.registry import default_registry
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.crystal_batch import CrystalBatch
from pxrdgen.values.instrument import LABORATORY, TUBES, Instrument
from pxrdgen.values.pattern import PowderPattern
from pxrdgen.values.pattern_batch import PatternBatch, QGrid
from pxrdgen_crystallography.diffraction import simulate_profile
from pxrdgen_crystallography.preparation import prepare
from pxrdgen_encoders.cspnet import CspNetEncoder
from pxrdgen_encoders.e3nn_encoder import E3nnEncoder
from pxrdgen_encoders.histogram import line_histogram, measured_bins
from pxrdgen_encoders.options import CspNetOptions, E3nnOptions
from pxrdgen_encoders.periodic_edges import periodic_edges
from pxrdgen_learning.training.simulation import observe
from pxrdgen_learning.training.simulation_options import SimulationOptions
from pxrdgen_learning.views.pattern_views import patterns_from_groups, patterns_from_prepared
from pxrdgen_testing.samples import rutile

CLEAN = SimulationOptions(clean_fraction=1.0)
FACE_CENTRED = np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]]) / 2


def salt(basis: np.ndarray = 5.64 * FACE_CENTRED) -> Crystal:
    return Crystal(
        species=np.array([11, 17]), frac_coords=np.array([[0, 0, 0], [0.5, 0.5, 0.5]]), basis=basis, name="salt"
    )


def batch_of(*crystals: Crystal) -> CrystalBatch:
    return CrystalBatch.from_crystals(list(crystals))


def seen(crystal: Crystal, grid: QGrid | None = None, zero: float = 0.0) -> PatternBatch:
    batch = batch_of(crystal)
    observed, basis = observe(batch, CLEAN, torch.Generator().manual_seed(0))
    return patterns_from_groups(observed, basis, grid=grid, zero=torch.tensor([zero]), fwhm=torch.tensor([0.1]))


# --- what is seen of a pattern ---


def test_the_strongest_peak_of_salt_is_200_and_all_positions_are_those_of_its_lattice() -> None:
    peaks = seen(salt()).peaks[0]
    strongest = peaks[peaks[:, 1].argmax()]
    assert float(strongest[1]) == 1.0
    assert float(strongest[0]) == pytest.approx(4.0 / 5.64**2, rel=1e-4)
    index = peaks[:, 0] * 5.64**2
    assert torch.allclose(index, index.round(), atol=1e-3)
    assert {3, 4, 8, 11, 12, 16} <= set(index.round().int().tolist())


def test_weak_peaks_are_kept() -> None:
    shares = seen(salt()).peaks[0, :, 1]
    assert 5e-4 < float(shares[shares > 0].min()) < 0.05


def test_an_error_of_the_zero_moves_peaks_as_bragg_says() -> None:
    straight, moved = seen(salt()).peaks[0], seen(salt(), zero=0.1).peaks[0]
    wavelength = TUBES["CuKa"].wavelength
    two_theta = [torch.rad2deg(2 * torch.asin(0.5 * wavelength * peaks[:, 0].sqrt())) for peaks in (straight, moved)]
    assert torch.allclose(two_theta[1] - two_theta[0], torch.full_like(two_theta[0], 0.1), atol=1e-3)


def test_a_rendered_profile_has_its_highest_point_at_the_strongest_peak() -> None:
    grid = QGrid(points=2000)
    patterns = seen(salt(), grid=grid)
    highest = float(patterns.q_grid[patterns.profile[0].argmax()])
    assert highest == pytest.approx(2 * math.pi * 2 / 5.64, abs=grid.spacing)


def test_a_rendered_profile_has_nothing_where_nobody_measured() -> None:
    """Measured from 1 to 3 1/A, which leaves 220 of salt out (3.15 1/A) and keeps 111 and 200."""
    grid = QGrid(points=2000)
    observed, basis = observe(batch_of(salt()), CLEAN, torch.Generator().manual_seed(0))
    whole, part = (
        patterns_from_groups(replace(observed, q_range=torch.tensor([ends])), basis, grid=grid)
        for ends in ([grid.low, grid.high], [1.0, 3.0])
    )
    unseen = (part.q_grid < 1.0) | (part.q_grid > 3.0)
    assert torch.equal(part.measured[0], ~unseen)
    assert float(whole.profile[0][unseen].max()) > 0.1
    assert bool((part.profile[0][unseen] == 0).all())
    assert torch.allclose(part.profile[0][~unseen], whole.profile[0][~unseen], atol=1e-6)


def test_a_grid_that_runs_backwards_is_refused() -> None:
    with pytest.raises(OptionError, match="low < high"):
        QGrid(low=3.0, high=1.0)


def measured(
    crystal: Crystal, *, tube: str = "CuKa", low: float = 10.0, high: float = 80.0, step: float = 0.02
) -> PatternBatch:
    """A pattern of 10^4 counts with a flat background, prepared as a measured one is."""
    instrument = replace(LABORATORY, radiation=TUBES[tube])
    grid = np.arange(low, high, step)
    batch = CrystalBatch.from_crystals([crystal], dtype=torch.float64)
    profile = simulate_profile(batch, instrument, torch.as_tensor(grid), reflection_range=(low - 0.3, high + 0.5))
    intensity = 1e4 * profile[0].numpy() / float(profile.max()) + 50.0
    counts = np.random.default_rng(0).poisson(intensity).astype(np.float64)
    pattern = PowderPattern(two_theta=grid, intensity=counts, instrument=Instrument(radiation=TUBES[tube]))
    return patterns_from_prepared([prepare(pattern)], grid=QGrid(points=2000))


def test_molybdenum_shows_the_peaks_that_copper_shows() -> None:
    copper, molybdenum = measured(rutile()), measured(rutile(), tube="MoKa", low=5.0, high=36.0, step=0.01)
    ours, theirs = (patterns.peaks[0][patterns.peaks[0, :, 1] > 0.05] for patterns in (copper, molybdenum))
    assert len(ours) > 5
    for position, share in ours:
        nearest = (theirs[:, 0] - position).abs().argmin()
        assert float(theirs[nearest, 0]) == pytest.approx(float(position), rel=3e-3)
        assert float(theirs[nearest, 1]) == pytest.approx(float(share), rel=0.25)


def test_profiles_do_not_depend_on_the_step_of_the_scan() -> None:
    fine, coarse = measured(rutile(), step=0.01), measured(rutile(), step=0.03)
    cosine = functional.cosine_similarity(fine.profile, coarse.profile)
    assert float(cosine) > 0.97


def test_a_histogram_counts_every_line_where_it_is() -> None:
    inverse_d = torch.tensor([[0.1, 0.5]])
    histogram = line_histogram(inverse_d, torch.tensor([[1.0, 2.0]]), 100)
    centres = (torch.arange(100) + 0.5) / 120.0
    assert float(histogram[0].sum()) == pytest.approx(3.0 * math.sqrt(2 * math.pi), rel=0.05)
    assert float(centres[histogram[0].argmax()]) == pytest.approx(0.5, abs=1 / 240)
    inside = measured_bins(torch.tensor([[1.0, 3.0]]), 100)[0]
    assert torch.equal(inside.bool(), (2 * math.pi * centres > 1.0) & (2 * math.pi * centres < 3.0))


# --- the networks ---


@pytest.mark.parametrize(("name", "millions"), [("cnn", 1.11), ("transformer", 2.41)])
def test_profile_encoders_have_the_published_size(name: str, millions: float) -> None:
    encoder = default_registry().build(ComponentKind.ENCODER, name, {"show_range": False})
    assert isinstance(encoder, torch.nn.Module)
    assert sum(p.numel() for p in encoder.parameters()) / 1e6 == pytest.approx(millions, abs=0.005)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("cnn", {"points": 100}),
        ("transformer", {"points": 1001}),
        ("transformer", {"hidden": 30}),
        ("peaks", {"hidden": 30}),
        ("peaks", {"seed": 3}),
    ],
)
def test_options_that_cannot_be_built_are_refused(name: str, options: dict[str, int]) -> None:
    with pytest.raises(OptionError):
        default_registry().build(ComponentKind.ENCODER, name, options)


def test_the_order_of_peaks_does_not_matter() -> None:
    encoder = default_registry().build(ComponentKind.ENCODER, "peaks", {"hidden": 32, "width": 16})
    patterns = seen(rutile())
    order = torch.randperm(patterns.peaks.shape[1], generator=torch.Generator().manual_seed(0))
    shuffled = replace(patterns, peaks=patterns.peaks[:, order], peak_mask=patterns.peak_mask[:, order])
    assert torch.allclose(encoder.encode(patterns).vector, encoder.encode(shuffled).vector, atol=1e-5)


@pytest.mark.parametrize("edge_layers", [1, 2])
def test_the_factorised_edge_layer_is_the_concatenated_one(edge_layers: int) -> None:
    """W [h_i, h_j, f_ij, cell] + b, the four blocks of W side by side."""
    torch.manual_seed(0)
    encoder = CspNetEncoder(CspNetOptions(hidden=16, layers=2, frequencies=3, width=8, edge_layers=edge_layers))
    batch = batch_of(rutile())
    expected = _naive(encoder, batch)
    assert torch.allclose(encoder.encode(batch), expected, rtol=1e-4, atol=1e-4 * float(expected.detach().abs().max()))


def _naive(encoder: CspNetEncoder, batch: CrystalBatch) -> Tensor:
    x = encoder.element(batch.species)
    size = x.shape[1]
    difference = batch.frac_coords[:, None] - batch.frac_coords[:, :, None]
    angles = [2 * math.pi * k * difference[..., axis] for axis in range(3) for k in range(1, 4)]
    fourier = torch.stack([angle.sin() for angle in angles] + [angle.cos() for angle in angles], dim=-1)
    metric = (batch.basis @ batch.basis.transpose(1, 2)).flatten(1)[:, None, None].expand(1, size, size, 9)
    for layer in encoder.layers:
        rows, columns = x[:, :, None].expand(1, size, size, -1), x[:, None].expand(1, size, size, -1)
        everything = torch.cat([rows, columns, fourier, metric], dim=-1)
        weight = torch.cat([m.weight for m in (layer.receiver, layer.sender, layer.pair, layer.cell)], dim=1)
        messages = functional.silu(everything @ weight.T + layer.receiver.bias)
        if layer.edge is not None:
            messages = functional.silu(layer.edge(messages))
        x = x + layer.node(torch.cat([x, messages.mean(2)], dim=-1))
    pooled: Tensor = encoder.head(x.mean(1))
    return pooled


# --- periodicity and invariance ---


def test_every_atom_of_salt_has_6_and_12_neighbours() -> None:
    edges = periodic_edges(batch_of(salt()), 4.2)
    near, far = edges.length < 3.0, edges.length > 3.0
    assert int(near.sum()) == 2 * 6
    assert int(far.sum()) == 2 * 12
    assert torch.allclose(edges.length[near], torch.tensor(5.64 / 2))
    assert bool((edges.receiver[near] != edges.sender[near]).all())


def test_a_cell_too_flat_to_list_its_images_is_refused() -> None:
    crystals = batch_of(*[salt()] * 200)
    flat = replace(crystals, basis=torch.tensor([[3.0, 0, 0], [2.999, 0.003, 0], [0, 0, 3.0]]).expand(200, 3, 3))
    with pytest.raises(StructureError, match="too many to list"):
        periodic_edges(flat, 12.0)


@pytest.fixture(scope="module")
def equivariant() -> E3nnEncoder:
    torch.manual_seed(0)
    return E3nnEncoder(E3nnOptions(channels=8, layers=2, width=16)).eval()


def _doubled(crystal: Crystal) -> Crystal:
    coords = np.concatenate([crystal.frac_coords * [0.5, 1, 1], crystal.frac_coords * [0.5, 1, 1] + [0.5, 0, 0]])
    basis = crystal.basis * np.array([[2.0], [1.0], [1.0]])
    return Crystal(species=np.tile(crystal.species, 2), frac_coords=coords, basis=basis, name="doubled")


def _sheared(crystal: Crystal) -> Crystal:
    """The cell a, b, c + a."""
    change = np.array([[1.0, 0, 0], [0, 1, 0], [1, 0, 1]])
    return replace(crystal, basis=change @ crystal.basis, frac_coords=crystal.frac_coords @ np.linalg.inv(change) % 1.0)


def _turned(crystal: Crystal) -> Crystal:
    rotation, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))
    return replace(crystal, basis=crystal.basis @ rotation)


def _inverted(crystal: Crystal) -> Crystal:
    return replace(crystal, frac_coords=-crystal.frac_coords % 1.0)


@pytest.mark.parametrize("change", [_doubled, _sheared, _turned, _inverted])
def test_e3nn_sees_the_crystal_and_not_the_cell_it_is_written_in(
    equivariant: E3nnEncoder, change: Callable[[Crystal], Crystal]
) -> None:
    with torch.no_grad():
        before, after = equivariant.encode(batch_of(rutile())), equivariant.encode(batch_of(change(rutile())))
        other = equivariant.encode(batch_of(salt()))
    assert torch.allclose(before, after, atol=2e-4 * float(before.abs().max()))
    assert not torch.allclose(before, other, atol=1e-2 * float(before.abs().max()))


def test_e3nn_changes_smoothly_as_atoms_cross_the_cutoff(equivariant: E3nnEncoder) -> None:
    vectors = []
    with torch.no_grad():
        for scale in (4.9999, 5.0001):
            vectors.append(equivariant.encode(batch_of(salt(scale * math.sqrt(2.0) * FACE_CENTRED))))
    assert torch.allclose(vectors[0], vectors[1], atol=1e-3)


def test_cspnet_does_not_know_how_the_crystal_is_turned() -> None:
    encoder = CspNetEncoder(CspNetOptions(hidden=16, layers=2, width=8, reciprocal=True))
    assert torch.allclose(encoder.encode(batch_of(rutile())), encoder.encode(batch_of(_turned(rutile()))), atol=1e-3)
