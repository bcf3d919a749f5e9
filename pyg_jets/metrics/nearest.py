r"""Whether generated samples are new, varied and complete, by nearest neighbours among features.

Three questions, each a ratio to what real samples have of each other:

- *nearest training*: is a generated sample as far from the training samples as a real test sample
  is? Below 1, the generator copies.
- *pair distance*: are two generated samples as far from each other as two real ones? Below 1, it
  collapses.
- *reach*: is a real test sample as near to the generated samples as to as many other real ones?
  Above 1, it misses some.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pyg_jets import kinematics
from pyg_jets.errors import InputError
from pyg_jets.metrics.generation import JetSample
from pyg_jets.metrics.inputs import as_numpy, jet_weights
from pyg_jets.metrics.resampling import Estimate, sample_deviation

__all__ = ["NearestRatios", "energy_flow_embedding", "nearest_distances", "nearest_ratios"]

#: Entries of a block of distances: 16 MB.
_ENTRIES = 2_000_000


class NearestRatios(NamedTuple):
    """Ratios of distances of generated to those of real samples; see the module.

    Args:
        nearest_training: Median distance to the nearest training sample, made / real test.
        pair_distance: Mean distance of two samples of a class, made / real test.
        reach: Median distance of real test samples to the nearest generated sample, over that to
            the nearest of as many training samples.
    """

    nearest_training: Estimate
    pair_distance: Estimate
    reach: Estimate


def nearest_distances(queries: Any, points: Any) -> np.ndarray:
    """The Euclidean distance of each query to the nearest point, by blocks of a matrix product.

    For tens of features and thousands of points this is faster than a k-d tree, which is the oracle
    of its tests. Distances below 1e-7 of the largest coordinate are rounding.

    Args:
        queries: Feature vectors ``[Q, K]``.
        points: Feature vectors ``[P, K]``.

    Returns:
        Distances ``[Q]`` float64.

    Raises:
        InputError: For no points, numbers of features that differ, or a value that is not finite;
            the row is named.

    Examples:
        >>> nearest_distances([[0.0, 0.0], [3.0, 4.0]], [[0.0, 0.0]]).tolist()
        [0.0, 5.0]
    """
    query, point = _features(queries, "queries"), _features(points, "points")
    if query.shape[1] != point.shape[1]:
        raise InputError(
            f"Expected as many features of queries and points, but got {query.shape[1]} and "
            f"{point.shape[1]}."
        )
    origin = point.mean(0)
    query, point = query - origin, point - origin
    squares, nearest = np.square(point).sum(1), np.empty(len(query), np.int64)
    block = max(1, _ENTRIES // len(point))
    for begin in range(0, len(query), block):
        rows = slice(begin, begin + block)
        nearest[rows] = (squares - 2 * (query[rows] @ point.T)).argmin(1)
    return np.sqrt(np.square(query - point[nearest]).sum(1))


def nearest_ratios(
    made: Any,
    real: Any,
    train: Any,
    made_labels: Any = None,
    real_labels: Any = None,
    made_weights: Any = None,
    real_weights: Any = None,
    pairs: int = 20_000,
    resamples: int = 100,
    seed: int = 0,
) -> NearestRatios:
    """Ratios of the distances of generated samples to those of real ones, on any features.

    Features are divided by their standard deviation among the training samples; those that do not
    vary are left out. Samples of weight 0 are left out, and as many generated as real test samples
    are compared: the first ones of the larger sample. The reach compares with as many training
    samples as there are generated ones. Errors are those of a bootstrap over samples; the reach is
    paired, as both of its distances are those of the same real samples.

    Args:
        made: Features of generated samples, ``[J, K]``, such as pixels or features of digits, or
            :func:`energy_flow_embedding` of jets.
        real: The same of real test samples, ``[J', K]``.
        train: The same of the training samples, ``[T, K]``.
        made_labels: The class of each generated sample, ``[J]`` integers: pairs are then of one
            class. Default: of any.
        real_labels: That of each real test sample, ``[J']``.
        made_weights: A weight for each generated sample, not negative, ``[J]``. Default: all count
            the same.
        real_weights: A weight for each real test sample, likewise.
        pairs: Number of random pairs. Default: 20,000.
        resamples: Bootstrap samples for the errors. Default: 100.
        seed: Seed of pairs and bootstrap.

    Raises:
        InputError: For fewer than 2 samples, numbers of features or of labels that do not fit, or a
            value that is not finite; the row is named.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> train, real, made = (rng.normal(size=(n, 3)) for n in (2000, 500, 500))
        >>> copied = nearest_ratios(train[:500] + 0.001, real, train)
        >>> copied.nearest_training.value < 0.1, 0.9 < copied.pair_distance.value < 1.1
        (True, True)
    """
    names = ("generated samples", "real samples", "training samples")
    samples = [_features(v, name) for v, name in zip((made, real, train), names, strict=True)]
    widths = [sample.shape[1] for sample in samples]
    if len(set(widths)) > 1 or min(map(len, samples)) < 2:
        raise InputError(
            "Expected as many features of generated, real and training samples, and at least 2 of "
            f"each, but got {[list(sample.shape) for sample in samples]}."
        )
    if (made_labels is None) != (real_labels is None):
        raise InputError("Expected made_labels and real_labels, but got only one of them.")
    if resamples < 2 or pairs < 1:
        raise InputError(
            f"Expected at least 2 resamples and a pair, but got {resamples} and {pairs}."
        )
    deviation = samples[2].std(0)
    varies = deviation > 1e-6 * np.abs(samples[2]).max(0)
    if not varies.any():
        raise InputError("Expected training samples that differ, but no feature of them does.")
    ours, true, train_features = (s[:, varies] / deviation[varies] for s in samples)
    rng, chosen = np.random.default_rng(seed), []
    for features, given, label, name in (
        (ours, made_weights, made_labels, "made"),
        (true, real_weights, real_labels, "real"),
    ):
        weight = jet_weights(given, len(features), f"{name}_weights")
        of_class = _labels(label, len(features), f"{name}_labels")
        rows = np.flatnonzero(weight > 0)
        chosen.append((features[rows], weight[rows], of_class[rows]))
    size = min(len(features) for features, _, _ in chosen)
    (ours, weight, label), (true, true_weight, true_label) = (
        (features[:size], weight[:size], label[:size]) for features, weight, label in chosen
    )
    others = train_features[rng.permutation(len(train_features))[:size]]
    classes = np.intersect1d(label, true_label)
    pairs_of = [_pairs(labels, classes, pairs, rng) for labels in (label, true_label)]
    apart = [
        np.sqrt(np.square(features[first] - features[second]).sum(1))
        for features, (first, second) in zip((ours, true), pairs_of, strict=True)
    ]
    near = [nearest_distances(features, train_features) for features in (ours, true)]
    reach = [nearest_distances(true, points[: len(others)]) for points in (ours, others)]
    if not (np.median(near[1]) > 0 and np.median(reach[1]) > 0 and apart[1].any()):
        raise InputError(
            "Expected real test samples that are none of the training samples and that differ, but "
            "most of them are training samples, or all are the same."
        )

    def measure(w: np.ndarray, v: np.ndarray) -> list[float]:
        (i, j), (k, m) = pairs_of
        return [
            _median(near[0], w) / _median(near[1], v),
            np.average(apart[0], weights=w[i] * w[j]) / np.average(apart[1], weights=v[k] * v[m]),
            _median(reach[0], v) / _median(reach[1], v),
        ]

    drawn = []
    for _ in range(resamples):
        times = [np.bincount(rng.integers(0, size, size), minlength=size) for _ in range(2)]
        drawn.append(measure(weight * times[0], true_weight * times[1]))
    values = zip(measure(weight, true_weight), sample_deviation(drawn), strict=True)
    return NearestRatios(*(Estimate(float(value), float(error)) for value, error in values))


def energy_flow_embedding(jets: JetSample, n: int = 64, seed: int = 0) -> np.ndarray:
    r"""Feature vectors of jets that are linear in their particles, for :func:`nearest_ratios`.

    .. math:: \Big( \sum_i p_{T,i} \cos(\omega_k \cdot x_i + b_k),
        \; \sum_i \cos(\omega_k \cdot x_i + b_k) \Big)_{k = 1 \dots n}

    with :math:`x = (\eta, \varphi)` and frequencies ω from Gaussians of widths 1/0.4, 1/0.2, 1/0.1
    and 1/0.05 in turn: maps of the energy and of the number of particles at four resolutions.

    Args:
        jets: The jets.
        n: Number of frequencies. Default: 64.
        seed: Seed of the frequencies.

    Returns:
        Features ``[J, 2 n]`` float64; zeros for an empty jet.

    Raises:
        InputError: For ``n`` below 1.

    Examples:
        >>> energy_flow_embedding(JetSample([[0.5, 0.1, 0.0]], [0, 1, 1]), n=2).shape
        (2, 4)
    """
    if n < 1:
        raise InputError(f"Expected at least 1 frequency, but got n={n}.")
    rng = np.random.default_rng(seed)
    scale = np.resize([0.4, 0.2, 0.1, 0.05], n)
    frequency, phase = rng.normal(size=(2, n)) / scale, rng.uniform(0, 2 * np.pi, n)
    waves = np.cos(jets.x[:, 1:] @ frequency + phase)
    parts = [kinematics.jet_sum(v, jets.ptr) for v in (jets.x[:, :1] * waves, waves)]
    return np.concatenate(parts, 1)


def _features(given: Any, what: str) -> np.ndarray:
    features = as_numpy(given).astype(np.float64)
    if features.ndim != 2 or not features.size:
        raise InputError(f"Expected {what} [N, K], at least one, but got {list(features.shape)}.")
    wrong = np.flatnonzero(~np.isfinite(features).all(1))
    if wrong.size:
        raise InputError(
            f"Row {wrong[0]} of the {what} has a feature that is not finite: look for a diverged "
            "training, or a jet without the observable."
        )
    return features


def _labels(given: Any, n: int, what: str) -> np.ndarray:
    if given is None:
        return np.zeros(n, np.int64)
    labels = as_numpy(given).reshape(-1)
    if len(labels) != n or labels.dtype.kind not in "biu":
        raise InputError(
            f"Expected {what} as {n} integers, but got {len(labels)} of {labels.dtype}."
        )
    return labels.astype(np.int64)


def _pairs(
    label: np.ndarray, classes: np.ndarray, pairs: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the two samples of random pairs, as many of each class."""
    each, first, second = -(-pairs // max(len(classes), 1)), [], []
    for number in classes:
        rows = np.flatnonzero(label == number)
        if len(rows) < 2:
            raise InputError(
                f"Expected at least 2 samples of the class {number} for pairs, but got {len(rows)}."
            )
        one = rng.integers(0, len(rows), each)
        other = (one + rng.integers(1, len(rows), each)) % len(rows)
        first.append(rows[one])
        second.append(rows[other])
    if not first:
        raise InputError("Expected a class that generated and real samples share, but got none.")
    return np.concatenate(first), np.concatenate(second)


def _median(values: np.ndarray, weight: np.ndarray) -> float:
    """The weighted median, halfway between two where both have half of the weight."""
    order = np.argsort(values, kind="stable")
    order = order[weight[order] > 0]
    share = np.cumsum(weight[order])
    low, high = (
        np.searchsorted(share, share[-1] / 2),
        np.searchsorted(share, share[-1] / 2, "right"),
    )
    return float((values[order[low]] + values[order[min(high, len(order) - 1)]]) / 2)
