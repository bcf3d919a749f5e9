"""The tree on a few observables."""

import numpy as np
import pytest

from pyg_jets import metrics
from pyg_jets.metrics.baselines import tree_scores


def observables(n, seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    mass = np.where(labels == 1, rng.normal(85, 15, n), rng.gamma(3, 35, n))
    multiplicity = rng.poisson(np.where(labels == 1, 50, 66))
    return {"mass": mass, "multiplicity": multiplicity, "pt": rng.uniform(500, 600, n)}, labels


TRAIN, TRAIN_LABELS = observables(2000, 0)
TEST, TEST_LABELS = observables(2000, 1)


def test_two_observables_beat_one():
    both = metrics.auc(tree_scores(TRAIN, TRAIN_LABELS, TEST), TEST_LABELS)
    alone = metrics.auc(tree_scores(TRAIN, TRAIN_LABELS, TEST, columns=("mass",)), TEST_LABELS)
    assert both > alone + 0.02 > 0.8


def test_scores_are_logits():
    assert metrics.accuracy(tree_scores(TRAIN, TRAIN_LABELS, TEST), TEST_LABELS) > 0.8


def test_is_deterministic_and_depends_on_the_seed():
    one, again, other = (tree_scores(TRAIN, TRAIN_LABELS, TEST, seed=s) for s in (0, 0, 1))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_no_test_jets_give_no_scores():
    assert tree_scores(TRAIN, TRAIN_LABELS, {"mass": [], "multiplicity": []}).shape == (0,)


def test_refuses_bad_input():
    with pytest.raises(ValueError, match="observable of the training jets 'tau21'"):
        tree_scores(TRAIN, TRAIN_LABELS, TEST, columns=("tau21",))
    with pytest.raises(ValueError, match="mass of the test jet 1 is nan"):
        tree_scores(TRAIN, TRAIN_LABELS, {"mass": [1, np.nan], "multiplicity": [1, 2]})
    with pytest.raises(ValueError, match="one length, but got mass 1, multiplicity 2"):
        tree_scores(TRAIN, TRAIN_LABELS, {"mass": [1], "multiplicity": [1, 2]})
    with pytest.raises(ValueError, match="both classes"):
        tree_scores(TRAIN, np.ones(2000), TEST)
