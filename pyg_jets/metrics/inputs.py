"""Scores and labels as every tagging metric takes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

__all__ = ["as_numpy", "scores_and_labels"]


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
        raise ValueError(
            f"Expected as many scores as labels, but got {len(score)} and {len(label)}."
        )
    score = score.astype(np.float64)
    if (wrong := np.flatnonzero(np.isnan(score))).size:
        raise ValueError(
            f"{wrong.size} of {len(score)} scores are NaN, the first that of jet {wrong[0]}: "
            "look for a diverged training or a jet without the observable."
        )
    if len(other := np.setdiff1d(label, (0, 1))):
        raise ValueError(
            f"Expected labels of 0 (background) and 1 (signal), but got {other[:5].tolist()}."
        )
    signal = label.astype(bool)
    if signal.all() or not signal.any():
        held = f"{len(signal)} jets of class {int(signal.any())}" if len(signal) else "no jets"
        raise ValueError(f"Expected jets of both classes, but got {held}.")
    return score, signal


def _flat(array: np.ndarray, what: str) -> np.ndarray:
    if array.dtype.kind not in "biuf":
        raise ValueError(f"Expected {what} as an array of numbers, but got {array.dtype}.")
    if array.ndim == 2 and array.shape[1] == 1:
        return array[:, 0]
    if array.ndim != 1:
        raise ValueError(f"Expected {what} of shape [J] or [J, 1], but got {list(array.shape)}.")
    return array
