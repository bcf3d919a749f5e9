"""Several classes and weights, held against scikit-learn."""

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn import metrics as sk

from pyg_jets import metrics

RNG = np.random.default_rng(8)
LABELS = RNG.integers(0, 4, 500)
LOGITS = RNG.normal(size=(500, 4)) + 1.3 * np.eye(4)[LABELS]
TRUTH = (LABELS > 1).astype(int)
SCORES = (TRUTH + RNG.normal(size=500)).round(1)  # with ties
WEIGHTS = RNG.exponential(size=500)


def test_weights_are_scikit_learns():
    ours = metrics.auc(SCORES, TRUTH, WEIGHTS)
    assert ours == pytest.approx(sk.roc_auc_score(TRUTH, SCORES, sample_weight=WEIGHTS))
    signal, background = metrics.roc_curve(SCORES, TRUTH, WEIGHTS)
    fpr, tpr, _ = sk.roc_curve(TRUTH, SCORES, sample_weight=WEIGHTS, drop_intermediate=False)
    np.testing.assert_allclose(signal, tpr)
    np.testing.assert_allclose(background, fpr)
    want = sk.accuracy_score(TRUTH, SCORES > 0, sample_weight=WEIGHTS)
    assert metrics.accuracy(SCORES, TRUTH, weights=WEIGHTS) == pytest.approx(want)


def test_whole_weights_are_repeated_jets():
    times = RNG.integers(0, 4, 500)
    again = np.repeat(np.arange(500), times)
    for metric in (metrics.auc, metrics.background_rejection, metrics.background_efficiency):
        repeated = metric(SCORES[again], TRUTH[again])
        assert metric(SCORES, TRUTH, weights=times) == pytest.approx(repeated)


def test_significance_improvement():
    signal, improvement = metrics.significance_improvement(SCORES, TRUTH)
    all_signal, background = metrics.roc_curve(SCORES, TRUTH)
    at = np.searchsorted(all_signal, 0.5)
    assert improvement[signal >= all_signal[at]][0] == pytest.approx(
        all_signal[at] / np.sqrt(background[at])
    )
    assert improvement[-1] == 1
    assert np.isfinite(improvement).all()


@pytest.mark.parametrize("as_tensor", [True, False])
def test_one_vs_one(as_tensor):
    scores = torch.tensor(LOGITS) if as_tensor else LOGITS
    probability = softmax(LOGITS, axis=1)
    for signal, background in ((1, 0), (3, 2)):
        chosen = np.isin(LABELS, (signal, background))
        share = probability[:, signal] / (probability[:, signal] + probability[:, background])
        want = sk.roc_auc_score(LABELS[chosen] == signal, share[chosen])
        found = metrics.auc(*metrics.one_vs_one(scores, LABELS, signal, background))
        assert found == pytest.approx(want)


def test_one_vs_rest():
    want = sk.roc_auc_score(LABELS, softmax(LOGITS, axis=1), multi_class="ovr", average=None)
    found = [metrics.auc(*metrics.one_vs_rest(LOGITS, LABELS, c)) for c in range(4)]
    np.testing.assert_allclose(found, want)
    extreme = 100 * LOGITS  # whose probabilities are 0 or 1 in float64
    same = [metrics.auc(*metrics.one_vs_rest(extreme, LABELS, c)) for c in range(4)]
    assert min(same) > 0.5


def test_confusion_matrix():
    taken = LOGITS.argmax(1)
    for weights in (None, WEIGHTS):
        for normalize in (True, False):
            want = sk.confusion_matrix(
                LABELS, taken, sample_weight=weights, normalize="true" if normalize else None
            )
            found = metrics.confusion_matrix(LOGITS, LABELS, weights, normalize)
            np.testing.assert_allclose(found, want)
    assert metrics.confusion_matrix(LOGITS[:1], [3])[0].tolist() == [0] * 4


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.auc(SCORES, TRUTH, WEIGHTS[:-1]), "500 weights, one a jet, but got 499"),
        (lambda: metrics.auc(SCORES, TRUTH, -WEIGHTS), "weights of 0 or more, but that of jet 0"),
        (lambda: metrics.auc(SCORES, TRUTH, TRUTH), "those of the background are all 0"),
        (lambda: metrics.confusion_matrix(LOGITS, LABELS + 1), "labels from 0 to 3, but got 4"),
        (lambda: metrics.confusion_matrix(LOGITS[:, :1], LABELS), "C of at least 2"),
        (lambda: metrics.confusion_matrix(LOGITS, LABELS, WEIGHTS[:3]), "500 weights"),
        (
            lambda: metrics.one_vs_one(LOGITS, LABELS, 1, 4),
            "background as a class from 0",
        ),
        (lambda: metrics.one_vs_rest(LOGITS, LABELS, -1), "signal as a class from 0 to 3"),
        (
            lambda: metrics.one_vs_rest(LOGITS * np.nan, LABELS, 1),
            "500 of 500 jets have a",
        ),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
