"""Novelty, variety and reach of samples, against scipy's k-d tree and known cases."""

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.spatial.distance import pdist

from pyg_jets.metrics.generation import JetSample
from pyg_jets.metrics.nearest import energy_flow_embedding, nearest_distances, nearest_ratios


def normal(seed, n=600, k=4):
    return np.random.default_rng(seed).normal(size=(n, k))


TRAIN, REAL, MADE = normal(0, 2000), normal(1), normal(2)


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_nearest_distances_are_those_of_a_tree(offset):
    queries, points = normal(3, 300, 8) + offset, normal(4, 500, 8) + offset
    expected = cKDTree(points).query(queries)[0]
    np.testing.assert_allclose(nearest_distances(queries, points), expected, rtol=1e-7)
    assert nearest_distances(points, points).max() == 0


def test_blocks_do_not_matter(monkeypatch):
    expected = nearest_distances(REAL, TRAIN)
    monkeypatch.setattr("pyg_jets.metrics.nearest._ENTRIES", 7000)
    np.testing.assert_allclose(nearest_distances(REAL, TRAIN), expected)


def test_real_samples_have_ratios_of_one():
    for ratio in nearest_ratios(MADE, REAL, TRAIN):
        assert abs(ratio.value - 1) < 4 * ratio.error
        assert 0 < ratio.error < 0.1


def test_ratios_are_those_of_scipy():
    scaled = [samples * [1, 10, 100, 0.1] for samples in (MADE, REAL, TRAIN)]
    result = nearest_ratios(*scaled, pairs=400_000, resamples=2)
    made, real, train = (samples / TRAIN.std(0) for samples in (MADE, REAL, TRAIN))
    near = [np.median(cKDTree(train).query(samples)[0]) for samples in (made, real)]
    assert result.nearest_training.value == pytest.approx(near[0] / near[1])
    apart = pdist(made).mean() / pdist(real).mean()
    assert result.pair_distance.value == pytest.approx(apart, abs=0.003)
    others = train[np.random.default_rng(0).permutation(2000)[:600]]
    reach = [np.median(cKDTree(points).query(real)[0]) for points in (made, others)]
    assert result.reach.value == pytest.approx(reach[0] / reach[1])


def test_a_copier_a_collapse_and_a_hole_are_seen():
    copied = nearest_ratios(TRAIN[:600] + 1e-3 * MADE, REAL, TRAIN)
    assert copied.nearest_training.value < 0.1
    assert copied.pair_distance.value == pytest.approx(1, abs=0.05)
    collapsed = nearest_ratios(0.5 * MADE, REAL, TRAIN)
    assert collapsed.pair_distance.value == pytest.approx(0.5, abs=0.03)
    # made reach one half of the space only: as near where they are, far elsewhere
    half = np.where(MADE[:, :1] > 0, MADE, -MADE)
    holed = nearest_ratios(half, REAL, TRAIN)
    assert holed.reach.value > 1.1
    assert holed.nearest_training.value == pytest.approx(1, abs=0.1)


def test_pairs_are_of_one_class():
    label = np.arange(600) % 3
    centre = 20 * np.eye(4)[label]
    result = nearest_ratios(0.8 * MADE + centre, REAL + centre, TRAIN, label, label)
    assert result.pair_distance.value == pytest.approx(0.8, abs=0.04)
    anywhere = nearest_ratios(0.8 * MADE + centre, REAL + centre, TRAIN)
    assert anywhere.pair_distance.value > 0.95


def test_features_that_do_not_vary_are_left_out():
    one = np.ones((2000, 1))
    constant = [np.concatenate([s, one[: len(s)]], 1) for s in (MADE, REAL, TRAIN)]
    assert nearest_ratios(*constant) == nearest_ratios(MADE, REAL, TRAIN)


def test_samples_of_weight_zero_do_not_count():
    bad = np.concatenate([100 + MADE[:50], MADE])
    weights = np.repeat([0.0, 2.0], [50, 600])
    assert nearest_ratios(bad, REAL, TRAIN, made_weights=weights) == nearest_ratios(
        MADE, REAL, TRAIN, made_weights=np.full(600, 2.0)
    )
    half = np.where(MADE[:, 0] > 0, 1.0, 1e-9)
    shrunk = nearest_ratios(np.where(MADE[:, :1] > 0, 0.5 * MADE, MADE), REAL, TRAIN,
                            made_weights=half)  # fmt: skip
    assert shrunk.pair_distance.value < 0.6


def test_an_embedding_is_linear_in_particles_and_ragged():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(9, 3)) * [0.1, 0.2, 0.2] + [0.5, 0, 0]
    whole = energy_flow_embedding(JetSample(x, [0, 4, 4, 9]), 8)
    assert whole.shape == (3, 16)
    assert not whole[1].any()
    single = energy_flow_embedding(JetSample(x, np.arange(10)), 8)
    np.testing.assert_allclose(whole[0], single[:4].sum(0))
    np.testing.assert_allclose(energy_flow_embedding(JetSample(x[::-1], [0, 5, 9]), 8)[0], whole[2])
    one = energy_flow_embedding(JetSample([[1.0, 0, 0]], [0, 1]), 8)
    np.testing.assert_allclose(one[0, :8], one[0, 8:])


NAN = np.append(MADE[:5], np.full((1, 4), np.nan), 0)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: nearest_distances(MADE, np.empty((0, 4))), "Expected points"),
        (lambda: nearest_distances(MADE, MADE[:, :2]), "4 and 2"),
        (lambda: nearest_ratios(NAN, REAL, TRAIN), "Row 5 of the generated samples"),
        (lambda: nearest_ratios(MADE, NAN, TRAIN), "Row 5 of the real samples"),
        (lambda: nearest_ratios(MADE, REAL, NAN), "Row 5 of the training samples"),
        (lambda: nearest_ratios(MADE[:0], REAL, TRAIN), "generated samples"),
        (lambda: nearest_ratios(MADE[:1], REAL, TRAIN), "at least 2 of each"),
        (lambda: nearest_ratios(MADE[:, :2], REAL, TRAIN), "as many features"),
        (lambda: nearest_ratios(MADE, REAL, 0 * TRAIN), "that differ"),
        (lambda: nearest_ratios(MADE, TRAIN[:600], TRAIN), "none of the training samples"),
        (lambda: nearest_ratios(MADE, REAL, TRAIN, np.zeros(600, int)), "only one of them"),
        (
            lambda: nearest_ratios(MADE, REAL, TRAIN, np.zeros(5, int), np.zeros(600, int)),
            "made_labels as 600 integers",
        ),
        (
            lambda: nearest_ratios(MADE, REAL, TRAIN, np.zeros(600, int), np.ones(600, int)),
            "share, but got none",
        ),
        (
            lambda: nearest_ratios(
                MADE, REAL, TRAIN, np.arange(600), np.append(0, np.zeros(599, int))
            ),
            "at least 2 samples of the class 0",
        ),
        (lambda: nearest_ratios(MADE, REAL, TRAIN, made_weights=[1.0]), "600 made_weights"),
        (lambda: nearest_ratios(MADE, REAL, TRAIN, resamples=1), "2 resamples"),
        (lambda: energy_flow_embedding(JetSample([[1, 0, 0]], [0, 1]), 0), "n=0"),
    ],
)
def test_bad_input(call, said):
    with pytest.raises(ValueError, match=said):
        call()
