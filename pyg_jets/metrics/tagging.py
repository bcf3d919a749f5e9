r"""Tagging metrics: how well a score separates signal jets from background jets.

Signal efficiency :math:`\varepsilon_S` and background efficiency :math:`\varepsilon_B` are the
shares of signal and of background jets that score at or above a threshold. Every function takes
numpy arrays or torch tensors, ranks the raw scores (logits as well as probabilities), and has the
attribute ``higher_is_better``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from pyg_jets.errors import InputError
from pyg_jets.metrics.inputs import as_numpy, jet_weights, scores_and_labels, weights_of

__all__ = [
    "accuracy",
    "auc",
    "background_efficiency",
    "background_rejection",
    "roc_curve",
    "signal_efficiency",
    "significance_improvement",
    "spread",
]

Metric = TypeVar("Metric", bound=Callable[..., Any])


def fact(higher_is_better: bool | None) -> Callable[[Metric], Metric]:
    """Set the attribute ``higher_is_better`` of a metric; ``None`` if it is no single number."""

    def attach(metric: Metric) -> Metric:
        metric.__dict__["higher_is_better"] = higher_is_better
        return metric

    return attach


@fact(higher_is_better=None)
def roc_curve(scores: Any, labels: Any, weights: Any = None) -> tuple[np.ndarray, np.ndarray]:
    r"""The ROC curve: a point for each distinct score, from (0, 0) to (1, 1).

    Jets of equal score pass a threshold together; jets of weight 0 are left out.
    ``sklearn.metrics.roc_curve`` gives the same points; this one drops none of them and names the
    jet of a bad score.

    Args:
        scores: A score for each jet, larger for signal, ``[J]``.
        labels: 1 for signal, 0 for background, ``[J]``.
        weights: A weight for each jet, not negative, ``[J]``. Default: all count the same.

    Returns:
        Signal efficiency and background efficiency, both rising.

    Examples:
        >>> signal, background = roc_curve([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
        >>> signal.tolist(), background.tolist()
        ([0.0, 0.5, 0.5, 1.0, 1.0], [0.0, 0.0, 0.5, 0.5, 1.0])
    """
    score, signal = scores_and_labels(scores, labels)
    weight = weights_of(weights, signal)
    order = np.argsort(-score, kind="stable")
    order = order[weight[order] > 0]
    ranked, is_signal, weight = score[order], signal[order], weight[order]
    last_of_tie = np.append(ranked[1:] != ranked[:-1], True)
    true_positives = np.cumsum(weight * is_signal)[last_of_tie]
    false_positives = np.cumsum(weight * ~is_signal)[last_of_tie]
    start = np.zeros(1)
    return (
        np.concatenate((start, true_positives / true_positives[-1])),
        np.concatenate((start, false_positives / false_positives[-1])),
    )


@fact(higher_is_better=True)
def auc(scores: Any, labels: Any, weights: Any = None) -> float:
    r"""Area under the ROC curve, :math:`P(s_S > s_B) + P(s_S = s_B) / 2`.

    Args:
        scores: A score for each jet, larger for signal, ``[J]``.
        labels: 1 for signal, 0 for background, ``[J]``.
        weights: A weight for each jet, not negative, ``[J]``. Default: all count the same.

    Examples:
        >>> auc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
        0.75
    """
    return float(np.trapezoid(*roc_curve(scores, labels, weights)))


@fact(higher_is_better=True)
def accuracy(scores: Any, labels: Any, threshold: float = 0.0, weights: Any = None) -> float:
    """Share of jets on the right side of a threshold; a score above it is called signal.

    Args:
        scores: A logit for each jet, ``[J]``.
        labels: 1 for signal, 0 for background, ``[J]``.
        threshold: Where to cut. Default: 0, which for a logit is a probability of one half.
        weights: A weight for each jet, not negative, ``[J]``. Default: all count the same.

    Examples:
        >>> accuracy([-1.0, 0.5, 2.0, 3.0], [0, 0, 1, 1])
        0.75
    """
    score, signal = scores_and_labels(scores, labels)
    return float(np.average((score > threshold) == signal, weights=weights_of(weights, signal)))


@fact(higher_is_better=False)
def background_efficiency(
    scores: Any,
    labels: Any,
    signal_efficiency: float | np.ndarray = 0.5,
    weights: Any = None,
) -> Any:
    r""":math:`\varepsilon_B` at a fixed :math:`\varepsilon_S`, interpolated along the ROC curve.

    Where the curve rises straight up, the smallest :math:`\varepsilon_B` counts.

    Args:
        scores: A score for each jet, larger for signal, ``[J]``.
        labels: 1 for signal, 0 for background, ``[J]``.
        signal_efficiency: Share of signal jets to keep, in (0, 1]; or an array of them.
        weights: A weight for each jet, not negative, ``[J]``. Default: all count the same.

    Returns:
        A float, or an array for an array of signal efficiencies.

    Examples:
        >>> background_efficiency([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], signal_efficiency=0.75)
        0.25
    """
    target = np.asarray(signal_efficiency, dtype=np.float64)
    if not ((target > 0) & (target <= 1)).all():
        raise InputError(f"Expected a signal_efficiency in (0, 1], but got {signal_efficiency}.")
    signal, background = roc_curve(scores, labels, weights)
    signal, first = np.unique(signal, return_index=True)
    interpolated = np.interp(target, signal, background[first])
    return interpolated if target.ndim else float(interpolated)


@fact(higher_is_better=True)
def signal_efficiency(
    scores: Any, labels: Any, background_efficiency: float = 0.5, weights: Any = None
) -> float:
    r""":math:`\varepsilon_S` at a fixed :math:`\varepsilon_B`, interpolated along the ROC curve.

    Where the curve rises straight up, the largest :math:`\varepsilon_S` counts.

    Args:
        scores: A score for each jet, larger for signal, ``[J]``.
        labels: 1 for signal, 0 for background, ``[J]``.
        background_efficiency: Share of background jets that pass, in [0, 1].
        weights: A weight for each jet, not negative, ``[J]``. Default: all count the same.

    Examples:
        >>> signal_efficiency([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], background_efficiency=0.25)
        0.75
    """
    if not 0 <= background_efficiency <= 1:
        raise InputError(
            f"Expected a background_efficiency in [0, 1], but got {background_efficiency}."
        )
    signal, background = roc_curve(scores, labels, weights)
    background, from_the_end = np.unique(background[::-1], return_index=True)
    return float(np.interp(background_efficiency, background, signal[::-1][from_the_end]))


@fact(higher_is_better=True)
def background_rejection(
    scores: Any, labels: Any, signal_efficiency: float = 0.5, weights: Any = None
) -> float:
    r"""Background rejection :math:`1 / \varepsilon_B` at a fixed :math:`\varepsilon_S`.

    It is infinite where no background jet passes. A sample of ``n`` background jets then only shows
    that the rejection is of order ``n`` or above; see :func:`rejection_interval`.

    Args:
        scores: A score for each jet, larger for signal, ``[J]``.
        labels: 1 for signal, 0 for background, ``[J]``.
        signal_efficiency: Share of signal jets to keep, in (0, 1].
        weights: A weight for each jet, not negative, ``[J]``. Default: all count the same.

    Examples:
        >>> background_rejection([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], signal_efficiency=0.75)
        4.0
        >>> background_rejection([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], signal_efficiency=0.3)
        inf
    """
    passing = background_efficiency(scores, labels, signal_efficiency, weights)
    return 1 / passing if passing > 0 else float("inf")


@fact(higher_is_better=None)
def significance_improvement(
    scores: Any, labels: Any, weights: Any = None
) -> tuple[np.ndarray, np.ndarray]:
    r"""Significance improvement :math:`\varepsilon_S / \sqrt{\varepsilon_B}` along the ROC curve.

    It is the factor by which a cut raises the significance S/√B of a signal above a large
    background. Points where no background passes are left out.

    Args:
        scores: A score for each jet, larger for signal, ``[J]``.
        labels: 1 for signal, 0 for background, ``[J]``.
        weights: A weight for each jet, not negative, ``[J]``. Default: all count the same.

    Returns:
        Signal efficiency, rising, and the improvement there.

    Examples:
        >>> significance_improvement([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])[1].round(3).tolist()
        [0.707, 1.414, 1.0]
    """
    signal, background = roc_curve(scores, labels, weights)
    finite = background > 0
    return signal[finite], signal[finite] / np.sqrt(background[finite])


@fact(higher_is_better=False)
def spread(probabilities: Any, variant_of: Any, weights: Any = None) -> float:
    r"""Mean over jets of the standard deviation (n - 1) of the output over a jet's variants.

    .. math::
        \frac{1}{\sum_j w_j} \sum_j w_j \sqrt{\frac{1}{n_j - 1} \sum_{i \in j} (p_i - \bar p_j)^2}

    A jet with a single variant contributes zero, as in :class:`~pyg_jets.losses.InvarianceLoss`.

    Args:
        probabilities: The output for each variant, in [0, 1], ``[V]`` or ``[V, 1]``.
        variant_of: The jet of each variant, ``[V]`` integers, in any order.
        weights: A weight for each variant, not negative, ``[V]``; that of a jet is the mean over
            its variants. Default: all jets count the same.

    Raises:
        InputError: If lengths differ, or an output is outside of [0, 1].

    Examples:
        >>> round(spread([0.5, 0.7, 0.6, 0.9], [0, 0, 0, 1]), 6)
        0.05
    """
    output = as_numpy(probabilities).astype(np.float64).reshape(-1)
    jet = as_numpy(variant_of).reshape(-1)
    if len(output) != len(jet) or len(output) == 0:
        raise InputError(
            "Expected a probability and a jet for each variant, "
            f"but got {len(output)} and {len(jet)}."
        )
    if not ((output >= 0) & (output <= 1)).all():
        raise InputError("Expected probabilities in [0, 1]: apply a sigmoid to logits beforehand.")
    _, index, count = np.unique(jet, return_inverse=True, return_counts=True)
    mean = np.bincount(index, output) / count
    square = np.bincount(index, (output - mean[index]) ** 2)
    weight = np.bincount(index, jet_weights(weights, len(output))) / count
    return float(np.average(np.sqrt(square / np.maximum(count - 1, 1)), weights=weight))
