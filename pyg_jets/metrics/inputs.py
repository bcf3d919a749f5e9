"""Checks of the scores, labels and weights that every tagging metric takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from pyg_jets.errors import InputError

__all__ = [
    "as_numpy",
    "jet_weights",
    "probabilities",
    "scores_and_labels",
    "several_classes",
    "weights_of",
]


def as_numpy(values: Any) -> np.ndarray:
    """A numpy array of an array, a sequence or a tensor on any device."""
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
        values = values.double() if values.is_floating_point() else values
        return values.numpy()
    return np.asarray(values)


def scores_and_labels(scores: Any, labels: Any) -> tuple[np.ndarray, np.ndarray]:
    """Check the scores and labels of jets, and return them as float64 and bool ``[J]``.

    Scores stay as they are: only their order matters to a metric that ranks.

    Args:
        scores: A score for each jet, larger for signal, ``[J]`` or ``[J, 1]``.
        labels: 1 for signal and 0 for background, ``[J]`` or ``[J, 1]``.

    Raises:
        ValueError: For lengths that differ, a NaN, other labels, or one class only.
    """
    score, label = (
        _flat(as_numpy(v), what) for v, what in ((scores, "scores"), (labels, "labels"))
    )
    if len(score) != len(label):
        raise InputError(
            f"Expected as many scores as labels, but got {len(score)} and {len(label)}."
        )
    score = score.astype(np.float64)
    if (wrong := np.flatnonzero(np.isnan(score))).size:
        raise InputError(
            f"{wrong.size} of {len(score)} scores are NaN, the first that of jet {wrong[0]}: "
            "look for a diverged training or a jet without the observable."
        )
    if len(other := np.setdiff1d(label, (0, 1))):
        raise InputError(
            f"Expected labels of 0 (background) and 1 (signal), but got {other[:5].tolist()}."
        )
    signal = label.astype(bool)
    if signal.all() or not signal.any():
        held = f"{len(signal)} jets of class {int(signal.any())}" if len(signal) else "no jets"
        raise InputError(f"Expected jets of both classes, but got {held}.")
    return score, signal


def jet_weights(weights: Any, n_jets: int, what: str = "weights") -> np.ndarray:
    """Weights as float64 ``[J]``; ones for ``None``.

    Args:
        weights: A weight for each jet, not negative, ``[J]`` or ``[J, 1]``; or ``None``.
        n_jets: Number of jets.
        what: What they are called, for messages.

    Raises:
        InputError: For another length, a weight that is negative or not finite, or weights that are
            all zero.

    Examples:
        >>> jet_weights(None, 2).tolist(), jet_weights([1, 0.5], 2).tolist()
        ([1.0, 1.0], [1.0, 0.5])
    """
    if weights is None:
        return np.ones(n_jets)
    weight = _flat(as_numpy(weights), what).astype(np.float64)
    if len(weight) != n_jets:
        raise InputError(f"Expected {n_jets} {what}, one a jet, but got {len(weight)}.")
    wrong = np.flatnonzero(~(np.isfinite(weight) & (weight >= 0)))
    if wrong.size:
        raise InputError(
            f"Expected {what} of 0 or more, but that of jet {wrong[0]} is {weight[wrong[0]]} (it "
            f"is one of {wrong.size} such): no metric is defined of negative weights; leave these "
            "jets out, or give the absolute values."
        )
    if n_jets and not weight.any():
        raise InputError(f"Expected some of the {what} above 0, but all of them are 0.")
    return weight


def weights_of(weights: Any, signal: np.ndarray) -> np.ndarray:
    """Weights of jets of two classes as float64 ``[J]``; ones for ``None``.

    Raises:
        InputError: As :func:`jet_weights`, or for a class whose weights are all zero.
    """
    weight = jet_weights(weights, len(signal))
    for name, chosen in (("signal", signal), ("background", ~signal)):
        if chosen.any() and not weight[chosen].any():
            raise InputError(f"Expected some weight above 0, but those of the {name} are all 0.")
    return weight


def probabilities(weights: Any, n_jets: int, what: str = "weights") -> np.ndarray | None:
    """The probability with which each jet is drawn, ``[J]``; ``None`` where it is the same for all.

    Args:
        weights: A weight for each jet, or ``None``.
        n_jets: Number of jets.
        what: What they are called, for messages.

    Examples:
        >>> probabilities([1, 3], 2).tolist(), probabilities([2, 2], 2) is None
        ([0.25, 0.75], True)
    """
    weight = jet_weights(weights, n_jets, what)
    return None if (weight == weight[:1]).all() else weight / weight.sum()


def several_classes(scores: Any, labels: Any) -> tuple[np.ndarray, np.ndarray]:
    """Check scores of several classes, and return them as float64 ``[J, C]``, int64 ``[J]``.

    Raises:
        ValueError: For shapes that do not fit, a NaN, or a label that is no class.
    """
    score, label = as_numpy(scores), _flat(as_numpy(labels), "labels")
    if score.ndim != 2 or score.shape[1] < 2 or len(score) != len(label):
        raise InputError(
            f"Expected scores of shape [{len(label)}, C] with C of at least 2, but got "
            f"{list(score.shape)}."
        )
    if (wrong := np.flatnonzero(np.isnan(score).any(1))).size:
        raise InputError(
            f"{wrong.size} of {len(score)} jets have a NaN among their scores, the first is jet "
            f"{wrong[0]}: look for a diverged training."
        )
    is_class = np.isin(label, np.arange(score.shape[1]))
    if not is_class.all():
        raise InputError(
            f"Expected labels from 0 to {score.shape[1] - 1}, but got {label[~is_class][0]}."
        )
    return score.astype(np.float64), label.astype(np.int64)


def _flat(array: np.ndarray, what: str) -> np.ndarray:
    if array.dtype.kind not in "biuf":
        raise InputError(f"Expected {what} as an array of numbers, but got {array.dtype}.")
    if array.ndim == 2 and array.shape[1] == 1:
        return array[:, 0]
    if array.ndim != 1:
        raise InputError(f"Expected {what} of shape [J] or [J, 1], but got {list(array.shape)}.")
    return array
