"""A gradient-boosted tree on a few jet observables: the baseline of every network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pyg_jets.columns import check_names
from pyg_jets.errors import InputError
from pyg_jets.metrics.inputs import as_numpy, scores_and_labels, weights_of

__all__ = ["tree_scores"]


def tree_scores(
    train: Mapping[str, Any],
    train_labels: Any,
    test: Mapping[str, Any],
    columns: Sequence[str] = ("mass", "multiplicity"),
    seed: int = 0,
    weights: Any = None,
) -> np.ndarray:
    """Scores of a gradient-boosted tree on a few observables of the jets.

    100 trees of depth 3 with a learning rate of 0.1, each on a random half of the jets: settings
    that suit some thousand jets and are not tuned. The trees are grown without OpenMP, so that
    loader workers may fork afterwards.

    Args:
        train: Observables of the training jets, each ``[J]``.
        train_labels: 1 for signal, 0 for background, ``[J]``.
        test: The same observables of the jets to score, each ``[T]``.
        columns: Which observables to use.
        seed: Seed of the random halves.
        weights: A weight for each training jet, ``[J]``. Default: all count the same.

    Returns:
        A logit for each test jet, ``[T]`` float64.

    Raises:
        ValueError: For an observable that is missing or not finite, or training jets of one class.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> labels = rng.integers(0, 2, 500)
        >>> jets = {"mass": 80 * labels + 20 * rng.normal(size=500)}
        >>> scores = tree_scores(jets, labels, {"mass": [80.0, 0.0]}, columns=("mass",))
        >>> (scores > 0).tolist()
        [True, False]
    """
    from sklearn.ensemble import GradientBoostingClassifier

    x = _table(train, columns, "training")
    _, y = scores_and_labels(x[:, 0], train_labels)
    weight = None if weights is None else weights_of(weights, y)
    tree = GradientBoostingClassifier(subsample=0.5, random_state=seed).fit(x, y, weight)
    x_test = _table(test, columns, "test")
    return tree.decision_function(x_test) if len(x_test) else np.empty(0)


def _table(jets: Mapping[str, Any], columns: Sequence[str], what: str) -> np.ndarray:
    names = check_names(columns, jets, f"observable of the {what} jets")
    values = [as_numpy(jets[name]).astype(np.float64).reshape(-1) for name in names]
    if len({len(value) for value in values}) != 1:
        raise InputError(
            f"Expected observables of one length, but got "
            f"{', '.join(f'{n} {len(v)}' for n, v in zip(names, values, strict=True))}."
        )
    for name, value in zip(names, values, strict=True):
        if not np.isfinite(value).all():
            wrong = int(np.flatnonzero(~np.isfinite(value))[0])
            raise InputError(
                f"{name} of the {what} jet {wrong} is {value[wrong]}: give each jet a finite value."
            )
    return np.stack(values, -1)
