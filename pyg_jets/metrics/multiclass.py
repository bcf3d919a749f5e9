r"""Metrics of several classes: one against one, one against the rest, the confusion matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import logsumexp

from pyg_jets.errors import InputError
from pyg_jets.metrics.inputs import jet_weights, several_classes
from pyg_jets.metrics.tagging import fact

__all__ = ["confusion_matrix", "one_vs_one", "one_vs_rest"]


@fact(higher_is_better=None)
def one_vs_one(
    scores: Any, labels: Any, signal: int, background: int, weights: Any = None
) -> tuple[np.ndarray, ...]:
    r"""Scores and labels of one class against another, for any metric of two classes.

    The score is the difference of the two logits, which ranks jets as :math:`p_S / (p_S + p_B)`
    does, and needs no softmax.

    Args:
        scores: A logit for each jet and class, ``[J, C]``.
        labels: The class of each jet, ``[J]``.
        signal: The class that counts as signal.
        background: The class that counts as background.
        weights: A weight for each jet, not negative, ``[J]``. Default: all count the same.

    Returns:
        Scores and labels of the jets of the two classes, and their weights where there are any.

    Examples:
        >>> logits = [[2.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 3.0]]
        >>> one_vs_one(logits, [0, 1, 2], signal=1, background=0)
        (array([-2.,  1.]), array([0, 1]))
    """
    score, label = several_classes(scores, labels)
    for name, value in (("signal", signal), ("background", background)):
        if not 0 <= value < score.shape[1]:
            raise InputError(
                f"Expected {name} as a class from 0 to {score.shape[1] - 1}, but got {value}."
            )
    chosen = (label == signal) | (label == background)
    score, is_signal = (score[:, signal] - score[:, background])[chosen], label[chosen] == signal
    own = () if weights is None else (jet_weights(weights, len(label))[chosen],)
    return score, is_signal.astype(int), *own


@fact(higher_is_better=None)
def one_vs_rest(
    scores: Any, labels: Any, signal: int, weights: Any = None
) -> tuple[np.ndarray, ...]:
    r"""Scores and labels of one class against all others, for any metric of two classes.

    The score is the logit of :math:`p_S`, which ranks jets as :math:`p_S` does without ties where
    it is close to 0 or 1.

    Args:
        scores: A logit for each jet and class, ``[J, C]``.
        labels: The class of each jet, ``[J]``.
        signal: The class that counts as signal.
        weights: A weight for each jet, not negative, ``[J]``. Default: all count the same.

    Returns:
        Scores and labels of all jets, and their weights where there are any.

    Examples:
        >>> score, label = one_vs_rest([[2.0, 0.0], [0.0, 1.0]], [0, 1], signal=1)
        >>> score.tolist(), label.tolist()
        ([-2.0, 1.0], [0, 1])
    """
    score, label = several_classes(scores, labels)
    if not 0 <= signal < score.shape[1]:
        raise InputError(
            f"Expected signal as a class from 0 to {score.shape[1] - 1}, but got {signal}."
        )
    others = np.delete(score, signal, axis=1)
    own = () if weights is None else (jet_weights(weights, len(label)),)
    return score[:, signal] - logsumexp(others, axis=1), (label == signal).astype(int), *own


@fact(higher_is_better=None)
def confusion_matrix(
    scores: Any, labels: Any, weights: Any = None, normalize: bool = True
) -> np.ndarray:
    """How many jets of each class are classified as each class, ``[true, predicted]``.

    Args:
        scores: A logit for each jet and class, ``[J, C]``; the class of the largest is predicted,
            of equal ones the first.
        labels: The class of each jet, ``[J]``.
        weights: A weight for each jet, not negative, ``[J]``. Default: all count the same.
        normalize: Whether each row is divided by its sum; the row of a class without jets is 0.

    Examples:
        >>> confusion_matrix([[2.0, 0.0], [0.0, 1.0], [0.5, 0.0]], [0, 1, 1]).tolist()
        [[1.0, 0.0], [0.5, 0.5]]
    """
    score, label = several_classes(scores, labels)
    weight = jet_weights(weights, len(label))
    matrix = np.zeros((score.shape[1],) * 2)
    np.add.at(matrix, (label, score.argmax(1)), weight)
    if not normalize:
        return matrix
    total = matrix.sum(1, keepdims=True)
    return np.divide(matrix, total, out=np.zeros_like(matrix), where=total > 0)
