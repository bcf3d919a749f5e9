"""Binomial intervals of efficiencies and of the background rejection."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.stats import beta

from pyg_jets.errors import InputError
from pyg_jets.metrics.inputs import as_numpy, jet_weights, scores_and_labels, weights_of
from pyg_jets.metrics.tagging import background_efficiency, fact

__all__ = [
    "LIMIT",
    "Interval",
    "effective_number",
    "efficiency_interval",
    "rejection_interval",
    "score_cut",
]

#: With fewer background jets above the cut, the rejection is a lower limit.
_FEW = 10
_ONE_SIGMA = 0.6826894921370859
#: Confidence level of a lower limit.
LIMIT = 0.95


class Interval(NamedTuple):
    """A value with the ends of its interval; ``high`` is infinite for a lower limit."""

    value: float
    low: float
    high: float


def effective_number(weights: Any) -> float:
    r"""The number of equally weighted jets that fix a mean as well as these jets do.

    .. math:: N_\text{eff} = \frac{(\sum_j w_j)^2}{\sum_j w_j^2}

    Args:
        weights: A weight for each jet, not negative, ``[J]``.

    Returns:
        At most the number of jets; 0 of no jets.

    Examples:
        >>> effective_number([2.0, 2.0, 2.0]), round(effective_number([1.0, 3.0]), 6)
        (3.0, 1.6)
    """
    weight = as_numpy(weights).astype(np.float64).reshape(-1)
    if not len(weight):
        return 0.0
    weight = jet_weights(weight, len(weight))
    weight = weight / weight.max()  # squares of small weights would be zero
    return float(weight.sum() ** 2 / np.square(weight).sum())


def efficiency_interval(
    passed: float, total: float, level: float = _ONE_SIGMA
) -> tuple[float, float]:
    """The Clopper-Pearson interval of an efficiency, whose coverage is at least ``level``.

    Args:
        passed: Number of jets that passed; of weighted jets the weighted share times ``total``.
        total: Number of all jets; of weighted ones :func:`effective_number`.
        level: Confidence level, central. Default: one standard deviation, 0.683.

    Raises:
        InputError: If ``passed`` is not from 0 to ``total``, or the level not in (0, 1).

    Examples:
        >>> low, high = efficiency_interval(5, 100)
        >>> round(low, 4), round(high, 4)
        (0.0286, 0.0824)
    """
    if not 0 <= passed <= total or not total > 0:
        raise InputError(f"Expected 0 ≤ passed ≤ total, but got {passed} of {total}.")
    if not 0 < level < 1:
        raise InputError(f"Expected a level in (0, 1), but got {level}.")
    outside = (1 - level) / 2
    low = beta.ppf(outside, passed, total - passed + 1) if passed > 0 else 0.0
    high = beta.ppf(1 - outside, passed + 1, total - passed) if passed < total else 1.0
    return float(low), float(high)


@fact(higher_is_better=True)
def rejection_interval(
    scores: Any, labels: Any, signal_efficiency: float = 0.5, weights: Any = None
) -> Interval:
    r"""Background rejection :math:`1/\varepsilon_B` with its 68 % binomial interval.

    If fewer than 10 background jets pass the cut, the result is a lower limit at 95 % confidence:
    ``value`` and ``low`` are the limit, ``high`` is infinite. Weighted background jets count as
    their :func:`effective_number`. The interval does not include the uncertainty of the cut itself,
    which comes from the finite number of signal jets.

    Args:
        scores: A score for each jet, larger for signal, ``[J]``.
        labels: 1 for signal, 0 for background, ``[J]``.
        signal_efficiency: Share of signal jets to keep, in (0, 1].
        weights: A weight for each jet, not negative, ``[J]``. Default: all count the same.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> labels = np.repeat([0, 1], 2000)
        >>> interval = rejection_interval(labels + rng.normal(size=4000), labels, 0.5)
        >>> [round(value, 1) for value in interval]
        [6.2, 5.9, 6.6]
    """
    score, signal = scores_and_labels(scores, labels)
    weight = weights_of(weights, signal)
    share = background_efficiency(score, signal, signal_efficiency, weight)
    total = effective_number(weight[~signal])
    passed = min(share, 1.0) * total
    cut = score_cut(score[signal], signal_efficiency, weight[signal])
    if int((score[~signal & (weight > 0)] >= cut).sum()) < _FEW:
        limit = 1 / efficiency_interval(passed, total, 2 * LIMIT - 1)[1]
        return Interval(limit, limit, float("inf"))
    low, high = efficiency_interval(passed, total)
    return Interval(1 / share, 1 / high, 1 / low)


def score_cut(scores: Any, signal_efficiency: float = 0.5, weights: Any = None) -> float:
    """The score cut at which a share of the signal jets passes.

    Args:
        scores: A score for each signal jet, ``[S]``.
        signal_efficiency: The share, in (0, 1].
        weights: A weight for each of them, ``[S]``. Default: all count the same.

    Examples:
        >>> score_cut([0.1, 0.4, 0.35, 0.8], 0.5)
        0.4
    """
    score = as_numpy(scores).astype(np.float64).reshape(-1)
    weight = weights_of(weights, np.ones(len(score), bool))
    return float(-np.quantile(-score, signal_efficiency, method="inverted_cdf", weights=weight))
