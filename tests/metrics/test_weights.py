"""Weighted jets: a jet of weight 2 is there twice, one of weight 0 is not there."""

import functools

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from scipy.optimize import nnls
from scipy.stats import wasserstein_distance

from pyg_jets import metrics
from pyg_jets.metrics.baselines import tree_scores
from pyg_jets.metrics.energy_mover import coverage
from pyg_jets.metrics.features import feature_distances
from pyg_jets.metrics.generation import (
    JetSample,
    efp_features,
    feature_distance,
    fpd,
    kpd,
    w1efp,
    w1m,
    w1p,
)

N = 120
RNG = np.random.default_rng(5)
LABELS = np.arange(N) % 2
SCORES = np.round(LABELS + RNG.normal(size=N), 1)
LOGITS = RNG.normal(size=(N, 3))
CLASSES = np.arange(N) % 3
PARTS = RNG.integers(0, 4, N)
VALUES, OTHERS = RNG.normal(size=N), RNG.normal(0.3, 1, N)
FEATURES = RNG.normal(size=(N, 2))


def rows_of(sample, rows):
    """Ragged jets ``(x, ptr)`` chosen by their numbers."""
    x, ptr = sample
    return np.concatenate([x[ptr[i] : ptr[i + 1]] for i in rows]), np.append(
        0, np.diff(ptr)[rows].cumsum()
    )


def particles(seed):
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 5, N)
    ptr = np.append(0, counts.cumsum())
    x = np.stack([rng.exponential(0.2, ptr[-1]), *rng.normal(0, 0.2, (2, ptr[-1]))], 1)
    return x, ptr


MADE, REAL = particles(1), particles(2)
plain = {"signal_efficiency": 0.3}

#: Each metric as a function of the rows of its jets and of their weights.
EXACT = {
    "auc": lambda r, w: metrics.auc(SCORES[r], LABELS[r], w),
    "accuracy": lambda r, w: metrics.accuracy(SCORES[r], LABELS[r], 0.4, w),
    "background_efficiency": lambda r, w: metrics.background_efficiency(
        SCORES[r], LABELS[r], 0.3, w
    ),
    "background_rejection": lambda r, w: metrics.background_rejection(SCORES[r], LABELS[r], 0.3, w),
    "signal_efficiency": lambda r, w: metrics.signal_efficiency(SCORES[r], LABELS[r], 0.2, w),
    "roc_curve": lambda r, w: metrics.roc_curve(SCORES[r], LABELS[r], w),
    "significance_improvement": lambda r, w: metrics.significance_improvement(
        SCORES[r], LABELS[r], w
    ),
    "rejection_interval": lambda r, w: metrics.rejection_interval(SCORES[r], LABELS[r], 0.5, w)[0],
    "score_cut": lambda r, w: metrics.score_cut(SCORES[r], 0.3, w),
    "confusion_matrix": lambda r, w: metrics.confusion_matrix(LOGITS[r], CLASSES[r], w),
    "one_vs_one": lambda r, w: metrics.auc(*metrics.one_vs_one(LOGITS[r], CLASSES[r], 2, 0, w)),
    "one_vs_rest": lambda r, w: metrics.auc(*metrics.one_vs_rest(LOGITS[r], CLASSES[r], 1, w)),
    "bootstrap": lambda r, w: (
        metrics.bootstrap(metrics.auc, SCORES[r], LABELS[r], n=2, weights=w).value
    ),
    "difference": lambda r, w: (
        metrics.difference(metrics.accuracy, SCORES[r], VALUES[r], LABELS[r], n=2, weights=w).value
    ),
    "feature_distance": lambda r, w: feature_distance(OTHERS, VALUES[r], real_weights=w),
    "feature_distance_of_generated": lambda r, w: feature_distance(VALUES[r], OTHERS, w),
    "feature_distances": lambda r, w: list(
        feature_distances(MADE, rows_of(REAL, r), real_weights=w).values()
    ),
    "feature_distances_of_generated": lambda r, w: list(
        feature_distances(rows_of(MADE, r), REAL, generated_weights=w).values()
    ),
    "efp_features": lambda r, w: efp_features(JetSample(*MADE), JetSample(*rows_of(REAL, r), w), 2)[
        0
    ],
}
SAMPLES = JetSample(*MADE)
#: Those that draw batches; with the same seed, jets that are alike are drawn alike.
DRAWN = {
    "w1m": lambda r, w: w1m(SAMPLES, JetSample(*rows_of(REAL, r), w), 50, 2),
    "w1p": lambda r, w: w1p(JetSample(*rows_of(MADE, r), w), SAMPLES, 50, 2),
    "w1efp": lambda r, w: w1efp(SAMPLES, JetSample(*rows_of(REAL, r), w), 20, 2),
    "coverage": lambda r, w: coverage(SAMPLES, JetSample(*rows_of(REAL, r), w), 4, 2),
    "fpd": lambda r, w: fpd(FEATURES, FEATURES[r] + 1, 20, 60, 3, 2, real_weights=w),
    "fpd_of_generated": lambda r, w: fpd(FEATURES[r] + 1, FEATURES, 20, 60, 3, 2, 0, True, w),
}
#: The error of events, for jets of weight 0.
ERROR = {
    "error": lambda r, w: (
        metrics.bootstrap(metrics.auc, SCORES[r], LABELS[r], n=9, weights=w, events=r // 3).error
    )
}
KPD = {"kpd": lambda r, w: kpd(FEATURES, 2 * FEATURES[r], 40, 3, real_weights=w)}
ALL = EXACT | DRAWN | KPD | ERROR
EVERY = np.arange(N)


def equal(found, want):
    np.testing.assert_allclose(np.asarray(found), np.asarray(want), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", EXACT)
def test_weight_two_is_the_jet_twice(name):
    weights = 1.0 + (np.arange(N) % 4 == 0)
    twice = np.repeat(EVERY, weights.astype(int))
    equal(EXACT[name](EVERY, weights), EXACT[name](twice, None))
    moved = np.asarray(EXACT[name](EVERY, weights)), np.asarray(EXACT[name](EVERY, None))
    assert name in ("score_cut", "efp_features") or not np.array_equal(*moved)


@pytest.mark.parametrize("name", EXACT | DRAWN)
def test_a_jet_is_two_of_half_its_weight(name):
    weights = np.random.default_rng(0).uniform(0.5, 2, N)
    equal(ALL[name](EVERY, weights), ALL[name](EVERY.repeat(2), weights.repeat(2) / 2))


@pytest.mark.parametrize("name", ALL)
def test_equal_weights_are_none(name):
    equal(ALL[name](EVERY, np.full(N, 3.0)), ALL[name](EVERY, None))


@pytest.mark.parametrize("name", [name for name in ALL if name not in ("fpd", "fpd_of_generated")])
def test_jets_of_weight_zero_do_not_count(name):
    weights = np.random.default_rng(0).uniform(0.5, 2, N)
    weights[::5] = 0
    left = np.flatnonzero(weights)
    equal(ALL[name](EVERY, weights), ALL[name](left, weights[left]))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("wrong", [-1.0, np.nan, np.inf])
def test_negative_and_infinite_weights_are_refused(name, wrong):
    weights = np.ones(N)
    weights[[7, 9]] = wrong
    with pytest.raises(ValueError, match=r"jet 7 is .* one of 2 such.*leave these jets out"):
        ALL[name](EVERY, weights)


@pytest.mark.parametrize("name", ALL)
def test_weights_of_another_length_are_refused(name):
    with pytest.raises(ValueError, match=rf"Expected {N} \w*weights, one a jet, but got {N - 1}"):
        ALL[name](EVERY, np.ones(N - 1))


def test_the_spread_of_variants_is_weighted_by_jets():
    output = RNG.uniform(size=N)
    weights = np.array([2.0, 0.0, 1.0, 3.0])[PARTS]
    spreads = [output[jet == PARTS].std(ddof=1) for jet in range(4)]
    want = np.average(spreads, weights=[2, 0, 1, 3])
    assert metrics.spread(output, PARTS, weights) == pytest.approx(want)
    assert metrics.spread(output, PARTS, torch.tensor(weights)) == pytest.approx(want)
    with pytest.raises(ValueError, match="jet 3 is -1"):
        metrics.spread(output, PARTS, np.where(np.arange(N) == 3, -1.0, 1.0))


def test_the_effective_number_is_kish():
    assert metrics.effective_number(np.full(70, 0.3)) == pytest.approx(70)
    weights = RNG.uniform(0.1, 3, 1000)
    want = weights.sum() ** 2 / (weights**2).sum()
    assert metrics.effective_number(weights) == pytest.approx(want)
    assert metrics.effective_number(1e-200 * weights) == pytest.approx(want)
    assert metrics.effective_number([]) == 0
    means = [np.average(RNG.normal(size=1000), weights=weights) for _ in range(2000)]
    assert np.std(means) == pytest.approx(want**-0.5, rel=0.05)  # what the number is for


def test_weights_undo_a_biased_selection():
    rng = np.random.default_rng(3)
    values = rng.normal(size=(6000, 2))
    kept = values[rng.uniform(size=6000) < 1 / (1 + np.exp(-2 * values[:, 0]))]
    weights = 1 + np.exp(-2 * kept[:, 0])
    weights = weights * (kept[:, 0] > -2)  # where hardly any are left
    other = rng.normal(size=(6000, 2))
    other = other[other[:, 0] > -2]
    biased, mended = (kpd(kept, other, 1000, 6, generated_weights=w) for w in (None, weights))
    assert abs(mended.value) < 4 * mended.error + 0.02 < biased.value
    options = {"min_samples": 500, "max_samples": 2500, "points": 4, "batches": 4}
    assert fpd(kept, other, **options).value > 0.3
    assert abs(fpd(kept, other, **options, generated_weights=weights).value) < 0.05
    assert feature_distance(kept[:, 0], other[:, 0]) > 0.4
    assert feature_distance(kept[:, 0], other[:, 0], weights) < 0.1


def test_the_kernel_distance_of_weighted_jets_is_its_sum():
    rng = np.random.default_rng(1)
    x, y, w, v = rng.normal(size=(5, 2)), rng.normal(size=(5, 2)), *rng.uniform(1, 2, (2, 5))
    want = []
    for a, b, s, t, pairs in ((x, x, w, w, False), (y, y, v, v, False), (x, y, w, v, True)):
        total = norm = 0.0
        for i in range(5):
            for j in range(5):
                if pairs or i != j:
                    total += s[i] * t[j] * (a[i] @ b[j] / 2 + 1) ** 4
                    norm += s[i] * t[j]
        want.append(total / norm)
    found = kpd(x, y, 5, 2, generated_weights=w, real_weights=v)
    assert found.value == pytest.approx(want[0] + want[1] - 2 * want[2])


def test_trees_grow_on_weighted_jets():
    train = {"mass": SCORES}
    test = {"mass": np.linspace(-1, 2, 7)}
    weights = np.where(SCORES > 1, 0.0, 1.0)
    grow = functools.partial(tree_scores, train, LABELS, test, ("mass",))
    assert not np.array_equal(grow(weights=weights), grow())
    with pytest.raises(ValueError, match="jet 0 is -1"):
        grow(weights=-np.ones(N))


def mass_by_hand(jets, number):
    """The mass as JetNet has it: massless particles (pT, η, φ) relative to the jet, summed."""
    momentum = np.zeros(4)
    for pt, eta, phi in jets.x[jets.ptr[number] : jets.ptr[number + 1]]:
        momentum += pt * np.array([np.cos(phi), np.sin(phi), np.sinh(eta), np.cosh(eta)])
    px, py, pz, energy = momentum
    return np.sqrt(max(energy**2 - px**2 - py**2 - pz**2, 0))


def test_the_mass_of_w1m_is_that_of_relative_particles():
    jets = JetSample(*REAL)
    want = [mass_by_hand(jets, number) for number in range(N)]
    np.testing.assert_allclose(jets.mass, want, rtol=1e-9, atol=1e-7)
    # a wrong pT is seen, as it is not divided out
    x, ptr = REAL
    half = JetSample(x * [0.5, 1, 1], ptr)
    np.testing.assert_allclose(half.mass, 0.5 * jets.mass, atol=1e-7)
    found = w1m(half, jets, 20_000, 2).value
    assert found == pytest.approx(wasserstein_distance(half.mass, jets.mass), rel=0.05)


def frechet(a, b):
    c, d = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    shift = a.mean(0) - b.mean(0)
    return shift @ shift + np.trace(c + d - 2 * np.real(sqrtm(c @ d)))


@pytest.mark.parametrize("apart", [0.0, 1.0])
def test_slope_and_intercept_may_be_bounded_as_in_jetnet(apart):
    rng = np.random.default_rng(2)
    one = rng.normal(size=(2000, 2))
    other = one + apart
    moved = False
    for seed in range(8):
        options = {"min_samples": 300, "max_samples": 1500, "points": 5, "batches": 3}
        free, bounded = (fpd(one, other, **options, seed=seed, nonnegative=n) for n in (0, 1))
        draw = np.random.default_rng(seed)
        inverse = np.linspace(1 / 300, 1 / 1500, 5)
        means = [
            np.mean([frechet(one[draw.choice(2000, n)], other[draw.choice(2000, n)])
                     for _ in range(3)])
            for n in (1 / inverse).astype(int)
        ]  # fmt: skip
        line = np.stack([np.ones(5), inverse], 1)
        (intercept, _), _ = nnls(line, means)
        assert bounded.value == pytest.approx(intercept, rel=1e-4, abs=1e-6)
        assert free.value == pytest.approx(np.linalg.lstsq(line, means)[0][0])
        moved |= abs(free.value - intercept) > 1e-6
    assert moved


class TestEvents:
    """The jets of an event are drawn together."""

    def test_each_event_comes_whole_and_within_its_classes(self):
        labels = np.array([0, 0, 1, 1, 0, 1, 0])
        events = np.array([5, 9, 5, 2, 9, 2, 3])  # one of each class, two, two, one
        for draw in metrics.resamples(labels, 20, events=events):
            counts = np.bincount(draw, minlength=7)
            assert counts[0] == counts[2] == 1  # the only event with both classes
            assert counts[1] == counts[4]
            assert counts[3] == counts[5] == 1  # the only one with class 1 alone
            assert counts[1] + counts[6] == 2

    def test_jets_that_are_alone_are_drawn_as_without_events(self):
        events = np.random.default_rng(0).permutation(N) * 7
        pairs = zip(
            metrics.resamples(LABELS, 5, 3),
            metrics.resamples(LABELS, 5, 3, events),
            strict=True,
        )
        assert all(np.array_equal(*pair) for pair in pairs)

    def test_the_error_of_duplicated_events_is_root_two_larger(self):
        rng = np.random.default_rng(4)
        labels = np.repeat([0, 1], 200)
        scores = labels + rng.normal(size=400)
        twice, events = np.tile(scores, 2), np.tile(np.arange(400), 2)
        of_jets, of_events = (
            metrics.bootstrap(metrics.auc, twice, np.tile(labels, 2), 600, 1, events=e)
            for e in (None, events)
        )
        assert of_events.value == of_jets.value
        assert of_events.error / of_jets.error == pytest.approx(2**0.5, rel=0.08)
        alone = metrics.bootstrap(metrics.auc, scores, labels, 600, 1)
        assert of_events.error == pytest.approx(alone.error, rel=0.08)
        other = twice + 0.3 * np.tile(rng.normal(size=400), 2)
        of_jets, of_events = (
            metrics.difference(metrics.auc, twice, other, np.tile(labels, 2), 400, 1, events=e)
            for e in (None, events)
        )
        assert of_events.error / of_jets.error == pytest.approx(2**0.5, rel=0.1)

    @pytest.mark.parametrize("events", [[1, 2], [0.5, 1, 2], ["a", "b", "c"]])
    def test_other_events_are_refused(self, events):
        with pytest.raises(ValueError, match="Expected events as 3 integers"):
            next(metrics.resamples([0, 1, 1], events=events))
