"""Rejection, spread and bootstrap at the points where they could go wrong."""

import math

import numpy as np
import pytest
import torch

from pyg_jets import metrics

TRUTH = np.repeat([0, 1], 200)
SCORES = TRUTH + np.random.default_rng(3).normal(size=400)


def test_rejection_is_infinite_where_no_background_passes():
    assert metrics.background_rejection([0.0, 1.0], [0, 1]) == math.inf
    assert metrics.background_efficiency([0.0, 1.0], [0, 1]) == 0


def test_constant_scores_are_chance():
    assert metrics.auc(np.zeros(400), TRUTH) == 0.5
    assert metrics.background_rejection(np.zeros(400), TRUTH, 0.25) == 4


@pytest.mark.parametrize("efficiency", [0, -0.1, 1.1, math.nan])
def test_refuses_an_efficiency_outside_its_range(efficiency):
    with pytest.raises(ValueError, match=r"signal_efficiency in \(0, 1\]"):
        metrics.background_rejection(SCORES, TRUTH, efficiency)


def test_accuracy_threshold():
    assert metrics.accuracy(SCORES, TRUTH, threshold=0.5) > metrics.accuracy(SCORES, TRUTH)


def test_spread_is_the_mean_of_the_deviations():
    rng = np.random.default_rng(0)
    outputs = rng.uniform(size=(50, 8))
    expected = outputs.std(axis=1, ddof=1).mean()
    jets = np.repeat(np.arange(50) * 3 + 7, 8)
    order = rng.permutation(400)
    assert metrics.spread(outputs.ravel()[order], jets[order]) == pytest.approx(expected)
    found = metrics.spread(torch.tensor(outputs).reshape(-1, 1), torch.tensor(jets))
    assert found == pytest.approx(expected)


def test_spread_of_single_variants_is_zero():
    assert metrics.spread([0.2, 0.9], [0, 1]) == 0


@pytest.mark.parametrize(
    ("outputs", "jets", "words"),
    [
        ([0.1, 1.2], [0, 0], "sigmoid"),
        ([0.1, np.nan], [0, 0], "sigmoid"),
        ([0.1], [0, 0], "1 and 2"),
        ([], [], "0 and 0"),
    ],
)
def test_spread_refuses(outputs, jets, words):
    with pytest.raises(ValueError, match=words):
        metrics.spread(outputs, jets)


def test_bootstrap_error_is_the_known_one():
    """A share of n jets is binomial within each class."""
    value, error = metrics.bootstrap(metrics.accuracy, SCORES, TRUTH, n=500)
    shares = [np.mean(half > 0) for half in (SCORES[:200], SCORES[200:])]
    expected = math.sqrt(sum(p * (1 - p) / 200 for p in shares)) / 2
    assert value == metrics.accuracy(SCORES, TRUTH)
    assert error == pytest.approx(expected, rel=0.1)


def test_bootstrap_depends_on_the_seed_alone():
    one = metrics.bootstrap(metrics.auc, SCORES, TRUTH, n=20, seed=5)
    np.random.default_rng(0).normal()
    assert metrics.bootstrap(metrics.auc, SCORES, TRUTH, n=20, seed=5) == one
    assert metrics.bootstrap(metrics.auc, SCORES, TRUTH, n=20, seed=6).error != one.error


def test_bootstrap_of_an_infinite_metric_has_an_infinite_error():
    value, error = metrics.bootstrap(metrics.background_rejection, TRUTH, TRUTH)
    assert (value, error) == (math.inf, math.inf)


def test_differences_are_paired():
    noisy = SCORES + 0.01 * np.random.default_rng(0).normal(size=400)
    value, error = metrics.difference(metrics.auc, noisy, SCORES, TRUTH)
    assert value == metrics.auc(noisy, TRUTH) - metrics.auc(SCORES, TRUTH)
    assert error < 0.1 * metrics.bootstrap(metrics.auc, SCORES, TRUTH).error
    assert metrics.difference(metrics.auc, SCORES, SCORES, TRUTH) == (0, 0)


def test_resamples_keep_the_classes():
    for draw in metrics.resamples(TRUTH, n=5):
        assert TRUTH[draw].sum() == 200
    with pytest.raises(ValueError, match="at least 2 bootstrap samples, but got n=1"):
        list(metrics.resamples(TRUTH, n=1))
