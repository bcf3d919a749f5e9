"""What the study of generation measures of weighted jets."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pyg_jets.metrics.features import feature_distances, jet_features
from pyg_jets.metrics.generation import JetSample, efp_features
from pyg_jets.studies.generation.jets import Jets, leading
from pyg_jets.studies.generation.measures import EFPSample, simple
from pyg_jets.substructure.energy_flow import prime_multigraphs

N = 400


def sample(seed, weights=None):
    rng = np.random.default_rng(seed)
    ptr = torch.arange(0, 4 * N + 1, 4)
    x = np.stack([rng.exponential(20, 4 * N), *rng.normal(0, 0.2, (2, 4 * N))], 1)
    return Jets(torch.tensor(x), ptr, weights)


def test_what_needs_no_resampling_is_of_weighted_jets():
    weight = 1 + torch.arange(N) % 3
    made, real = sample(1, weight), sample(2, weight)
    truth = SimpleNamespace(**{name: np.full(N, 60.0) for name in ("pt", "mass")})
    found = simple(made, real, truth)
    rows = torch.arange(N).repeat_interleave(weight)  # as often as they weigh
    twice = [
        Jets(j.x.reshape(N, 4, 3)[rows].reshape(-1, 3), torch.arange(0, 4 * len(rows) + 1, 4))
        for j in (made, real)
    ]
    assert found["emd"] == pytest.approx(feature_distances(twice[0].sets, twice[1].sets))
    change = jet_features(*twice[0].sets)["mass"] / 60 - 1
    assert found["resolution"]["mass"] == pytest.approx((change.mean(), change.std()))
    pt, bins = jet_features(*twice[0].sets)["pt"], found["bins"]["pt"]
    assert bins["made"] == pytest.approx(np.histogram(pt, bins["edges"])[0])
    filled = np.flatnonzero(np.array(bins["real"]) > 10)
    parts = []
    for jets in (made, real):
        values = jet_features(*jets.sets)["pt"]
        square, height = (
            np.histogram(values, bins["edges"], weights=weight.double().numpy() ** power)[0]
            for power in (2, 1)
        )
        parts.append(square[filled] / height[filled] ** 2)
    want = np.array(bins["ratio"])[filled] * np.sqrt(parts[0] + parts[1])
    assert np.array(bins["error"])[filled] == pytest.approx(want)


def test_bins_without_weights_are_counted():
    made, real = sample(1), sample(2)
    truth = SimpleNamespace(**{name: np.full(N, 60.0) for name in ("pt", "mass")})
    bins = simple(made, real, truth)["bins"]["mass"]
    a, b = np.array(bins["made"]), np.array(bins["real"])
    assert np.array_equal(a, np.histogram(jet_features(*made.sets)["mass"], bins["edges"])[0])
    filled = (a > 0) & (b > 0)
    a, b = a[filled], b[filled]
    want = a / b * np.sqrt(1 / a + 1 / b)
    assert np.array(bins["error"])[filled] == pytest.approx(want)


def test_weights_stay_with_their_jets():
    jets = sample(1, torch.arange(N).double())
    assert leading(jets, 2).weights is jets.weights
    assert jets.first(5).weights.tolist() == [0, 1, 2, 3, 4]
    assert jets.relative(np.ones(N)).weights is jets.weights


def test_polynomials_that_are_kept_are_those_of_a_sample():
    jets = sample(1).first(40)
    once = EFPSample(jets)
    want = efp_features(JetSample(*jets), JetSample(*jets))
    primes = [graph for graph in prime_multigraphs(4) if len(graph) == 4]
    four = once.efps(primes)
    np.testing.assert_allclose(four, JetSample(*jets).efps(primes))
    np.testing.assert_allclose(efp_features(once, once)[0], want[0])
    assert once.efps(primes).tolist() == four.tolist()
