"""Splits by a hash, of the event's number or of the jet itself, so that they are stable."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from pyg_jets.errors import InputError
from pyg_jets.ops.kernel import kernel

__all__ = ["SPLITS", "assign_splits", "jet_keys"]

SPLITS = ("train", "val", "test")

# The constants of splitmix64.
_GOLDEN, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_ALL = 2**64 - 1
_TWICE = 2 * _GOLDEN & _ALL


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
        raise InputError(
            f"Expected three fractions (train, val, test) that sum to 1, but got {fractions}."
        )
    mixed = _mix(events.astype(np.uint64) + np.uint64(_GOLDEN))
    return np.searchsorted(np.cumsum(fractions)[:2], mixed / 2.0**64, side="right")


def _mix(words: np.ndarray) -> np.ndarray:
    """splitmix64, which counts on the wrap."""
    with np.errstate(over="ignore"):
        for shift, factor in ((30, _FIRST), (27, _SECOND)):
            words = (words ^ (words >> np.uint64(shift))) * np.uint64(factor)
        return words ^ (words >> np.uint64(31))


def jet_keys(particles: np.ndarray, ptr: np.ndarray, columns: Sequence[int]) -> np.ndarray:
    """A number for each jet that depends on its particles alone, not on their order, ``[J]`` int64.

    Args:
        particles: Particles ``[N, F]`` float32, as they are in the file.
        ptr: Ragged pointer ``[J + 1]``.
        columns: The columns that count, in order.

    Examples:
        >>> rows = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
        >>> one, other = (jet_keys(rows[o], np.array([0, 2]), (0, 1)) for o in ([0, 1], [1, 0]))
        >>> one == other, one == jet_keys(rows, np.array([0, 2]), (1, 0))
        (array([ True]), array([False]))
    """
    words = np.ascontiguousarray(particles, np.float32).view(np.uint32)
    if os.environ.get("PYG_JETS_KERNELS") == "0":
        return _keys_reference(words[:, list(columns)], np.asarray(ptr))
    keys = np.empty(len(ptr) - 1, np.uint64)
    keys_kernel(words, np.asarray(ptr), np.array(columns, np.int64), keys)
    return keys.view(np.int64)


def _keys_reference(words: np.ndarray, ptr: np.ndarray) -> np.ndarray:
    mixed = np.zeros(len(words), np.uint64)
    with np.errstate(over="ignore"):
        for i in range(words.shape[1]):
            mixed += words[:, i].astype(np.uint64) * np.uint64((2 * i + 1) * _GOLDEN & _ALL)
    sums = np.concatenate((np.zeros(1, np.uint64), np.cumsum(_mix(mixed), dtype=np.uint64)))
    return (sums[ptr[1:]] - sums[ptr[:-1]]).view(np.int64)


@kernel
def keys_kernel(words, ptr, columns, keys):
    """Add up a mixed word of each particle; all of it counts on the wrap."""
    combined = np.zeros(ptr[-1], np.uint64)
    factor = np.uint64(_GOLDEN)
    for i in columns:  # column by column, so that the compiler takes several rows at once
        for row in range(len(combined)):
            combined[row] += np.uint64(words[row, i]) * factor
        factor += np.uint64(_TWICE)
    for j in range(len(keys)):
        total = np.uint64(0)
        for row in range(ptr[j], ptr[j + 1]):
            mixed = combined[row]
            mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(_FIRST)
            mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(_SECOND)
            total += mixed ^ (mixed >> np.uint64(31))
        keys[j] = total
