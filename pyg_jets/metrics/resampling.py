"""Standard errors from the bootstrap, paired between scores of the same jets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from pyg_jets.errors import InputError
from pyg_jets.metrics.inputs import as_numpy, scores_and_labels

__all__ = ["Estimate", "bootstrap", "difference", "resamples", "sample_deviation"]

#: Deviations below this share of the values, and differences below this, are rounding.
_ROUNDING = 1e-12


class Estimate(NamedTuple):
    """A value and its standard error."""

    value: float
    error: float


def resamples(labels: Any, n: int = 200, seed: int = 0) -> Iterator[np.ndarray]:
    """Indices of ``n`` samples of the jets, each drawn with replacement within each class.

    They depend on labels, ``n`` and seed alone: two scores of the same jets meet the same samples.

    Args:
        labels: 1 for signal, 0 for background, ``[J]``.
        n: Number of samples.
        seed: Seed of the draws.

    Examples:
        >>> [draw.tolist() for draw in resamples([0, 0, 1], n=2, seed=1)]
        [[0, 1, 2], [1, 1, 2]]
    """
    if n < 2:
        raise InputError(f"Expected at least 2 bootstrap samples, but got n={n}.")
    label = as_numpy(labels).reshape(-1)
    classes = [np.flatnonzero(label == value) for value in np.unique(label)]
    rng = np.random.default_rng(seed)
    for _ in range(n):
        yield np.concatenate([rng.choice(jets, len(jets)) for jets in classes])


def bootstrap(
    metric: Callable[..., float], scores: Any, labels: Any, n: int = 200, seed: int = 0
) -> Estimate:
    """A metric and its standard error over resampled jets.

    Args:
        metric: Called as ``metric(scores, labels)``.
        scores: A score for each jet, ``[J]``.
        labels: 1 for signal, 0 for background, ``[J]``.
        n: Number of bootstrap samples.
        seed: Seed of the draws.

    Returns:
        The metric of the sample itself, and the standard deviation over the bootstrap samples.
        A metric that is infinite in one of them has an infinite error.

    Examples:
        >>> from pyg_jets.metrics import auc
        >>> rng = np.random.default_rng(0)
        >>> labels = rng.integers(0, 2, 1000)
        >>> value, error = bootstrap(auc, labels + rng.normal(size=1000), labels)
        >>> f"{value:.2f} ± {error:.2f}"
        '0.79 ± 0.01'
    """
    score, signal = scores_and_labels(scores, labels)
    values = [metric(score[draw], signal[draw]) for draw in resamples(signal, n, seed)]
    return Estimate(float(metric(score, signal)), _deviation(np.array(values)))


def difference(
    metric: Callable[..., float],
    scores: Any,
    other_scores: Any,
    labels: Any,
    n: int = 200,
    seed: int = 0,
) -> Estimate:
    """``metric(scores) - metric(other_scores)`` on the same jets, with its standard error.

    Both are measured on each resampled set of jets, so that what the jets do to both alike
    cancels.

    Args:
        metric: Called as ``metric(scores, labels)``.
        scores: A score for each jet, ``[J]``.
        other_scores: Another score for each of the same jets, ``[J]``.
        labels: 1 for signal, 0 for background, ``[J]``.
        n: Number of bootstrap samples.
        seed: Seed of the draws.

    Examples:
        >>> from pyg_jets.metrics import auc
        >>> rng = np.random.default_rng(0)
        >>> labels = rng.integers(0, 2, 1000)
        >>> scores = labels + rng.normal(size=1000)
        >>> value, error = difference(auc, scores + 0.01 * rng.normal(size=1000), scores, labels)
        >>> error < 0.1 * bootstrap(auc, scores, labels).error
        True
    """
    first, signal = scores_and_labels(scores, labels)
    second, _ = scores_and_labels(other_scores, labels)
    values = [
        metric(first[draw], signal[draw]) - metric(second[draw], signal[draw])
        for draw in resamples(signal, n, seed)
    ]
    return Estimate(
        float(metric(first, signal) - metric(second, signal)), _deviation(np.array(values))
    )


def _deviation(values: np.ndarray) -> float:
    return float(sample_deviation(values)) if np.isfinite(values).all() else float("inf")


def sample_deviation(values: Any, axis: int = 0) -> np.ndarray:
    """Standard deviation (n − 1) along an axis; 0 where values differ by rounding alone.

    Args:
        values: Values of a metric, such as those of bootstrap samples.
        axis: The axis of the samples.

    Examples:
        >>> values = np.full(200, 89 / 154)  # an accuracy that every sample has
        >>> bool(values.std(ddof=1) > 0), float(sample_deviation(values))
        (True, 0.0)
    """
    values = np.asarray(values, np.float64)
    deviation = values.std(axis, ddof=1)
    rounding = _ROUNDING * np.maximum(np.abs(values).max(axis), 1e-3)
    return np.where(deviation <= rounding, 0.0, deviation)
