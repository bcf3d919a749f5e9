r"""Distances between generated and real jets: W1 distances, FPD, KPD.

Definitions are those of arXiv:2106.11535 (W1M, W1P, W1EFP) and arXiv:2211.10295 (FPD, KPD). Jets
are ragged, ``x [N, 3]`` = (pT, η, φ) relative to the jet with ``ptr [J + 1]``, and the two samples
need not have the same size. Each distance comes with its spread over resampled batches; the value
of two real samples of the same size is the floor that a generator can reach. The ``jetnet`` package
has the same metrics for padded arrays.

Jets may have weights: batches are then drawn with probabilities proportional to them, so that a jet
of weight 2 is there twice, and one of weight 0 is not there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.linalg import sqrtm
from scipy.optimize import nnls
from scipy.stats import wasserstein_distance

from pyg_jets import kinematics
from pyg_jets.errors import InputError
from pyg_jets.metrics.inputs import as_numpy, jet_weights, probabilities
from pyg_jets.metrics.resampling import Estimate
from pyg_jets.metrics.wasserstein import SortedFeatures
from pyg_jets.substructure.energy_flow import (
    energy_flow_polynomials,
    multigraphs,
    prime_multigraphs,
)

__all__ = ["JetSample", "feature_distance", "fpd", "kpd", "w1efp", "w1m", "w1p"]

#: Number of batches, as in the papers.
_BATCHES = 5


class JetSample:
    """A checked sample of jets, and the observables of it that the metrics compare.

    Args:
        x: pT, η and φ of each particle relative to its jet, ``[N, 3]``.
        ptr: Ragged pointer ``[J + 1]``.
        weights: A weight for each jet, not negative, ``[J]``. Default: all count the same.

    Raises:
        InputError: For other shapes, no jets, a value that is not finite, or a negative weight; the
            jet is named.

    Examples:
        >>> jets = JetSample([[0.5, 0.1, 0.0], [0.5, -0.1, 0.0]], [0, 2])
        >>> len(jets), jets.mass.round(3).tolist()
        (1, [0.1])
    """

    def __init__(self, x: Any, ptr: Any, weights: Any = None) -> None:
        self.x, self.ptr = as_numpy(x).astype(np.float64), as_numpy(ptr).astype(np.int64)
        if self.x.ndim != 2 or self.x.shape[1] != 3 or self.ptr.ndim != 1:
            raise InputError(
                f"Expected x [N, 3] = (pt, eta, phi) and ptr [J + 1], but got "
                f"{list(self.x.shape)} and {list(self.ptr.shape)}."
            )
        if len(self.ptr) < 2 or self.ptr[0] != 0 or self.ptr[-1] != len(self.x):
            raise InputError(
                f"Expected jets whose ptr rises from 0 to the {len(self.x)} particles, but got "
                f"{len(self.ptr) - 1} jets up to {self.ptr[-1] if len(self.ptr) else '-'}."
            )
        wrong = np.flatnonzero(~np.isfinite(self.x).all(1))
        if wrong.size:
            jet = int(np.searchsorted(self.ptr, wrong[0], side="right")) - 1
            raise InputError(
                f"Jet {jet} has a particle that is not finite: {self.x[wrong[0]].tolist()}."
            )
        self.weights = None if weights is None else jet_weights(weights, len(self))
        self._probability = probabilities(weights, len(self))
        self._efps: dict[Any, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self.ptr) - 1

    @property
    def mass(self) -> np.ndarray:
        """Mass of the sum of the massless particles as they are, relative to the jet, ``[J]``.

        It is not divided by the jet's own summed pT, which would hide a wrong pT.
        """
        pt, eta, phi = self.x.T
        summed = kinematics.jet_momentum(pt, eta, phi, np.zeros_like(pt), self.ptr)
        return kinematics.to_cylindrical(*summed)[3]

    def draw(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Numbers of ``n`` jets drawn with replacement, in proportion to their weights, ``[n]``."""
        return rng.choice(len(self), n, p=self._probability)

    def particles(self, jets: np.ndarray) -> np.ndarray:
        """All particles of the jets with these numbers, one jet after the other, ``[n, 3]``."""
        counts = np.diff(self.ptr)[jets]
        first = np.repeat(self.ptr[:-1][jets] - np.cumsum(counts) + counts, counts)
        return self.x[first + np.arange(counts.sum())]

    def efps(self, graphs: Any) -> np.ndarray:
        """The energy-flow polynomials of each jet, ``[J, G]``; each is computed once."""
        keys = [(len(graph), tuple(sorted(graph.edges()))) for graph in graphs]
        missing = {
            key: graph for key, graph in zip(keys, graphs, strict=True) if key not in self._efps
        }
        if missing:
            columns = energy_flow_polynomials(self.x, self.ptr, missing.values()).T
            self._efps |= zip(missing, columns, strict=True)
        return np.stack([self._efps[key] for key in keys], 1)


def feature_distance(
    generated: Any, real: Any, generated_weights: Any = None, real_weights: Any = None
) -> float:
    r""":math:`W_1` of two samples of a feature, over the standard deviation of the real one.

    Args:
        generated: Values of the generated sample, ``[N]``.
        real: Values of the real sample, ``[M]``.
        generated_weights: A weight for each generated value, not negative, ``[N]``. Default: all
            count the same.
        real_weights: A weight for each real value, likewise, ``[M]``.

    Raises:
        ValueError: If one is empty or not finite, or the real values are all the same.

    Examples:
        >>> feature_distance([1.0, 2.0], [2.0, 4.0])
        1.5
        >>> feature_distance([1.0, 2.0], [2.0, 4.0, 9.0], real_weights=[1.0, 1.0, 0.0])
        1.5
    """
    first, second = (as_numpy(v).astype(np.float64).reshape(-1) for v in (generated, real))
    for name, values in (("generated", first), ("real", second)):
        if not len(values) or not np.isfinite(values).all():
            raise InputError(f"Expected finite {name} values, at least one, but got {values[:5]}.")
    own, weight = (
        None if given is None else jet_weights(given, len(values), name)
        for given, values, name in (
            (generated_weights, first, "generated_weights"),
            (real_weights, second, "real_weights"),
        )
    )
    deviation = weighted_deviation(second, weight)
    if deviation == 0:
        raise InputError(f"Expected real values that differ, but all of them are {second[0]:g}.")
    return float(wasserstein_distance(first, second, own, weight)) / deviation


def weighted_deviation(values: np.ndarray, weights: Any = None) -> float:
    """Standard deviation of values with weights, ``[N]`` each; 0 where those that count agree.

    Args:
        values: The values.
        weights: A weight for each of them. Default: all count the same.

    Examples:
        >>> weighted_deviation(np.array([1.0, 3.0, 9.0]), np.array([1.0, 1.0, 0.0]))
        1.0
    """
    if weights is None:
        return float(values.std())
    values, weights = values[weights > 0], weights[weights > 0]
    if (values == values[:1]).all():
        return 0.0
    mean = np.average(values, weights=weights)
    return float(np.sqrt(np.average(np.square(values - mean), weights=weights)))


def w1_features(metric: str, samples: Sequence[JetSample]) -> SortedFeatures:
    """The features whose mean :math:`W_1` a metric is, of all jets of several samples.

    Args:
        metric: ``"w1m"``, ``"w1p"`` or ``"w1efp"``.
        samples: The samples, one after the other.
    """
    if metric == "w1p":
        counts = np.concatenate([np.diff(jets.ptr) for jets in samples])
        return SortedFeatures(list(np.concatenate([jets.x for jets in samples]).T), counts)
    if metric == "w1m":
        return SortedFeatures([np.concatenate([jets.mass for jets in samples])])
    graphs = [graph for graph in prime_multigraphs(4) if len(graph) == 4]
    return SortedFeatures(list(np.concatenate([jets.efps(graphs) for jets in samples]).T))


def _resampled(
    metric: str, generated: JetSample, real: JetSample, batch: int, batches: int, seed: int
) -> Estimate:
    """Mean and standard deviation of a distance over batches drawn from both; see the module."""
    if batch < 1 or batches < 2:
        raise InputError(
            f"Expected batch of at least 1 and batches of at least 2, but got {batch}, {batches}."
        )
    features, rng = w1_features(metric, (generated, real)), np.random.default_rng(seed)
    n_jets, distances = len(generated) + len(real), []
    for _ in range(batches):
        first = np.bincount(generated.draw(batch, rng), minlength=n_jets)
        second = np.bincount(len(generated) + real.draw(batch, rng), minlength=n_jets)
        distances.append(features.distance(first, second))
    return Estimate(float(np.mean(distances)), float(np.std(distances)))


def w1m(
    generated: JetSample,
    real: JetSample,
    batch: int = 50_000,
    batches: int = _BATCHES,
    seed: int = 0,
) -> Estimate:
    r"""W1M: :math:`W_1` of the jets' masses, the mean and deviation over batches.

    The mass is that of the massless particles (pT, η, φ) relative to the jet, and not divided by
    the sum of their pT, as in JetNet's code: a generator whose jets have a wrong pT is seen.
    Batches are drawn with replacement, in proportion to the jets' weights.

    Args:
        generated: Generated jets.
        real: Real jets.
        batch: Jets in a batch; the floor depends on it. Default: 50,000.
        batches: Number of batches. Default: 5.
        seed: Seed of the draws.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> jets = JetSample(rng.uniform(size=(3000, 3)) * 0.1, np.arange(0, 3001, 30))
        >>> w1m(jets, jets, batch=100).value < 0.01
        True
    """
    return _resampled("w1m", generated, real, batch, batches, seed)


def w1p(
    generated: JetSample,
    real: JetSample,
    batch: int = 50_000,
    batches: int = _BATCHES,
    seed: int = 0,
) -> Estimate:
    r"""W1P: the mean of the :math:`W_1` of pT, η and φ of all particles, over batches.

    Args:
        generated: Generated jets.
        real: Real jets.
        batch: Jets in a batch; the floor depends on it. Default: 50,000.
        batches: Number of batches. Default: 5.
        seed: Seed of the draws.
    """
    return _resampled("w1p", generated, real, batch, batches, seed)


def w1efp(
    generated: JetSample,
    real: JetSample,
    batch: int = 50_000,
    batches: int = _BATCHES,
    seed: int = 0,
) -> Estimate:
    r"""W1EFP: the mean of the :math:`W_1` of the five prime EFPs of 4 vertices and 4 edges.

    Args:
        generated: Generated jets.
        real: Real jets.
        batch: Jets in a batch; the floor depends on it. Default: 50,000.
        batches: Number of batches. Default: 5.
        seed: Seed of the draws.
    """
    return _resampled("w1efp", generated, real, batch, batches, seed)


def efp_features(
    generated: JetSample, real: JetSample, d_max: int = 4
) -> tuple[np.ndarray, np.ndarray]:
    """All EFPs of at most ``d_max`` edges, each over its maximum among the real jets that count.

    They are the features of :func:`fpd` and :func:`kpd` in arXiv:2211.10295.

    Args:
        generated: Generated jets.
        real: Real jets.
        d_max: Largest number of edges. Default: 4, which makes 36 features.

    Returns:
        Features of generated and of real jets, ``[J, K]`` each.
    """
    graphs = multigraphs(d_max)
    features = [jets.efps(graphs) for jets in (generated, real)]
    counts = slice(None) if real.weights is None else real.weights > 0
    largest = features[1][counts].max(0)
    largest[largest == 0] = 1
    return features[0] / largest, features[1] / largest


def fpd(
    generated: Any,
    real: Any,
    min_samples: int = 20_000,
    max_samples: int = 50_000,
    points: int = 10,
    batches: int = 20,
    seed: int = 0,
    nonnegative: bool = False,
    generated_weights: Any = None,
    real_weights: Any = None,
) -> Estimate:
    r"""FPD: the Fréchet distance of Gaussians fitted to features, extrapolated to infinite samples.

    .. math::
        |\mu - \mu'|^2 + \operatorname{tr}\big(C + C' - 2 (C C')^{1/2}\big)

    It is linear in 1/N for N jets; the intercept of a fit to batches of several sizes is returned.
    Batches are drawn with replacement, in proportion to the jets' weights.

    Args:
        generated: Features ``[J, K]``, such as :func:`efp_features` has them.
        real: Features ``[J', K]``.
        min_samples: Jets in the smallest batches. Default: 20,000.
        max_samples: Jets in the largest batches, at most as many as there are. Default: 50,000.
        points: Number of sizes of batches, equally spaced in 1/N. Default: 10.
        batches: Number of batches of each size. Default: 20.
        seed: Seed of the draws.
        nonnegative: Whether slope and intercept of the fit are bounded at 0, as in JetNet. Default:
            they are not, so that the mean over samples of equal distributions is 0.
        generated_weights: A weight for each generated jet, not negative, ``[J]``. Default: all
            count the same.
        real_weights: A weight for each real jet, likewise, ``[J']``.

    Returns:
        The intercept and its standard error.

    Raises:
        InputError: If the features differ in number or there are fewer than ``min_samples`` jets.
    """
    first, second = _features(generated, real)
    max_samples = min(max_samples, len(first), len(second))
    if not 2 <= min_samples < max_samples or points < 3:
        raise InputError(
            f"Expected 2 ≤ min_samples < max_samples and 3 points at least, but got {min_samples}, "
            f"{max_samples} (of {len(first)} and {len(second)} jets) and {points}."
        )
    rng, sizes = (
        np.random.default_rng(seed),
        1 / np.linspace(1 / min_samples, 1 / max_samples, points),
    )
    samples = (
        (first, probabilities(generated_weights, len(first), "generated_weights")),
        (second, probabilities(real_weights, len(second), "real_weights")),
    )
    means = []
    for size in sizes.astype(int):
        draws = (
            _frechet_distance(*(f[rng.choice(len(f), size, p=p)] for f, p in samples))
            for _ in range(batches)
        )
        means.append(np.mean(list(draws)))
    if nonnegative:
        line = np.stack([np.ones(points), 1 / sizes], 1)
        (intercept, _), length = nnls(line, means)
        covariance = np.linalg.inv(line.T @ line) * length**2 / (points - 2)
        return Estimate(float(intercept), float(np.sqrt(covariance[0, 0])))
    (_, intercept), covariance = np.polyfit(1 / sizes, means, 1, cov=True)
    return Estimate(float(intercept), float(np.sqrt(covariance[1, 1])))


def _features(generated: Any, real: Any) -> tuple[np.ndarray, np.ndarray]:
    first, second = (as_numpy(v).astype(np.float64) for v in (generated, real))
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
        raise InputError(
            f"Expected features [J, K] and [J', K], but got {list(first.shape)} and "
            f"{list(second.shape)}."
        )
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise InputError("Expected finite features: a jet has one that is not.")
    return first, second


def _frechet_distance(first: np.ndarray, second: np.ndarray) -> float:
    shift = first.mean(0) - second.mean(0)
    c, c_prime = (np.cov(v, rowvar=False) for v in (first, second))
    root = np.real(sqrtm(c @ c_prime))
    return float(shift @ shift + np.trace(c + c_prime - 2 * root))


def kpd(
    generated: Any,
    real: Any,
    batch: int = 5000,
    batches: int = 10,
    seed: int = 0,
    generated_weights: Any = None,
    real_weights: Any = None,
) -> Estimate:
    r"""KPD: the unbiased squared maximum mean discrepancy of features.

    .. math::
        \frac{\sum_{i \ne j} w_i w_j\, k(x_i, x_j)}{\sum_{i \ne j} w_i w_j}
        + \frac{\sum_{i \ne j} v_i v_j\, k(y_i, y_j)}{\sum_{i \ne j} v_i v_j}
        - 2\, \frac{\sum_{ij} w_i v_j\, k(x_i, y_j)}{\sum_{ij} w_i v_j}, \quad
        k(x, y) = \Big(\frac{x \cdot y}{K} + 1\Big)^4

    for K features. Batches are drawn without replacement, as a jet that is there twice has a pair
    with itself; that is why weights enter the sums, not the draw.

    Args:
        generated: Features ``[J, K]``.
        real: Features ``[J', K]``.
        batch: Jets in a batch, at most as many as there are. Default: 5,000.
        batches: Number of batches. Default: 10.
        seed: Seed of the draws.
        generated_weights: A weight for each generated jet, not negative, ``[J]``. Default: all
            count the same.
        real_weights: A weight for each real jet, likewise, ``[J']``.

    Returns:
        The median over the batches, and half the distance between the 16 % and 84 % quantiles.
    """
    first, second = _features(generated, real)
    w = jet_weights(generated_weights, len(first), "generated_weights")
    v = jet_weights(real_weights, len(second), "real_weights")
    first, w, second, v = first[w > 0], w[w > 0], second[v > 0], v[v > 0]
    size, rng = min(batch, len(first), len(second)), np.random.default_rng(seed)
    if size < 2 or batches < 2:
        raise InputError(f"Expected 2 jets and 2 batches at least, but got {size} and {batches}.")
    discrepancies = []
    for _ in range(batches):
        rows = [rng.choice(len(f), size, replace=False) for f in (first, second)]
        samples = (first[rows[0]], w[rows[0]]), (second[rows[1]], v[rows[1]])
        discrepancies.append(_squared_mmd(*samples))
    low, middle, high = np.quantile(discrepancies, (0.16, 0.5, 0.84))
    return Estimate(float(middle), float(high - low) / 2)


def _squared_mmd(
    generated: tuple[np.ndarray, np.ndarray], real: tuple[np.ndarray, np.ndarray]
) -> float:
    """The discrepancy of two samples, each features ``[n, K]`` and weights ``[n]``."""
    k = generated[0].shape[1]

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        powers = a @ (b.T / k)
        powers += 1
        np.square(powers, out=powers)
        return np.square(powers, out=powers)

    within = 0.0
    for values, weight in (generated, real):
        pairs, weight = kernel(values, values), weight / weight.sum()
        itself = np.square(weight)
        within += (weight @ pairs @ weight - itself @ np.diag(pairs)) / (1 - itself.sum())
    (made, w), (true, v) = generated, real
    return float(within - 2 * (w / w.sum()) @ kernel(made, true) @ (v / v.sum()))
