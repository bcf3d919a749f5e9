"""What is compared with a network of GEN → RECO, on toy jets whose response is known."""

import numpy as np
import pytest
import torch

from pyg_jets.detector import Detector
from pyg_jets.studies.generation.baselines import (
    Ratios,
    conditional_mean,
    identity,
    mean_ratio,
    random_response,
    scaled,
)
from pyg_jets.studies.generation.gen_reco_jets import (
    FEATURES,
    GenReco,
    Sets,
    detector,
    grid_hidden,
    hides_kinds_and_eta,
    leading,
)
from tests.studies.toy_pairs import ToyDataset

DETECTOR = Detector.preset("cms-like")


@pytest.fixture(scope="module")
def jets():
    return GenReco(ToyDataset(1200, 1), 600, 600, DETECTOR, batch_size=250)


@pytest.fixture(scope="module")
def ratios(jets):
    return Ratios(jets)


def test_identity_has_a_response_of_one(jets):
    response = jets.respond(identity(jets)).features()
    for name in FEATURES:
        np.testing.assert_array_equal(response[name], jets.gen_features[name])


def test_the_mean_ratio_reproduces_the_mean(jets, ratios):
    features, gen = jets.respond(mean_ratio(jets, ratios)).features(), jets.gen_features
    for i, name in enumerate(("pt", "mass")):
        response = features[name] / gen[name]
        assert response == pytest.approx(ratios.ratio[:, i].mean(), rel=2e-3)
    n = features["n"] - gen["n"] * ratios.ratio[:, 2].mean()
    assert np.abs(n).max() <= 0.5
    for name in ("eta", "phi"):
        assert features[name] == pytest.approx(gen[name], abs=1e-5)


def test_the_random_response_reproduces_the_marginal(jets, ratios):
    response_of, gen = random_response(jets, ratios), jets.gen_features
    features = jets.respond(response_of, seed=3).features()
    for i, name in enumerate(("pt", "mass")):
        response = features[name] / gen[name]
        nearest = np.abs(response[:, None] - ratios.ratio[None, :, i]).min(1)
        assert nearest.max() < 2e-3  # each is that of a training jet
        error = ratios.ratio[:, i].std() / np.sqrt(len(response))
        assert abs(response.mean() - ratios.ratio[:, i].mean()) < 4 * error
        assert response.std() == pytest.approx(ratios.ratio[:, i].std(), rel=0.15)
        assert abs(np.corrcoef(response, jets.reco.features()[name] / gen[name])[0, 1]) < 0.2
    assert np.array_equal(features["n"], np.rint(features["n"]))
    shift = features["eta"] - gen["eta"]
    assert shift.std() == pytest.approx(ratios.shift[:, 0].std(), rel=0.2)
    again = jets.respond(response_of, seed=3).features()
    assert np.array_equal(again["pt"], features["pt"])


def test_the_conditional_mean_has_no_spread_and_is_nearest(jets, ratios):
    truth, gen = jets.reco.features(), jets.gen_features
    conditional = conditional_mean(jets, ratios)
    made = jets.respond(conditional, 1).features()
    assert np.array_equal(made["mass"], jets.respond(conditional, 2).features()["mass"])
    random = jets.respond(random_response(jets, ratios), 1).features()
    for name in ("pt", "mass"):
        away = [np.mean((m[name] - truth[name]) ** 2) for m in (made, random)]
        assert away[0] < away[1]
        assert (made[name] / gen[name]).std() < 0.8 * (truth[name] / gen[name]).std()


def test_scales_of_a_jet_with_known_answers():
    x = torch.tensor([[30.0, 0.1, 0.0], [20.0, -0.1, 0.1], [10.0, 0.0, -0.1], [5.0, 0.0, 0.0]])
    gen = Sets(x, torch.tensor([0, 1, 2, 0]), torch.tensor([0, 3, 3, 4]))
    before = gen.features()
    ratio = np.array([[0.9, 0.8, 2 / 3], [1, 1, 1], [1.1, 1.0, 2.0]])
    made = scaled(gen, ratio, np.array([[0.01, -0.02], [0, 0], [0, 0.3]]))
    after = made.features()
    assert after["n"].tolist() == [2, 0, 2]
    assert after["pt"] == pytest.approx(before["pt"] * [0.9, 1, 1.1], rel=1e-3)
    assert after["mass"][0] == pytest.approx(0.8 * before["mass"][0], rel=1e-3)
    assert after["eta"] == pytest.approx(before["eta"] + [0.01, 0, 0], abs=1e-5)
    assert after["phi"] == pytest.approx(before["phi"] + [-0.02, 0, 0.3], abs=1e-5)
    assert made.kind.tolist() == [0, 1, 0, 0]  # the softest is gone, the last is in halves
    assert made.x[2:, 0].tolist() == pytest.approx([2.75, 2.75])


def test_the_truth_is_the_detector_with_seed_0_and_others_differ(jets):
    assert torch.equal(jets.reco.x, jets.respond(detector(DETECTOR), 0).x)
    assert not torch.equal(jets.reco.x[:50], jets.respond(detector(DETECTOR), 1).x[:50])
    assert set(jets.reco.kind.tolist()) == {0, 1, 2}
    assert jets.gen.kind[:8].tolist() == [
        {211: 0, 22: 1, 2112: 2}[int(code)] for code in jets.test[0].x[:8, 5]
    ]


def test_what_hides_the_grid_moves_a_jet_by_less_than_a_cell(jets):
    response = grid_hidden(DETECTOR)
    one, other = (jets.respond(response, seed) for seed in (1, 2))
    tracks = [sets.x[sets.kind == 0] for sets in (one, other)]
    gen = jets.gen.x[jets.gen.kind == 0]
    for seen in tracks:  # directions of tracks are kept, so the move was taken back
        nearest = (seen[:200, None, 1:] - gen[None, :400, 1:]).norm(dim=-1).min(1).values
        assert nearest.max() < 2e-3
    assert one.features()["pt"].mean() == pytest.approx(jets.reco.features()["pt"].mean(), rel=0.02)


def test_what_hides_kinds_keeps_their_numbers_but_not_their_places(jets):
    blind = jets.respond(hides_kinds_and_eta(DETECTOR), 1)
    seen = [sets.kind.bincount(minlength=3) / len(sets.kind) for sets in (blind, jets.reco)]
    assert (seen[0] - seen[1]).abs().max() < 0.08
    matched = (blind.x[blind.kind == 0][:200, None, 1:] - jets.gen.x[None, :, 1:]).norm(dim=-1)
    assert matched.min(1).values.max() < 2e-3


def test_the_truth_cut_to_n(jets):
    cut = leading(jets.reco, 5)
    assert int(cut.ptr.diff().max()) == 5
    assert torch.equal(cut.ptr.diff(), jets.reco.ptr.diff().clamp(max=5))
    assert (cut.features()["pt"] <= jets.reco.features()["pt"] + 1e-3).all()


def test_the_first_jets_are_those_of_the_test(jets):
    batch = jets.first(7)
    assert batch.jet_id.flatten().tolist() == jets.test[0].jet_id.flatten()[:7].tolist()
    assert torch.equal(batch.x, jets.test[0].x[: batch.ptr[-1]])
