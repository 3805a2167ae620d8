"""cellnet: coordinates of cells, lines of crystals, what diffraction says of a proposal, training, weights."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import JsonValue

from pxrdgen.errors import CellError, OptionError, UnknownComponentError, WeightsError
from pxrdgen.interfaces.kinds import ComponentKind
from pxrdgen.plugins.registry import default_registry
from pxrdgen.specs.component import ComponentSpec
from pxrdgen.values.cell import UnitCell
from pxrdgen.values.cells import CellProblem
from pxrdgen.values.composition import Composition
from pxrdgen.values.crystal import Crystal
from pxrdgen.values.crystal_batch import CrystalBatch
from pxrdgen.values.instrument import GSAS2_DEFAULT
from pxrdgen.values.pattern import PowderPattern
from pxrdgen.values.prepared_pattern import PreparedPattern
from pxrdgen_cells.cellnet.coordinates import to_basis, to_coordinates, triangular
from pxrdgen_cells.cellnet.feed import LineFeed, _merged, first_peaks
from pxrdgen_cells.cellnet.line_lists import LineLists
from pxrdgen_cells.cellnet.misfit import PEAKS, misfit_features
from pxrdgen_cells.cellnet.model import CellModel
from pxrdgen_cells.cellnet.options import CellNetOptions, PeakAugmentation
from pxrdgen_cells.cellnet.polish import distinct, polish_cells
from pxrdgen_cells.cellnet.predictor import CellNet, condition_of
from pxrdgen_crystallography.diffraction import simulate_profile
from pxrdgen_crystallography.formula.parse import parse_formula
from pxrdgen_crystallography.preparation import prepare
from pxrdgen_learning.data.dataset import CrystalDataset, pack
from pxrdgen_learning.training import runs
from pxrdgen_learning.training.batch import Rows
from pxrdgen_learning.training.corpus import Corpus
from pxrdgen_learning.training.exporting import export
from pxrdgen_learning.training.options import TrainingOptions
from pxrdgen_learning.training.spec import read_training_spec
from pxrdgen_learning.weights.weights import LargerThanTrainedWarning, WeightsCard, card_path

SMALL = {"peak_width": 16, "peak_layers": 1, "heads": 2, "condition": 16, "width": 32, "blocks": 1}
TINY = CellNetOptions.model_validate({"network": SMALL, "draws": 4, "steps": 6})
TRICLINIC = UnitCell(4.1, 5.3, 6.2, 82.0, 78.0, 71.0)
IDEAL = PeakAugmentation(clean=1.0, strain=0.0)


def crystal(species: list[int], coords: list[list[float]], basis: np.ndarray, name: str) -> Crystal:
    return Crystal(species=np.array(species), frac_coords=np.array(coords, dtype=float), basis=basis, name=name)


def caesium_chloride(a: float, name: str = "CsCl") -> Crystal:
    return crystal([17, 55], [[0, 0, 0], [0.5, 0.5, 0.5]], np.eye(3) * a, name)


def rock_salt(a: float) -> Crystal:
    basis = UnitCell.from_basis(0.5 * a * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]])).niggli()[0].basis
    return crystal([11, 17], [[0, 0, 0], [0.5, 0.5, 0.5]], basis, "NaCl")


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    rng = np.random.default_rng(0)
    many = [caesium_chloride(3.6 + 0.05 * i, f"pair-{i}") for i in range(16)]
    many += [
        crystal([8, 22, 38], rng.random((3, 3)).tolist(), TRICLINIC.basis * (1 + 0.01 * i), f"three-{i}")
        for i in range(16)
    ]
    return Corpus.from_dataset(CrystalDataset.from_crystals(many, source="made up", split="train"))


@pytest.fixture(scope="module")
def salt() -> PreparedPattern:
    grid = torch.arange(5.0, 80.0, 0.02, dtype=torch.float64)
    batch = CrystalBatch.from_crystals([rock_salt(5.64)], dtype=torch.float64)
    profile = simulate_profile(batch, GSAS2_DEFAULT, grid, background=1.0)[0].numpy()
    return prepare(PowderPattern(two_theta=grid.numpy(), intensity=profile, instrument=GSAS2_DEFAULT))


def lines_of_one(one: Crystal) -> LineLists:
    return LineLists.from_corpus(Corpus.from_dataset(CrystalDataset.from_crystals([one], source="made up")))


def feed_of_one(one: Crystal, augmentation: PeakAugmentation) -> LineFeed:
    return LineFeed(lines=lines_of_one(one), augmentation=augmentation, max_peaks=32)


ONE = Rows(size=0, rows=torch.tensor([0]))


# --- coordinates ---


def test_coordinates_lead_back_to_the_cell() -> None:
    basis = torch.as_tensor(TRICLINIC.basis)
    assert torch.allclose(to_basis(to_coordinates(basis)), basis, atol=1e-6)


def test_the_lower_triangular_basis_has_the_metric_of_the_cell() -> None:
    metric = torch.as_tensor(TRICLINIC.basis @ TRICLINIC.basis.T)
    basis = triangular(metric)
    assert torch.allclose(basis @ basis.T, metric)
    assert UnitCell.from_basis(basis.numpy()).parameters == pytest.approx(TRICLINIC.parameters)


# --- lines and what is seen of them ---


def test_a_cubic_crystal_has_the_lines_of_its_lattice() -> None:
    lines = lines_of_one(caesium_chloride(4.12))
    sums = (lines.hkl[0].int() ** 2).sum(-1)
    assert sums[:6].tolist() == [1, 2, 3, 4, 5, 6]


def test_face_centring_shows_although_the_cell_is_primitive() -> None:
    batch = feed_of_one(rock_salt(5.64), IDEAL).batch(ONE, TrainingOptions(), torch.Generator().manual_seed(0))
    d = batch.condition.q[0][batch.condition.mask[0]].rsqrt()
    assert torch.allclose(5.64 / d[:4], torch.tensor([3.0, 4.0, 8.0, 11.0]).sqrt(), atol=2e-3)


def test_strain_leaves_a_cubic_lattice_cubic() -> None:
    feed = feed_of_one(caesium_chloride(4.12), PeakAugmentation(strain=0.02))
    bases = torch.cat(
        [to_basis(feed.batch(ONE, TrainingOptions(), torch.Generator().manual_seed(i)).coordinates) for i in range(8)]
    )
    edges = torch.linalg.vector_norm(bases, dim=-1)
    assert torch.allclose(edges, edges[:, :1].expand(-1, 3), rtol=1e-4)
    assert float(edges[:, 0].std()) > 0.01


def test_peaks_that_overlap_become_one_at_their_centre_of_gravity() -> None:
    angle, strength = _merged(torch.tensor([[20.0, 20.05, 30.0]]), torch.tensor([[1.0, 3.0, 1.0]]), torch.tensor([0.1]))
    assert angle[0, 0] == pytest.approx(20.0375)
    assert strength[0].tolist() == [4.0, 1.0, 0.0]


def test_what_is_not_a_peak_is_not_shown() -> None:
    condition = first_peaks(
        torch.tensor([[0.3, 0.1, 0.2]]),
        torch.tensor([[5.0, 0.0, 10.0]]),
        species=torch.zeros(1, 1, dtype=torch.long),
        volume=torch.ones(1),
        max_peaks=8,
    )
    assert condition.mask[0].tolist() == [True, True] + [False] * 6
    assert condition.q[0, :2].tolist() == pytest.approx([0.2, 0.3])
    assert condition.share[0, :2].tolist() == pytest.approx([1.0, 0.5])


def test_a_batch_follows_from_its_seed(corpus: Corpus) -> None:
    feed = CellNet.feed(corpus, TINY)
    rows = next(feed.order(TrainingOptions(crystals=8, per_step=1), 0))[0]
    first, second = (feed.batch(rows, TrainingOptions(), torch.Generator().manual_seed(4)) for _ in range(2))
    other = feed.batch(rows, TrainingOptions(), torch.Generator().manual_seed(5))
    assert torch.equal(first.condition.q, second.condition.q)
    assert not torch.equal(first.condition.q, other.condition.q)


# --- what diffraction says of a proposal ---


def test_the_misfit_of_a_displaced_cell_points_home() -> None:
    feed = feed_of_one(crystal([22], [[0, 0, 0]], TRICLINIC.niggli()[0].basis, "Ti"), IDEAL)
    batch = feed.batch(ONE, TrainingOptions(), torch.Generator().manual_seed(0))
    away = 0.01 * torch.randn(64, 6, generator=torch.Generator().manual_seed(1))
    log_ratio = torch.full((1, 64), -8.0)
    features = misfit_features((batch.coordinates + away)[None], log_ratio, batch.condition.q, batch.condition.mask)
    step = torch.atanh(features[0, :, 2 * PEAKS : 2 * PEAKS + 6].clamp(-0.999, 0.999)) / 4.0
    left = torch.linalg.vector_norm(away + step, dim=-1) / torch.linalg.vector_norm(away, dim=-1)
    assert float(left.median()) < 0.35


def test_the_true_cell_explains_all_peaks() -> None:
    batch = feed_of_one(rock_salt(5.64), IDEAL).batch(ONE, TrainingOptions(), torch.Generator().manual_seed(0))
    truth, wrong = batch.coordinates[:, None], batch.coordinates[:, None] + 0.3
    explained = [
        float(misfit_features(state, torch.full((1, 1), -8.0), batch.condition.q, batch.condition.mask)[0, 0, -1])
        for state in (truth, wrong)
    ]
    assert explained[0] > 0.99 > explained[1]


def test_a_cell_off_by_a_percent_is_brought_onto_the_peaks() -> None:
    feed = feed_of_one(crystal([22], [[0, 0, 0]], TRICLINIC.niggli()[0].basis, "Ti"), IDEAL)
    batch = feed.batch(ONE, TrainingOptions(), torch.Generator().manual_seed(0))
    away = 0.03 * torch.randn(32, 6, generator=torch.Generator().manual_seed(1))
    truth = to_basis(batch.coordinates).double()
    start = to_basis(batch.coordinates + away).double()
    fitted, odds = polish_cells(start, batch.condition.q[0].double(), batch.condition.mask[0], 1.540593)
    off = (fitted - truth).abs().amax(dim=(-1, -2))
    assert float((off < 0.01).double().mean()) > 0.7
    assert bool((odds[off < 0.01] > 30.0).all())


def test_repeats_are_left_out() -> None:
    bases = torch.as_tensor(np.stack([np.eye(3) * 4.0, np.eye(3) * 4.001, np.eye(3) * 5.0]))
    assert distinct(bases, torch.tensor([1, 0, 2]), 3) == [1, 2]


# --- the model ---


def test_without_the_formula_the_contents_are_not_looked_at(corpus: Corpus) -> None:
    feed = CellNet.feed(corpus, TINY)
    batch = feed.batch(Rows(size=0, rows=torch.arange(4)), TrainingOptions(), torch.Generator().manual_seed(0))
    network = CellModel.from_options(TINY).network
    blind = batch.condition.knowing(formula=False, z=False)
    other = replace(blind, species=blind.species.flip(0), volume=blind.volume * 3.0)
    assert torch.equal(network.encode(blind), network.encode(other))
    assert not torch.equal(network.encode(blind), network.encode(batch.condition))


@pytest.mark.parametrize("changes", [{}, {"path": "diffusion"}, {"path": "diffusion", "sampler": "ancestral"}])
def test_one_network_serves_flow_and_diffusion(changes: dict[str, str], salt: PreparedPattern) -> None:
    model = CellModel.from_options(TINY.model_copy(update=changes))
    condition = condition_of(CellProblem(prepared=salt), max_peaks=TINY.max_peaks)
    bases = model.sample(condition, 7, torch.Generator().manual_seed(0))
    assert bases.shape == (7, 3, 3)
    assert bool((torch.linalg.det(bases) > 0).all())


def spec_for(folder: Path, corpus_path: Path, **training: object) -> Path:
    path = folder / "spec.json"
    document = {
        "kind": "cell-predictor",
        "component": {"plugin": "cellnet", "options": {"network": SMALL, "draws": 4}},
        "corpus": {"path": str(corpus_path), "description": "made-up cells"},
        "training": {"crystals": 8, "per_step": 1, "warmup": 5, "threads": 1, "learning_rate": 3e-3, **training},
    }
    path.write_text(json.dumps(document))
    return path


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network trained for a few steps through the same door as the real one."""
    folder = tmp_path_factory.mktemp("cellnet")
    crystals = [caesium_chloride(3.6 + 0.05 * i, f"pair-{i}") for i in range(16)]
    pack(CrystalDataset.from_crystals(crystals, source="made up", split="train"), folder / "cells.npz")
    spec = read_training_spec(spec_for(folder, folder / "cells.npz", steps=40))
    progress = runs.train(spec, folder / "run")
    assert progress.step == 40
    assert progress.loss < 0.95
    export(folder / "run", folder / "tiny.safetensors")
    return folder / "tiny.safetensors"


def restored(weights: Path, **options: JsonValue) -> CellNet:
    spec = ComponentSpec(plugin="cellnet", weights=str(weights), options=options)
    built = default_registry().build(ComponentKind.CELL_PREDICTOR, spec)
    assert isinstance(built, CellNet)
    return built


def test_training_goes_through_the_one_loop_and_weights_come_with_a_card(weights: Path) -> None:
    card = WeightsCard.model_validate_json(card_path(weights).read_text())
    assert (card.kind, card.component, card.max_atoms) == (ComponentKind.CELL_PREDICTOR, "cellnet", 2)
    assert card.data == "made-up cells"


def test_proposals_are_reduced_cells_and_follow_from_the_seed(weights: Path, salt: PreparedPattern) -> None:
    net = restored(weights, steps=4, pool=40)
    problem = CellProblem(prepared=salt, composition=parse_formula("NaCl")[0], z=1)
    first, second = (net.predict(problem, 12, np.random.default_rng(3)) for _ in range(2))
    assert [h.cell for h in first] == [h.cell for h in second]
    for hypothesis in first:
        assert hypothesis.origin == "cellnet"
        assert hypothesis.cell.volume == pytest.approx(hypothesis.cell.niggli()[0].volume)
        assert hypothesis.cell.a <= hypothesis.cell.b + 1e-6 <= hypothesis.cell.c + 2e-6


def test_nothing_larger_than_asked_for_is_proposed(weights: Path, salt: PreparedPattern) -> None:
    for polish in (True, False):
        net = restored(weights, steps=4, pool=50, polish=polish)
        found = net.predict(CellProblem(prepared=salt, max_volume=60.0), 50, np.random.default_rng(0))
        assert found
        assert all(hypothesis.cell.volume <= 60.0 for hypothesis in found)


def test_polished_proposals_come_best_first_and_once(weights: Path, salt: PreparedPattern) -> None:
    net = restored(weights, steps=4, pool=200)
    found = net.predict(CellProblem(prepared=salt), 20, np.random.default_rng(0))
    scores = [hypothesis.score for hypothesis in found]
    assert scores == sorted(scores, reverse=True)
    assert len({hypothesis.cell.parameters for hypothesis in found}) == len(found) <= 20


def test_without_polish_there_are_as_many_draws_as_asked_for(weights: Path, salt: PreparedPattern) -> None:
    net = restored(weights, steps=4, polish=False, chunk=8)
    assert len(net.predict(CellProblem(prepared=salt), 20, np.random.default_rng(0))) == 20


# --- bad input ---


def test_more_atoms_than_trained_for_is_said(weights: Path, salt: PreparedPattern) -> None:
    net = restored(weights, steps=2)
    problem = CellProblem(prepared=salt, composition=parse_formula("SrTiO3")[0], z=1)
    with pytest.warns(LargerThanTrainedWarning, match="5 atoms.*at most 2"):
        net.predict(problem, 2, np.random.default_rng(0))


def test_too_few_peaks_are_refused_with_the_number_needed(weights: Path, salt: PreparedPattern) -> None:
    few = replace(salt, peaks=salt.peaks.select(np.arange(len(salt.peaks)) < 2))
    with pytest.raises(CellError, match=r"got 2 peak\(s\), expected at least 4"):
        restored(weights).predict(CellProblem(prepared=few), 2, np.random.default_rng(0))


def test_truncated_weights_are_noticed(weights: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "cut.safetensors"
    damaged.write_bytes(weights.read_bytes()[:-100])
    card_path(damaged).write_text(card_path(weights).read_text())
    with pytest.raises(WeightsError, match="truncated or altered"):
        restored(damaged)


def test_weights_of_another_component_are_refused(weights: Path, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.safetensors"
    foreign.write_bytes(weights.read_bytes())
    card = json.loads(card_path(weights).read_text()) | {"component": "flow", "kind": "generator"}
    card_path(foreign).write_text(json.dumps(card))
    with pytest.raises(WeightsError, match="expected those of the cell-predictor 'cellnet'"):
        restored(foreign)


def test_options_of_another_network_are_refused(weights: Path) -> None:
    with pytest.raises(OptionError, match=r"network=.* differs from that of the weights"):
        restored(weights, network={"width": 64})


def test_unknown_weights_are_named() -> None:
    with pytest.raises(UnknownComponentError, match="celnet"):
        default_registry().build(ComponentKind.CELL_PREDICTOR, "cellnet", {"weights": "celnet"})


# --- the shipped weights ---


def test_shipped_weights_propose_the_cell_of_rock_salt(salt: PreparedPattern) -> None:
    registry = default_registry()
    if not any(entry.record.name == "cellnet" for entry in registry.components(ComponentKind.WEIGHTS)):
        pytest.skip("the weights of cellnet are not installed")
    net = registry.build(ComponentKind.CELL_PREDICTOR, "cellnet", {"polish": False})
    problem = CellProblem(prepared=salt, composition=Composition(((11, 1), (17, 1))), z=1)
    found = net.predict(problem, 100, np.random.default_rng(0))
    edge = 5.64 / np.sqrt(2.0)
    truth = np.array([edge, edge, edge, 60.0, 60.0, 60.0])
    errors = np.array([np.abs(np.array(h.cell.parameters) / truth - 1.0).max() for h in found])
    volumes = np.array([h.cell.volume for h in found])
    assert errors.min() < 0.01
    assert np.median(np.abs(volumes / (5.64**3 / 4) - 1.0)) < 0.1
