r"""How far generated jets are from real ones: W1 distances, FPD, KPD.

Definitions are those of arXiv 2106.11535 (W1M, W1P, W1EFP) and arXiv 2211.10295 (FPD, KPD). Jets
are ragged, ``x [N, 3]`` = (pT, η, φ) relative to the jet with ``ptr [J + 1]``, and need not be
equally many in both sets. Each number comes with the spread over resampled batches; the value of
two real samples of the same size is the floor that a generator can reach.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.linalg import sqrtm
from scipy.stats import wasserstein_distance

from pyg_jets import kinematics
from pyg_jets.errors import InputError
from pyg_jets.metrics.energy_flow import energy_flow, multigraphs, primes
from pyg_jets.metrics.inputs import as_numpy
from pyg_jets.metrics.resampling import Estimate

__all__ = ["Jets", "feature_distance", "fpd", "kpd", "w1efp", "w1m", "w1p"]

#: Draws of batches, as many as the papers have.
_BATCHES = 5


class Jets:
    """Jets of a sample, checked, and what the metrics take of them, each made once.

    Args:
        x: pT, η and φ of each particle relative to its jet, ``[N, 3]``.
        ptr: Ragged pointer ``[J + 1]``.

    Raises:
        ValueError: For other shapes, no jets, or a number that is not finite (the jet is named).

    Examples:
        >>> jets = Jets([[0.5, 0.1, 0.0], [0.5, -0.1, 0.0]], [0, 2])
        >>> len(jets), jets.mass.round(3).tolist()
        (1, [0.1])
    """

    def __init__(self, x: Any, ptr: Any) -> None:
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

    def __len__(self) -> int:
        return len(self.ptr) - 1

    @property
    def mass(self) -> np.ndarray:
        """m/pT of each jet of massless particles, ``[J]``: its mass over its own pT."""
        pt, eta, phi = self.x.T
        px, py, pz, energy = kinematics.jet_momentum(pt, eta, phi, np.zeros_like(pt), self.ptr)
        own, _, _, mass = kinematics.to_cylindrical(px, py, pz, energy)
        return np.divide(mass, own, out=np.zeros_like(mass), where=own > 0)

    def particles(self, jets: np.ndarray) -> np.ndarray:
        """All particles of some jets, ``[n, 3]``."""
        counts = np.diff(self.ptr)[jets]
        first = np.repeat(self.ptr[:-1][jets] - np.cumsum(counts) + counts, counts)
        return self.x[first + np.arange(counts.sum())]

    def efps(self, graphs: Any) -> np.ndarray:
        """Energy-flow polynomials ``[J, G]``."""
        return energy_flow(self.x, self.ptr, graphs)


def feature_distance(generated: Any, real: Any) -> float:
    r"""Distance of two samples of a feature: :math:`W_1` of the samples over the real deviation.

    Args:
        generated: Values, ``[N]``.
        real: Values, ``[M]``.

    Raises:
        ValueError: If one is empty or not finite, or the real values are all the same.

    Examples:
        >>> feature_distance([1.0, 2.0], [2.0, 4.0])
        1.5
    """
    one, other = (as_numpy(v).astype(np.float64).reshape(-1) for v in (generated, real))
    for name, values in (("generated", one), ("real", other)):
        if not len(values) or not np.isfinite(values).all():
            raise InputError(f"Expected finite {name} values, at least one, but got {values[:5]}.")
    deviation = float(other.std())
    if deviation == 0:
        raise InputError(f"Expected real values that differ, but all of them are {other[0]:g}.")
    return float(wasserstein_distance(one, other)) / deviation


def _resampled(
    distance: Callable[[np.ndarray, np.ndarray], float],
    generated: Jets,
    real: Jets,
    batch: int,
    batches: int,
    seed: int,
) -> Estimate:
    """Mean and deviation of a distance over batches of jets drawn from both."""
    if batch < 1 or batches < 2:
        raise InputError(
            f"Expected batch of at least 1 and batches of at least 2, but got {batch}, {batches}."
        )
    rng, found = np.random.default_rng(seed), []
    for _ in range(batches):
        chosen = [rng.choice(len(jets), batch) for jets in (generated, real)]
        found.append(distance(*chosen))
    return Estimate(float(np.mean(found)), float(np.std(found)))


def w1m(
    generated: Jets, real: Jets, batch: int = 50_000, batches: int = _BATCHES, seed: int = 0
) -> Estimate:
    r""":math:`W_1` of m/pT, as mean and deviation over batches drawn with replacement.

    Args:
        generated: Generated jets.
        real: Real jets.
        batch: Jets a batch; the floor depends on it.
        batches: Number of batches.
        seed: Seed of the draws.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> jets = Jets(rng.uniform(size=(3000, 3)) * 0.1, np.arange(0, 3001, 30))
        >>> w1m(jets, jets, batch=100).value < 0.01
        True
    """
    masses = generated.mass, real.mass
    return _resampled(
        lambda a, b: float(wasserstein_distance(masses[0][a], masses[1][b])),
        generated, real, batch, batches, seed,
    )  # fmt: skip


def w1p(
    generated: Jets, real: Jets, batch: int = 50_000, batches: int = _BATCHES, seed: int = 0
) -> Estimate:
    r"""Mean of the :math:`W_1` of pT, η and φ of all particles; see :func:`w1m`."""

    def distance(a: np.ndarray, b: np.ndarray) -> float:
        pairs = zip(generated.particles(a).T, real.particles(b).T, strict=True)
        return float(np.mean([wasserstein_distance(one, other) for one, other in pairs]))

    return _resampled(distance, generated, real, batch, batches, seed)


def w1efp(
    generated: Jets, real: Jets, batch: int = 50_000, batches: int = _BATCHES, seed: int = 0
) -> Estimate:
    r"""Mean of the :math:`W_1` of the five prime polynomials of 4 vertices and 4 edges."""
    graphs = [graph for graph in primes(4) if len(graph) == 4]
    values = generated.efps(graphs), real.efps(graphs)

    def distance(a: np.ndarray, b: np.ndarray) -> float:
        pairs = zip(values[0][a].T, values[1][b].T, strict=True)
        return float(np.mean([wasserstein_distance(one, other) for one, other in pairs]))

    return _resampled(distance, generated, real, batch, batches, seed)


def efp_features(generated: Jets, real: Jets, d_max: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """All polynomials of at most ``d_max`` edges, each over its maximum among the real jets."""
    parts = [prime for d in range(1, d_max + 1) for prime in primes(d)]
    place = {id(prime): i for i, prime in enumerate(parts)}
    made = []
    for jets in (generated, real):
        values, pt = jets.efps(parts), kinematics.jet_sum(jets.x[:, 0], jets.ptr)
        columns = [
            np.prod([values[:, place[id(part)]] for part in graph], axis=0) if graph else pt
            for graph in multigraphs(d_max)
        ]
        made.append(np.stack(columns, 1))
    largest = made[1].max(0)
    largest[largest == 0] = 1
    return made[0] / largest, made[1] / largest


def fpd(
    generated: Any,
    real: Any,
    least: int = 20_000,
    most: int = 50_000,
    points: int = 10,
    batches: int = 20,
    seed: int = 0,
) -> Estimate:
    """Fréchet distance of Gaussians fitted to features, extrapolated linearly in 1/N to N = ∞.

    Args:
        generated: Features ``[J, K]``, such as :func:`efp_features` has them.
        real: Features ``[J', K]``.
        least: Jets of the smallest batches.
        most: Jets of the largest batches.
        points: Number of sizes between them, equally apart in 1/N.
        batches: Batches of each size.
        seed: Seed of the draws.

    Returns:
        The intercept and its standard error.

    Raises:
        ValueError: If features do not fit together or there are fewer than ``least`` jets.
    """
    one, other = _features(generated, real)
    most = min(most, len(one), len(other))
    if not 2 <= least < most or points < 3:
        raise InputError(
            f"Expected 2 ≤ least < most and 3 points at least, but got {least}, {most} (of "
            f"{len(one)} and {len(other)} jets) and {points}."
        )
    rng, sizes = np.random.default_rng(seed), 1 / np.linspace(1 / least, 1 / most, points)
    means = []
    for size in sizes.astype(int):
        draws = (
            _frechet(*(f[rng.choice(len(f), size)] for f in (one, other))) for _ in range(batches)
        )
        means.append(np.mean(list(draws)))
    (_, intercept), covariance = np.polyfit(1 / sizes, means, 1, cov=True)
    return Estimate(float(intercept), float(np.sqrt(covariance[1, 1])))


def _features(generated: Any, real: Any) -> tuple[np.ndarray, np.ndarray]:
    one, other = (as_numpy(v).astype(np.float64) for v in (generated, real))
    if one.ndim != 2 or other.ndim != 2 or one.shape[1] != other.shape[1]:
        raise InputError(
            f"Expected features [J, K] and [J', K], but got {list(one.shape)} and "
            f"{list(other.shape)}."
        )
    if not (np.isfinite(one).all() and np.isfinite(other).all()):
        raise InputError("Expected finite features: a jet has one that is not.")
    return one, other


def _frechet(one: np.ndarray, other: np.ndarray) -> float:
    apart = one.mean(0) - other.mean(0)
    first, second = (np.cov(v, rowvar=False) for v in (one, other))
    root = np.real(sqrtm(first @ second))
    return float(apart @ apart + np.trace(first + second - 2 * root))


def kpd(generated: Any, real: Any, batch: int = 5000, batches: int = 10, seed: int = 0) -> Estimate:
    r"""Kernel distance of features: the unbiased squared MMD with :math:`(x \cdot y / K + 1)^4`.

    Args:
        generated: Features ``[J, K]``.
        real: Features ``[J', K]``.
        batch: Jets of a batch, at most as many as there are.
        batches: Number of batches.
        seed: Seed of the draws.

    Returns:
        The median over the batches, and half the distance of the 16 % and 84 % quantiles.
    """
    one, other = _features(generated, real)
    size, rng = min(batch, len(one), len(other)), np.random.default_rng(seed)
    if size < 2 or batches < 2:
        raise InputError(f"Expected 2 jets and 2 batches at least, but got {size} and {batches}.")
    found = [
        _mmd(*(f[rng.choice(len(f), size, replace=False)] for f in (one, other)))
        for _ in range(batches)
    ]
    low, middle, high = np.quantile(found, (0.16, 0.5, 0.84))
    return Estimate(float(middle), float(high - low) / 2)


def _mmd(one: np.ndarray, other: np.ndarray) -> float:
    n, k = one.shape

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.square(np.square(a @ b.T / k + 1))

    within = 0.0
    for values in (one, other):
        of_pairs = kernel(values, values)
        within += (of_pairs.sum() - np.trace(of_pairs)) / (n * (n - 1))
    return float(within - 2 * kernel(one, other).mean())
