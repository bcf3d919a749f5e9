"""The one place where PyG's ``batch`` vector, counts, and the ragged pointer convert."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["batch_to_ptr", "counts_to_ptr", "ptr_to_batch"]


def counts_to_ptr(counts: Tensor) -> Tensor:
    """Counts ``[J]`` → ragged pointer ``[J + 1]`` int64."""
    ptr = counts.new_zeros(len(counts) + 1, dtype=torch.int64)
    torch.cumsum(counts, 0, out=ptr[1:])
    return ptr


def batch_to_ptr(batch: Tensor, n_jets: int | None = None) -> Tensor:
    """PyG's sorted ``batch`` vector ``[N]`` → ragged pointer ``[J + 1]`` int64.

    Args:
        batch: The jet of each particle, not falling.
        n_jets: Number of jets, needed where the last ones may be empty. Default: the largest + 1.

    Raises:
        ValueError: If ``batch`` falls.

    Examples:
        >>> batch_to_ptr(torch.tensor([0, 0, 2]), 4)
        tensor([0, 2, 2, 3, 3])
    """
    if len(batch) > 1 and bool((batch[1:] < batch[:-1]).any()):
        raise ValueError("Expected a sorted batch vector, but it falls: sort the particles by jet.")
    if n_jets is None:
        n_jets = int(batch[-1]) + 1 if len(batch) else 0
    return counts_to_ptr(torch.bincount(batch, minlength=n_jets))


def ptr_to_batch(ptr: Tensor) -> Tensor:
    """Ragged pointer ``[J + 1]`` → PyG's ``batch`` vector ``[N]`` int64."""
    return torch.repeat_interleave(torch.arange(len(ptr) - 1, device=ptr.device), ptr.diff())
