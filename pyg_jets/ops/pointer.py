"""The one place where PyG's ``batch`` vector, counts, and the ragged pointer convert."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["batch_to_ptr", "check_ragged", "check_rising", "counts_to_ptr", "ptr_to_batch"]


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


def check_ragged(x: Tensor, ptr: Tensor) -> None:
    """Check the shapes of a ragged batch ``x [N, F]``, ``ptr [J + 1]``.

    Only shapes and dtypes are looked at, never values, so that it costs nothing on any device.

    Raises:
        ValueError: If they are not those of a ragged batch.
    """
    if x.dim() != 2:
        raise ValueError(f"Expected x [N, F], one row a particle, but got {list(x.shape)}.")
    if ptr.dim() != 1 or ptr.dtype != torch.int64 or len(ptr) == 0:
        raise ValueError(
            f"Expected ptr [J + 1] as int64, but got {ptr.dtype} of shape {list(ptr.shape)}: "
            "batch_to_ptr(batch) makes one from PyG's batch vector."
        )


def check_rising(ptr: Tensor, n_particles: int) -> None:
    """Check the values of a ragged pointer on the CPU; another device would have to be waited for.

    Raises:
        ValueError: If it does not rise from 0 to the number of particles.
    """
    if ptr.device.type != "cpu":
        return
    array = ptr.detach().numpy()
    falls = bool((array[1:] < array[:-1]).any())
    if array[0] != 0 or array[-1] != n_particles or falls:
        raise ValueError(
            f"Expected ptr to rise from 0 to the number of particles ({n_particles}), "
            f"but it goes from {array[0]} to {array[-1]}{' and falls' * falls}."
        )
