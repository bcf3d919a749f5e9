"""Splits by a hash, of the event's number or of the jet itself, so that they are stable."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["SPLITS", "assign_splits", "jet_keys"]

SPLITS = ("train", "val", "test")


def assign_splits(events: np.ndarray, fractions: Sequence[float]) -> np.ndarray:
    """A split 0, 1, 2 for each event number, by a hash of the number alone.

    So an event stays in its split when more are generated, and its jets never part.

    Args:
        events: Event numbers ``[J]`` int64.
        fractions: Shares of train, val and test; they sum to 1.

    Examples:
        >>> assign_splits(np.array([1, 1, 2, 3, 4, 6]), (0.5, 0.2, 0.3)).tolist()
        [1, 1, 1, 0, 0, 2]
    """
    fractions = tuple(float(f) for f in fractions)
    if len(fractions) != 3 or min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-6:
        raise ValueError(
            f"Expected three fractions (train, val, test) that sum to 1, but got {fractions}."
        )
    mixed = _mix(events.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15))
    return np.searchsorted(np.cumsum(fractions)[:2], mixed / 2.0**64, side="right")


def _mix(words: np.ndarray) -> np.ndarray:
    """splitmix64, which counts on the wrap."""
    with np.errstate(over="ignore"):
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            words = (words ^ (words >> np.uint64(shift))) * np.uint64(factor)
        return words ^ (words >> np.uint64(31))


def jet_keys(particles: np.ndarray, ptr: np.ndarray) -> np.ndarray:
    """A number for each jet that depends on its particles alone, not on their order, ``[J]`` int64.

    Args:
        particles: Particles ``[N, K]`` float32, as they are in the file.
        ptr: Ragged pointer ``[J + 1]``.

    Examples:
        >>> rows = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
        >>> one, other = (jet_keys(rows[order], np.array([0, 2])) for order in ([0, 1], [1, 0]))
        >>> one == other, one == jet_keys(rows[:, ::-1], np.array([0, 2]))
        (array([ True]), array([False]))
    """
    words = np.ascontiguousarray(particles, np.float32).view(np.uint32)
    odd = np.arange(1, 2 * words.shape[1] + 1, 2).astype(np.uint64)
    factors = np.uint64(0x9E3779B97F4A7C15) * odd
    keys = np.zeros(len(ptr) - 1, np.uint64)
    full = np.flatnonzero(np.diff(ptr))
    if len(full):
        mixed = _mix((words * factors).sum(1, dtype=np.uint64))
        keys[full] = np.add.reduceat(mixed, ptr[full])
    return keys.view(np.int64)
