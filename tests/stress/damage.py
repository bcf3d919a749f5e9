"""Damages as disks and broken transfers make them, each a function of a seed and a number."""

from __future__ import annotations

import numpy as np

KINDS = ("cut", "one bit", "eight bits", "zeroed block")


def kind(number: int) -> str:
    """The kind of a damage; they come in turn."""
    return KINDS[number % len(KINDS)]


def damaged(content: bytes, number: int, seed: int = 0) -> bytes:
    """The content of a file after a damage.

    Examples:
        >>> len(damaged(bytes(100), 0)) < 100, sum(damaged(bytes(100), 1)).bit_count()
        (True, 1)
    """
    rng = np.random.default_rng([seed, number])
    size = len(content)
    if kind(number) == "cut":
        return content[: rng.integers(size)]
    values = np.frombuffer(content, np.uint8).copy()
    if kind(number) == "zeroed block":
        start, length = rng.integers(size), 2 ** rng.integers(4, 13)
        values[start : start + length] = 0
    else:
        bits = rng.choice(8 * size, 1 if kind(number) == "one bit" else min(8, size), replace=False)
        np.bitwise_xor.at(values, bits // 8, (1 << (bits % 8)).astype(np.uint8))
    return values.tobytes()
