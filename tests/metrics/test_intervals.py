"""Binomial intervals against statsmodels' definition in scipy, and by drawing jets."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from pyg_jets.metrics import background_rejection, efficiency_interval, rejection_interval


@pytest.mark.parametrize(("passed", "total"), [(0, 10), (3, 40), (40, 40), (500, 20000)])
@pytest.mark.parametrize("level", [0.6827, 0.95])
def test_an_efficiency_against_scipy(passed, total, level):
    want = binomtest(passed, total).proportion_ci(level, method="exact")
    assert efficiency_interval(passed, total, level) == pytest.approx((want.low, want.high))


@pytest.mark.parametrize(("passed", "total", "level"), [(3, 2, 0.5), (-1, 2, 0.5), (0, 0, 0.5)])
def test_refuses_what_is_no_share(passed, total, level):
    with pytest.raises(ValueError, match="0 ≤ passed ≤ total"):
        efficiency_interval(passed, total, level)


def test_refuses_a_level_outside_its_range():
    with pytest.raises(ValueError, match=r"level in \(0, 1\)"):
        efficiency_interval(1, 2, 1.0)


def scores(n, rng, apart=1.0):
    labels = np.repeat([0, 1], n)
    return apart * labels + rng.normal(size=2 * n), labels


def test_the_interval_of_a_rejection_covers_the_truth_two_times_out_of_three():
    rng = np.random.default_rng(0)
    truth = background_rejection(*scores(1_000_000, rng), 0.3)
    held = 0
    for _ in range(300):
        found = rejection_interval(*scores(3000, rng), 0.3)
        held += found.low <= truth <= found.high
    assert 0.60 < held / 300 < 0.78  # the cut is not known exactly, the interval is conservative


def test_few_background_jets_give_a_lower_limit():
    rng = np.random.default_rng(0)
    found = rejection_interval(*scores(2000, rng, apart=5.0), 0.3)
    assert found.high == math.inf
    assert found.low == found.value == pytest.approx(2000 / 3.0, rel=0.01)  # 3.0 at 95 %


def test_equal_weights_change_nothing_and_unequal_ones_widen():
    rng = np.random.default_rng(0)
    score, labels = scores(5000, rng)
    plain = rejection_interval(score, labels, 0.5)
    assert rejection_interval(score, labels, 0.5, np.full(10000, 3.0)) == pytest.approx(plain)
    weights = rng.exponential(size=10000)  # of which half the number count
    wide = rejection_interval(score, labels, 0.5, weights)
    ratio = (wide.high - wide.low) / wide.value * plain.value / (plain.high - plain.low)
    assert 1.3 < ratio < 1.55
