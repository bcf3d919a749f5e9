"""Stable splits: a hash of the event, or of the particles of a jet.

Splitting by a shuffle, as scikit-learn does, would move jets between splits when files are added;
the digests of hashlib would take a call for each jet.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from pyg_jets.errors import InputError
from pyg_jets.ops.kernel import kernel

__all__ = ["SPLITS", "assign_splits", "event_numbers", "jet_keys"]

SPLITS = ("train", "val", "test")

# The constants of splitmix64.
_GOLDEN, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_ALL = 2**64 - 1
_TWICE = 2 * _GOLDEN & _ALL


def assign_splits(events: np.ndarray, fractions: Sequence[float]) -> np.ndarray:
    """A split 0, 1, 2 for each event number, by a hash of the number alone.

    An event stays in its split when more events are added, and its jets share one split.

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
    """The mixing function of splitmix64; products wrap around modulo 2^64."""
    with np.errstate(over="ignore"):
        for shift, factor in ((30, _FIRST), (27, _SECOND)):
            words = (words ^ (words >> np.uint64(shift))) * np.uint64(factor)
        return words ^ (words >> np.uint64(31))


def jet_keys(particles: np.ndarray, ptr: np.ndarray, columns: Sequence[int]) -> np.ndarray:
    """A hash of the particles of each jet, whatever their order, ``[J]`` int64.

    Args:
        particles: Particles ``[N, F]`` float32, as in the file.
        ptr: Ragged pointer ``[J + 1]``.
        columns: The columns to hash, in order.

    Examples:
        >>> rows = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
        >>> key = jet_keys(rows, np.array([0, 2]), (0, 1))
        >>> of_reversed = jet_keys(rows[::-1], np.array([0, 2]), (0, 1))
        >>> key == of_reversed, key == jet_keys(rows, np.array([0, 2]), (1, 0))
        (array([ True]), array([False]))
    """
    words = np.ascontiguousarray(particles, np.float32).view(np.uint32)
    if os.environ.get("PYG_JETS_KERNELS") == "0":
        return _keys_reference(words[:, list(columns)], np.asarray(ptr))
    keys = np.empty(len(ptr) - 1, np.uint64)
    keys_kernel(words, np.asarray(ptr), np.array(columns, np.int64), keys)
    return keys.view(np.int64)


def event_numbers(info: np.ndarray) -> np.ndarray:
    """A hash of run, luminosity block and event for each jet, ``[N]`` int64 of at least 0.

    Args:
        info: Run, luminosity block and event of each jet, ``[N, 3]`` integers.

    Examples:
        >>> same, again, other = event_numbers(np.array([[1, 2, 3], [1, 2, 3], [2, 1, 3]]))
        >>> same == again, same == other
        (np.True_, np.False_)
    """
    words = np.ascontiguousarray(info, np.int64).view(np.float32)  # only the bits matter
    keys = jet_keys(words, np.arange(len(info) + 1), range(words.shape[1]))
    return keys & np.iinfo(np.int64).max


def _keys_reference(words: np.ndarray, ptr: np.ndarray) -> np.ndarray:
    mixed = np.zeros(len(words), np.uint64)
    with np.errstate(over="ignore"):
        for i in range(words.shape[1]):
            mixed += words[:, i].astype(np.uint64) * np.uint64((2 * i + 1) * _GOLDEN & _ALL)
    sums = np.concatenate((np.zeros(1, np.uint64), np.cumsum(_mix(mixed), dtype=np.uint64)))
    return (sums[ptr[1:]] - sums[ptr[:-1]]).view(np.int64)


@kernel
def keys_kernel(words, ptr, columns, keys):
    """Sum of a mixed word of each particle; sums and products wrap around modulo 2^64."""
    combined = np.zeros(ptr[-1], np.uint64)
    factor = np.uint64(_GOLDEN)
    for i in columns:  # column by column, so that the compiler vectorizes over rows
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
