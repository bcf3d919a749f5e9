"""Standard errors from the bootstrap over jets or events, paired between scores of a sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from pyg_jets.errors import InputError
from pyg_jets.metrics.inputs import as_numpy, jet_weights, scores_and_labels, weights_of

__all__ = ["Estimate", "bootstrap", "difference", "resamples", "sample_deviation"]

#: Deviations below this share of the values, and differences below this, are rounding.
_ROUNDING = 1e-12


class Estimate(NamedTuple):
    """A value and its standard error."""

    value: float
    error: float


def resamples(
    labels: Any, n: int = 200, seed: int = 0, events: Any = None, weights: Any = None
) -> Iterator[np.ndarray]:
    """Indices of ``n`` samples of the jets, each drawn with replacement within each class.

    With ``events``, whole events are drawn: the jets of an event are correlated, as the two jets of
    a dijet event are, and errors of samples of single jets are too small by up to √2. Events that
    hold jets of the same classes are drawn among each other, so that no sample lacks a class.

    The samples depend on labels, events, weights, ``n`` and seed alone: two scores of the same jets
    meet the same samples.

    Args:
        labels: The class of each jet, such as 1 for signal and 0 for background, ``[J]``.
        n: Number of samples.
        seed: Seed of the draws.
        events: The event of each jet, ``[J]`` integers. Default: each jet is drawn alone.
        weights: A weight for each jet, not negative, ``[J]``: jets of weight 0 are not drawn.
            Default: all count the same.

    Raises:
        InputError: For fewer than 2 samples, or events that are not one integer a jet.

    Examples:
        >>> [draw.tolist() for draw in resamples([0, 0, 1], n=2, seed=1)]
        [[0, 1, 2], [1, 1, 2]]
        >>> [draw.tolist() for draw in resamples([0, 0, 0, 1], n=2, seed=1, events=[7, 7, 8, 9])]
        [[0, 1, 2, 3], [2, 2, 3]]
    """
    if n < 2:
        raise InputError(f"Expected at least 2 bootstrap samples, but got n={n}.")
    label = as_numpy(labels).reshape(-1)
    counted = np.flatnonzero(jet_weights(weights, len(label)))
    first, ptr = _events(events, len(label), counted)
    rows = counted[np.argsort(first, kind="stable")]  # jet after jet of each event
    strata = _strata(label[rows], ptr)
    rng = np.random.default_rng(seed)
    for _ in range(n):
        drawn = np.concatenate([rng.choice(of_stratum, len(of_stratum)) for of_stratum in strata])
        counts = np.diff(ptr)[drawn]
        start = np.repeat(ptr[drawn] - np.cumsum(counts) + counts, counts)
        yield rows[start + np.arange(len(start))]


def _events(events: Any, n_jets: int, counted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The number of the event of each counted jet in order of appearance, and how they part."""
    if events is None:
        return np.arange(len(counted)), np.arange(len(counted) + 1)
    event = as_numpy(events)
    if event.shape != (n_jets,) or event.dtype.kind not in "iu":
        raise InputError(
            f"Expected events as {n_jets} integers, one a jet, but got {event.dtype} of shape "
            f"{list(event.shape)}."
        )
    _, appears, inverse = np.unique(event[counted], return_index=True, return_inverse=True)
    place = np.empty(len(appears), np.int64)
    place[np.argsort(appears, kind="stable")] = np.arange(len(appears))
    number = place[inverse]
    return number, np.concatenate(([0], np.cumsum(np.bincount(number, minlength=len(appears)))))


def _strata(label: np.ndarray, ptr: np.ndarray) -> list[np.ndarray]:
    """Numbers of the events that hold jets of the same classes, for each such set of classes."""
    classes, which = np.unique(label, return_inverse=True)
    if len(ptr) - 1 == len(label):  # one jet each
        return [np.flatnonzero(which == i) for i in range(len(classes))]
    holds = np.zeros((len(ptr) - 1, len(classes)), bool)
    holds[np.repeat(np.arange(len(ptr) - 1), np.diff(ptr)), which] = True
    # those of the first class alone come first, as the classes do
    _, stratum = np.unique(~holds, axis=0, return_inverse=True)
    return [np.flatnonzero(stratum.reshape(-1) == i) for i in range(stratum.max(initial=-1) + 1)]


def bootstrap(
    metric: Callable[..., float],
    scores: Any,
    labels: Any,
    n: int = 200,
    seed: int = 0,
    weights: Any = None,
    events: Any = None,
) -> Estimate:
    """A metric and its standard error over resampled jets, or events.

    Args:
        metric: Called as ``metric(scores, labels)``, of weighted jets with ``weights=`` as well.
        scores: A score for each jet, ``[J]``.
        labels: 1 for signal, 0 for background, ``[J]``.
        n: Number of bootstrap samples.
        seed: Seed of the draws.
        weights: A weight for each jet, not negative, ``[J]``. Default: all count the same.
        events: The event of each jet, ``[J]`` integers; see :func:`resamples`. Default: jets are
            drawn, not events.

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
    measure = _weighted(metric, weights, signal)
    draws = resamples(signal, n, seed, events, weights)
    values = [measure(score, draw) for draw in draws]
    return Estimate(float(measure(score, slice(None))), _deviation(np.array(values)))


def difference(
    metric: Callable[..., float],
    scores: Any,
    other_scores: Any,
    labels: Any,
    n: int = 200,
    seed: int = 0,
    weights: Any = None,
    events: Any = None,
) -> Estimate:
    """``metric(scores) - metric(other_scores)`` on the same jets, with its standard error.

    Both are measured on each resampled set of jets, so that what the jets do to both alike
    cancels.

    Args:
        metric: Called as ``metric(scores, labels)``, of weighted jets with ``weights=`` as well.
        scores: A score for each jet, ``[J]``.
        other_scores: Another score for each of the same jets, ``[J]``.
        labels: 1 for signal, 0 for background, ``[J]``.
        n: Number of bootstrap samples.
        seed: Seed of the draws.
        weights: A weight for each jet, not negative, ``[J]``. Default: all count the same.
        events: The event of each jet, ``[J]`` integers; see :func:`resamples`. Default: jets are
            drawn, not events.

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
    measure = _weighted(metric, weights, signal)
    draws = resamples(signal, n, seed, events, weights)
    values = [measure(first, draw) - measure(second, draw) for draw in draws]
    whole = slice(None)
    return Estimate(
        float(measure(first, whole) - measure(second, whole)), _deviation(np.array(values))
    )


def _weighted(
    metric: Callable[..., float], weights: Any, signal: np.ndarray
) -> Callable[[np.ndarray, Any], float]:
    """The metric as a function of all scores and of the jets that are drawn."""
    if weights is None:
        return lambda score, jets: metric(score[jets], signal[jets])
    weight = weights_of(weights, signal)
    return lambda score, jets: metric(score[jets], signal[jets], weights=weight[jets])


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
