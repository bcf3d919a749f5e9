r"""Distances beside their floor: what two real samples of the same sizes would have.

A distance alone says little: that of two equal samples is not 0, falls with their sizes, and
fluctuates. The floor is the mean over random halves of the pooled real jets; its error is their
spread, by which a single floor would fluctuate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from pyg_jets.columns import check_names
from pyg_jets.errors import InputError
from pyg_jets.metrics.generation import (
    JetSample,
    efp_features,
    fpd,
    kpd,
    w1_features,
    weighted_deviation,
)
from pyg_jets.metrics.inputs import jet_weights
from pyg_jets.metrics.observables import observable_table
from pyg_jets.metrics.resampling import Estimate, sample_deviation
from pyg_jets.metrics.wasserstein import SortedFeatures

__all__ = ["OverFloor", "feature_z_scores", "over_floor", "z_score_differences"]

_W1 = ("w1m", "w1p", "w1efp")
_FEWEST = 4
#: A deviation below this share of the largest value is rounding in float32.
_ROUNDING = 1e-6


class OverFloor(NamedTuple):
    """A distance beside its floor.

    Args:
        distance: The distance and its standard error.
        floor: Mean and spread of the floor.
        ratio: ``distance / floor`` with the error of the distance; not a number where the floor is
            0 or less, as an unbiased one (FPD, KPD) may be.
    """

    distance: Estimate
    floor: Estimate
    ratio: Estimate


def over_floor(
    made: JetSample,
    real: JetSample,
    other_real: JetSample | None = None,
    metrics: Sequence[str] = _W1,
    splits: int = 10,
    resamples: int = 10,
    seed: int = 0,
) -> dict[str, OverFloor]:
    r"""W1M, W1P and W1EFP of two samples over their floors; FPD and KPD beside theirs.

    Distances are those of the samples as they are, each jet once, and not of batches drawn with
    replacement as in :func:`~pyg_jets.metrics.generation.w1m`: these add noise to both numbers, and
    make their ratio smaller. The floor is the mean over random halves of ``real`` and
    ``other_real`` together, times :math:`\sqrt{(1/N + 1/M) / (2 / H)}` for halves of H jets.

    FPD and KPD are those of :mod:`pyg_jets.metrics.generation` with their errors, and their floor
    is that of ``other_real`` against ``real``. Both are unbiased: the floor is 0 within its error.

    Args:
        made: Generated jets, with pT relative to that of the jet, as all distances of
            :mod:`pyg_jets.metrics.generation` take them.
        real: Real jets.
        other_real: Real jets that are none of ``real``, such as training jets. Default: the floor
            is that of halves of ``real`` alone.
        metrics: Any of ``w1m, w1p, w1efp, fpd, kpd``. Default: the first three.
        splits: Random halves for the floor. Default: 10.
        resamples: Bootstrap samples for the error of the distance. Default: 10.
        seed: Seed of both.

    Raises:
        InputError: For an unknown metric, fewer than 2 splits or resamples, FPD or KPD without
            ``other_real``, or fewer than 4 jets.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> jets = [JetSample(rng.uniform(size=(3000, 3)), range(0, 3001, 30)) for _ in range(3)]
        >>> result = over_floor(*jets, metrics=("w1m",))
        >>> 0.3 < result["w1m"].ratio.value < 3
        True
    """
    metrics = check_names(metrics, (*_W1, "fpd", "kpd"), "metric")
    if other_real is None and set(metrics) - set(_W1):
        raise InputError("Expected other_real for the floor of FPD and KPD, but got none.")
    samples = [made, real] if other_real is None else [made, real, other_real]
    weights = [jet_weights(jets.weights, len(jets)) for jets in samples]
    result = {}
    for metric in metrics:
        if metric in _W1:
            features = w1_features(metric, samples)
            result[metric] = _over_floor(features, weights, splits, resamples, seed)
        else:
            result[metric] = _unbiased(metric, samples, seed)
    return result


def feature_z_scores(
    made: Mapping[str, Any],
    real: Mapping[str, Any],
    other_real: Mapping[str, Any] | None = None,
    features: Sequence[str] | None = None,
    made_weights: Any = None,
    real_weights: Any = None,
    other_weights: Any = None,
    splits: int = 10,
    resamples: int = 20,
    seed: int = 0,
) -> dict[str, OverFloor]:
    r""":math:`W_1/\sigma` of every feature of jets, beside its floor.

    σ is the standard deviation of ``real``. Features that are equal for all real jets, up to
    rounding, have no σ and are left out.

    Args:
        made: Features of the generated jets, ``{name: [J]}``, such as those of
            :func:`~pyg_jets.metrics.observables.jet_observables`.
        real: The same of the real jets.
        other_real: The same of other real jets, such as training jets, for the floor; see
            :func:`over_floor`. Default: the floor is that of halves of ``real``.
        features: Which of them. Default: all of ``made``.
        made_weights: A weight for each generated jet, not negative, ``[J]``. Default: all count the
            same.
        real_weights: A weight for each real jet, likewise.
        other_weights: A weight for each other real jet, likewise.
        splits: Random halves for the floor. Default: 10.
        resamples: Bootstrap samples for the error. Default: 20.
        seed: Seed of both.

    Raises:
        InputError: For a feature that is missing or not finite (the jet is named), or fewer than 4
            jets.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> made, real = ({"mass": rng.normal(shift, 1, 4000)} for shift in (80.5, 80))
        >>> score = feature_z_scores(made, real)["mass"]
        >>> 0.4 < score.distance.value < 0.6, score.floor.value < 0.1
        (True, True)
    """
    given = [(made, "generated", made_weights), (real, "real", real_weights)]
    if other_real is not None:
        given.append((other_real, "other real", other_weights))
    names, tables, weights = _tables(given, features)
    result = {}
    for column, name in enumerate(names):
        sigma = _sigma(tables[1][:, column], weights[1])
        if sigma > 0:
            values = np.concatenate([table[:, column] for table in tables]) / sigma
            sorted_values = SortedFeatures([values])
            result[name] = _over_floor(sorted_values, weights, splits, resamples, seed)
    return result


def z_score_differences(
    made: Mapping[str, Any],
    rival: Mapping[str, Any],
    real: Mapping[str, Any],
    features: Sequence[str] | None = None,
    made_weights: Any = None,
    rival_weights: Any = None,
    real_weights: Any = None,
    paired: bool = False,
    resamples: int = 50,
    seed: int = 0,
) -> dict[str, Estimate]:
    r""":math:`W_1/\sigma` of one sample less that of a rival, both to the same real jets.

    The error is paired: each bootstrap sample has the same real jets for both. One is no worse than
    its rival by two paired errors if ``value <= 2 * error``.

    Args:
        made: Features of the generated jets, ``{name: [J]}``.
        rival: The same of what is compared with, such as other real jets or a baseline.
        real: The same of the real jets.
        features: Which of them. Default: all of ``made``.
        made_weights: A weight for each generated jet, not negative, ``[J]``. Default: all count the
            same.
        rival_weights: A weight for each jet of the rival, likewise.
        real_weights: A weight for each real jet, likewise.
        paired: Whether jet ``j`` of all three is made of the same GEN jet: then jets are drawn
            together, and what the GEN jets do to all three cancels as well. Default: ``False``.
        resamples: Bootstrap samples for the error. Default: 50.
        seed: Seed of the bootstrap.

    Raises:
        InputError: As :func:`feature_z_scores`, or for jets that are paired and not as many.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> made, rival, real = ({"m": rng.normal(shift, 1, 4000)} for shift in (0.2, 0.1, 0))
        >>> value, error = z_score_differences(made, rival, real)["m"]
        >>> abs(value - 0.1) < 4 * error, error < 0.05
        (True, True)
    """
    given = [
        (made, "generated", made_weights), (rival, "rival", rival_weights),
        (real, "real", real_weights),
    ]  # fmt: skip
    names, tables, weights = _tables(given, features)
    sizes = [len(weight) for weight in weights]
    if paired and len(set(sizes)) > 1:
        raise InputError(f"Expected as many jets in all three, which are paired, but got {sizes}.")
    _check_counts(2, resamples)
    result = {}
    for column, name in enumerate(names):
        sigma = _sigma(tables[2][:, column], weights[2])
        if sigma == 0:
            continue
        values = np.concatenate([table[:, column] for table in tables]) / sigma
        feature, rng = SortedFeatures([values]), np.random.default_rng(seed)

        def difference(weights: Sequence[np.ndarray], feature: Any = feature) -> float:
            own, rival, real = _laid_out(weights)
            return feature.distance(own, real) - feature.distance(rival, real)

        drawn = [difference(_redrawn(weights, rng, paired)) for _ in range(resamples)]
        result[name] = Estimate(difference(weights), float(sample_deviation(drawn)))
    return result


def _over_floor(
    features: SortedFeatures,
    weights: Sequence[np.ndarray],
    splits: int,
    resamples: int,
    seed: int,
) -> OverFloor:
    """A distance over its floor, of generated jets, real jets and, if there are any, others."""
    _check_counts(splits, resamples)
    sizes = [len(weight) for weight in weights]
    # the floor does not depend on what was generated
    rng, of_floor = (np.random.default_rng((seed, stream)) for stream in range(2))
    for name, size in zip(("generated", "real"), sizes, strict=False):
        if size < _FEWEST:
            raise InputError(f"Expected at least {_FEWEST} {name} jets, but got {size}.")

    def distance(weights: Sequence[np.ndarray]) -> float:
        made, real, *_ = _laid_out(weights)
        return features.distance(made, real)

    value = distance(weights)
    error = sample_deviation([distance(_redrawn(weights, rng)) for _ in range(resamples)])
    pool = np.concatenate(weights)
    pool[: sizes[0]] = 0
    floors = []
    for _ in range(splits):
        first = np.zeros(len(pool), bool)
        first[sizes[0] :] = of_floor.permutation(len(pool) - sizes[0]) % 2 == 0
        halves = pool * first, pool * ~first
        scale = _noise(weights[:2]) / _noise(halves)
        floors.append(scale * features.distance(*halves))
    floor = Estimate(float(np.mean(floors)), float(sample_deviation(floors)))
    return _beside(Estimate(value, float(error)), floor)


def _noise(weights: Sequence[np.ndarray]) -> float:
    """√(1/N + 1/M) for the effective numbers of two samples, with which the floor goes."""
    return float(np.sqrt(sum(np.square(w).sum() / np.square(w.sum()) for w in weights)))


def _beside(distance: Estimate, floor: Estimate) -> OverFloor:
    if not floor.value > 0:
        return OverFloor(distance, floor, Estimate(np.nan, np.nan))
    ratio = Estimate(distance.value / floor.value, distance.error / floor.value)
    return OverFloor(distance, floor, ratio)


def _unbiased(metric: str, samples: Sequence[JetSample], seed: int) -> OverFloor:
    """FPD or KPD of generated against real jets, beside that of other real jets."""
    made, real, other = samples
    values = []
    for jets in (made, other):
        features = efp_features(jets, real)
        weights: dict[str, Any] = {
            "generated_weights": jets.weights,
            "real_weights": real.weights,
        }
        if metric == "kpd":
            values.append(kpd(*features, seed=seed, **weights))
        else:
            least = min(20_000, min(len(jets), len(real)) // 2)
            values.append(fpd(*features, least, seed=seed, **weights))
    return _beside(*values)


def _laid_out(weights: Sequence[np.ndarray]) -> list[np.ndarray]:
    """For each sample, the weights of the jets of all samples, 0 for those of others."""
    ends = np.cumsum([len(weight) for weight in weights])
    laid_out = [np.zeros(ends[-1]) for _ in weights]
    for row, weight, end in zip(laid_out, weights, ends, strict=True):
        row[end - len(weight) : end] = weight
    return laid_out


def _redrawn(
    weights: Sequence[np.ndarray], rng: np.random.Generator, paired: bool = False
) -> list[np.ndarray]:
    """The weights of a bootstrap sample, in which each jet is there as often as it is drawn."""
    drawn: list[np.ndarray] = []
    for weight in weights:
        if not (paired and drawn):
            times = np.bincount(rng.integers(0, len(weight), len(weight)), minlength=len(weight))
        drawn.append(weight * times)
    return drawn


def _tables(
    given: Sequence[tuple[Mapping[str, Any], str, Any]], features: Sequence[str] | None
) -> tuple[tuple[str, ...], list[np.ndarray], list[np.ndarray]]:
    """Names of features, their values ``[J, K]`` and the weights ``[J]`` of each sample."""
    names: Any = features
    tables, weights = [], []
    for jets, what, weight in given:
        names, table = observable_table(jets, names, what)
        tables.append(table)
        weights.append(jet_weights(weight, len(table), f"weights of the {what} jets"))
    return names, tables, weights


def _sigma(values: np.ndarray, weights: np.ndarray) -> float:
    """Standard deviation, or 0 for values that are equal up to rounding."""
    deviation = weighted_deviation(values, weights)
    largest = float(np.abs(values[weights > 0]).max())
    return deviation if deviation > _ROUNDING * largest else 0.0


def _check_counts(splits: int, resamples: int) -> None:
    if splits < 2 or resamples < 2:
        raise InputError(
            f"Expected at least 2 splits and 2 resamples, but got {splits} and {resamples}."
        )
