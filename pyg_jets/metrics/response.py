r"""Metrics of a response: of how a network or a detector changes the same jet from draw to draw.

The response of a jet is RECO / GEN of an observable, such as pT or mass. Its mean and its width are
taken over the draws of each jet, and compared jet by jet with those of the detector. All errors are
deviations over bootstrap samples of the jets, the same in all that is compared.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from pyg_jets.errors import InputError
from pyg_jets.metrics.inputs import as_numpy, jet_weights
from pyg_jets.metrics.resampling import Estimate, sample_deviation

__all__ = [
    "ResponseCorrelation",
    "reliability",
    "response_correlation",
    "response_width_ratio",
    "skill",
]


class ResponseCorrelation(NamedTuple):
    """How well the mean response of each jet is known.

    Args:
        correlation: Correlation of the mean responses with those of the detector.
        ceiling: That of the detector with itself, over other draws: what a perfect model of it
            reaches with as many draws; not a number where it was not given.
        share: ``correlation / ceiling``, with the paired error.
    """

    correlation: Estimate
    ceiling: Estimate
    share: Estimate


def response_correlation(
    mean_made: Any,
    mean_real: Any,
    mean_again: Any = None,
    weights: Any = None,
    n: int = 200,
    seed: int = 0,
) -> ResponseCorrelation:
    r"""Correlation over jets of the mean responses, and its share of the ceiling.

    Means over D draws are known to :math:`\sigma / \sqrt D` each, so that even the detector's own
    means do not correlate fully with themselves. The correlation of two sets of draws of the
    detector is the ceiling; with less known, as of a detector whose grid is hidden, it is the
    ceiling for a network with such inputs. The mean of all draws has the expected correlation
    :math:`\rho \sqrt{r\, r'}`, where r are the reliabilities (:func:`reliability`).

    Args:
        mean_made: Mean response of each jet over its draws, of the model, ``[J]``.
        mean_real: That of the detector, ``[J]``.
        mean_again: That of other draws of the detector, or of one that knows as much as the model,
            ``[J]``, for the ceiling. Default: there is none.
        weights: A weight for each jet, not negative, ``[J]``. Default: all count the same.
        n: Number of bootstrap samples. Default: 200.
        seed: Seed of the bootstrap.

    Raises:
        InputError: For other lengths, fewer than 3 jets, a value that is not finite (the jet is
            named), or means of the detector that are all the same.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> true = rng.normal(1, 0.1, 4000)
        >>> real, again, made = (true + 0.05 * rng.normal(size=4000) for _ in range(3))
        >>> correlation, ceiling, share = response_correlation(made, real, again)
        >>> round(ceiling.value, 1), abs(share.value - 1) < 4 * share.error
        (0.8, True)
    """
    given = {"mean_made": mean_made, "mean_real": mean_real}
    if mean_again is not None:
        given["mean_again"] = mean_again
    columns = _columns(given, 3)
    weight = jet_weights(weights, len(columns[0]))
    for name, column in zip(given, columns, strict=True):
        if name != "mean_made" and np.ptp(column[weight > 0]) == 0:
            raise InputError(f"Expected a {name} that differs between jets: all are {column[0]}.")

    def measure(*columns: np.ndarray, weight: np.ndarray) -> np.ndarray:
        made, real, *again = columns
        own = _correlation(made, real, weight)
        ceiling = _correlation(again[0], real, weight) if again else np.nan
        return np.array([own, ceiling, own / ceiling if ceiling else np.nan])

    return ResponseCorrelation(*_bootstrap(measure, columns, weight, n, seed))


def reliability(mean: Any, width: Any, draws: int, weights: Any = None) -> float:
    r"""The share of the variance of mean responses that is not the noise of a few draws.

    .. math:: r = 1 - \frac{\langle w^2 \rangle / D}{\operatorname{var}(\bar x)}

    Correlations of means over draws are lower than those of the true means by √r for each of the
    two (Spearman's attenuation). The ceiling of :func:`response_correlation` is r of the detector.

    Args:
        mean: Mean response of each jet, ``[J]``.
        width: Standard deviation (n − 1) of its draws, ``[J]``.
        draws: Number of draws D of each jet.
        weights: A weight for each jet, not negative, ``[J]``. Default: all count the same.

    Raises:
        InputError: As :func:`response_correlation`, or for fewer than 2 draws.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> draws = rng.normal(1, 0.1, 2000) + 0.2 * rng.normal(size=(4, 2000))
        >>> round(reliability(draws.mean(0), draws.std(0, ddof=1), 4), 1)
        0.5
    """
    if draws < 2:
        raise InputError(f"Expected at least 2 draws of each jet, but got {draws}.")
    means, widths = _columns({"mean": mean, "width": width}, 3)
    weight = jet_weights(weights, len(means))
    variance = np.cov(means, aweights=weight).item()
    if variance <= 0:
        raise InputError(f"Expected a mean that differs between jets: all are {means[0]}.")
    return float(1 - np.average(widths**2, weights=weight) / draws / variance)


def response_width_ratio(
    width_made: Any, width_real: Any, weights: Any = None, n: int = 200, seed: int = 0
) -> Estimate:
    """The mean width of the model's responses over that of the detector's.

    Args:
        width_made: Standard deviation of the draws of each jet, of the model, ``[J]``.
        width_real: That of the detector, ``[J]``.
        weights: A weight for each jet, not negative, ``[J]``. Default: all count the same.
        n: Number of bootstrap samples. Default: 200.
        seed: Seed of the bootstrap.

    Raises:
        InputError: For other lengths, no jets, a value that is not finite or below 0 (the jet is
            named), or widths of the detector that are all 0.

    Examples:
        >>> ratio = response_width_ratio([0.11, 0.22], [0.1, 0.2])
        >>> round(ratio.value, 6), ratio.error
        (1.1, 0.0)
    """
    columns = _columns({"width_made": width_made, "width_real": width_real}, 1, least=0)
    weight = jet_weights(weights, len(columns[0]))
    if not columns[1][weight > 0].any():
        raise InputError("Expected some width_real above 0, but all of them are 0.")

    def measure(made: np.ndarray, real: np.ndarray, weight: np.ndarray) -> np.ndarray:
        total = weight @ real
        return np.array([weight @ made / total if total > 0 else np.nan])

    return _bootstrap(measure, columns, weight, n, seed)[0]


def skill(
    identity: Any, model: Any, again: Any, weights: Any = None, n: int = 200, seed: int = 0
) -> Estimate:
    r"""The skill of a model by any score of which less is better, such as an energy score.

    .. math:: \frac{\bar S_\text{identity} - \bar S_\text{model}}
        {\bar S_\text{identity} - \bar S_\text{detector again}}

    It is 0 for no response at all and 1 for the detector itself; it can be negative, and above 1 by
    chance alone if the score is proper.

    Args:
        identity: Score of each jet where the response is left out, ``[J]``.
        model: That of the model, ``[J]``.
        again: That of other draws of the detector, ``[J]``.
        weights: A weight for each jet, not negative, ``[J]``. Default: all count the same.
        n: Number of bootstrap samples. Default: 200.
        seed: Seed of the bootstrap.

    Raises:
        InputError: For other lengths, no jets, a value that is not finite (the jet is named), or a
            detector that scores no better than the identity.

    Examples:
        >>> value, error = skill([10.0, 12.0], [3.0, 4.5], [2.0, 4.0])
        >>> round(value, 4)
        0.9062
    """
    columns = _columns({"identity": identity, "model": model, "again": again}, 1)
    weight = jet_weights(weights, len(columns[0]))
    means = [float(np.average(column, weights=weight)) for column in columns]
    if means[2] >= means[0]:
        raise InputError(
            f"Expected a mean score of the detector below that of the identity, but got "
            f"{means[2]:g} and {means[0]:g}: less has to be better."
        )

    def measure(*columns: np.ndarray, weight: np.ndarray) -> np.ndarray:
        worst, own, best = (weight @ column for column in columns)
        return np.array([(worst - own) / (worst - best)])

    return _bootstrap(measure, columns, weight, n, seed)[0]


def _columns(given: dict[str, Any], fewest: int, least: float = -np.inf) -> list[np.ndarray]:
    """Checked values of the same jets, ``[J]`` float64 each."""
    columns = [as_numpy(values).astype(np.float64).reshape(-1) for values in given.values()]
    lengths = [len(column) for column in columns]
    if len(set(lengths)) > 1 or lengths[0] < fewest:
        raise InputError(
            f"Expected {', '.join(given)} of the same jets, at least {fewest}, but got "
            f"{', '.join(map(str, lengths))} jets."
        )
    for name, column in zip(given, columns, strict=True):
        wrong = np.flatnonzero(~(np.isfinite(column) & (column >= least)))
        if wrong.size:
            floor = "" if least == -np.inf else f" of {least:g} or more"
            raise InputError(
                f"{name} of jet {wrong[0]} is {column[wrong[0]]}: expected finite values{floor}; "
                "an empty jet before the detector has no response and is left out beforehand."
            )
    return columns


def _bootstrap(
    measure: Callable[..., np.ndarray],
    columns: list[np.ndarray],
    weight: np.ndarray,
    n: int,
    seed: int,
) -> list[Estimate]:
    """Values of a measure of the jets, and their deviations over resampled jets."""
    if n < 2:
        raise InputError(f"Expected at least 2 bootstrap samples, but got n={n}.")
    counted = np.flatnonzero(weight)
    columns, weight = [column[counted] for column in columns], weight[counted]
    values, rng = measure(*columns, weight=weight), np.random.default_rng(seed)
    samples = []
    for _ in range(n):
        drawn = np.bincount(rng.integers(0, len(weight), len(weight)), minlength=len(weight))
        samples.append(measure(*columns, weight=weight * drawn))
    deviations = sample_deviation(samples)
    return [Estimate(float(v), float(e)) for v, e in zip(values, deviations, strict=True)]


def _correlation(a: np.ndarray, b: np.ndarray, weight: np.ndarray) -> float:
    """Pearson's correlation with weights; 0 if one of the two does not vary."""
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    share = weight / weight.sum()
    a, b = a - share @ a, b - share @ b
    scale = np.sqrt((share @ a**2) * (share @ b**2))
    return float(share @ (a * b) / scale) if scale > 0 else 0.0
