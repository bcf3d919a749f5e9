"""What every metric on scores and labels promises."""

import functools

import numpy as np
import pytest
import torch
from sklearn import metrics as oracle

from pyg_jets import metrics

TAGGING = {
    "auc": metrics.auc,
    "accuracy": metrics.accuracy,
    "background_efficiency": metrics.background_efficiency,
    "background_rejection": metrics.background_rejection,
    "rejection_0.3": functools.partial(metrics.background_rejection, signal_efficiency=0.3),
    "roc_curve": metrics.roc_curve,
}
RANKED = [name for name in TAGGING if name != "accuracy"]


def sample(n=500, seed=0, ties=False):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    scores = rng.normal(size=n) + labels
    return (np.round(scores, 1) if ties else scores), labels


@pytest.fixture(params=TAGGING)
def metric(request):
    return TAGGING[request.param]


def same(one, other):
    return np.array_equal(np.asarray(one), np.asarray(other))


def test_tensors_arrays_and_lists_agree(metric):
    scores, labels = sample()
    expected = metric(scores, labels)
    assert same(metric(torch.tensor(scores, requires_grad=True), torch.tensor(labels)), expected)
    assert same(metric(scores.tolist(), labels.tolist()), expected)
    assert same(metric(scores[:, None], labels[:, None].astype(bool)), expected)
    assert same(metric(scores, labels.astype(np.float32)), expected)


def test_half_precision_tensors_are_taken(metric):
    scores, labels = sample()
    half = torch.tensor(scores).bfloat16()
    assert same(metric(half, labels), metric(half.float().numpy(), labels))


def test_the_order_of_the_jets_does_not_matter(metric):
    scores, labels = sample(ties=True)
    order = np.random.default_rng(1).permutation(len(scores))
    assert np.allclose(metric(scores, labels), metric(scores[order], labels[order]), atol=1e-12)


def test_inputs_stay_as_they_were(metric):
    scores, labels = sample()
    kept = scores.copy(), labels.copy()
    metric(scores, labels)
    assert same(scores, kept[0])
    assert same(labels, kept[1])


@pytest.mark.parametrize("name", RANKED)
@pytest.mark.parametrize("rescaled", [lambda s: 1 / (1 + np.exp(-s)), lambda s: 100 * s - 7])
def test_only_the_order_of_the_scores_counts(name, rescaled):
    scores, labels = sample()
    assert same(TAGGING[name](rescaled(scores), labels), TAGGING[name](scores, labels))


@pytest.mark.parametrize("name", RANKED)
def test_infinite_scores_rank(name):
    scores, labels = sample()
    top, bottom = scores.argmax(), scores.argmin()
    scores[top], scores[bottom] = 100, -100
    finite = TAGGING[name](scores, labels)
    scores[top], scores[bottom] = np.inf, -np.inf
    assert same(TAGGING[name](scores, labels), finite)


def test_refuses_one_class(metric):
    with pytest.raises(ValueError, match="both classes, but got 3 jets of class 1"):
        metric([0.1, 0.2, 0.3], [1, 1, 1])
    with pytest.raises(ValueError, match="both classes, but got no jets"):
        metric([], [])


def test_refuses_nan(metric):
    with pytest.raises(ValueError, match="1 of 3 scores are NaN, the first that of jet 1"):
        metric([0.1, np.nan, 0.3], [1, 0, 1])


def test_refuses_lengths_that_differ(metric):
    with pytest.raises(ValueError, match="got 2 and 3"):
        metric([0.1, 0.2], [1, 0, 1])


@pytest.mark.parametrize("labels", [[0, 1, 2], [-1, 1, 1], [0.5, 0, 1], ["w", "qcd", "w"]])
def test_refuses_other_labels(metric, labels):
    with pytest.raises(ValueError, match="labels"):
        metric([0.1, 0.2, 0.3], labels)


def test_refuses_other_shapes(metric):
    with pytest.raises(ValueError, match=r"\[J\] or \[J, 1\], but got \[3, 2\]"):
        metric(np.zeros((3, 2)), [0, 1, 1])


FACTS = {
    "auc": True,
    "accuracy": True,
    "background_rejection": True,
    "background_efficiency": False,
    "spread": False,
    "roc_curve": None,
}


@pytest.mark.parametrize(("name", "fact"), FACTS.items())
def test_facts(name, fact):
    assert getattr(metrics, name).higher_is_better is fact


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_scikit_learn_agrees(ties, seed):
    scores, labels = sample(seed=seed, ties=ties)
    signal, background = metrics.roc_curve(scores, labels)
    false, true, _ = oracle.roc_curve(labels, scores, drop_intermediate=False)
    assert np.allclose(signal, true, atol=1e-15)
    assert np.allclose(background, false, atol=1e-15)
    assert metrics.auc(scores, labels) == pytest.approx(oracle.roc_auc_score(labels, scores))
    assert metrics.accuracy(scores, labels) == oracle.accuracy_score(labels, scores > 0)
    for efficiency in (0.3, 0.5, 0.77, 1.0):
        known = np.interp(efficiency, *_lower_edge(true, false))
        found = metrics.background_rejection(scores, labels, efficiency)
        assert found == pytest.approx(1 / known)


def _lower_edge(true, false):
    return np.unique(true), [false[true == value].min() for value in np.unique(true)]
