"""Conversions between PyG's ``batch`` vector, counts and the ragged pointer, and their checks."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["batch_to_ptr", "check_pointer", "check_ragged", "counts_to_ptr", "ptr_to_batch"]


def counts_to_ptr(counts: Tensor) -> Tensor:
    """Number of particles of each jet → ragged pointer.

    Args:
        counts: Number of particles of each jet, ``[J]``, of an integer dtype.

    Returns:
        The pointer ``[J + 1]`` int64, which begins with 0.

    Examples:
        >>> counts_to_ptr(torch.tensor([2, 0, 1]))
        tensor([0, 2, 2, 3])
    """
    ptr = counts.new_zeros(len(counts) + 1, dtype=torch.int64)
    torch.cumsum(counts, 0, out=ptr[1:])
    return ptr


def batch_to_ptr(batch: Tensor, n_jets: int | None = None) -> Tensor:
    """PyG's sorted ``batch`` vector → ragged pointer.

    Args:
        batch: Number of the jet of each particle, ``[N]`` int64, non-decreasing.
        n_jets: Number of jets, needed where the last jets may be empty. Default: the largest
            number in ``batch``, plus 1.

    Returns:
        The pointer ``[J + 1]`` int64.

    Raises:
        ValueError: If ``batch`` is not sorted.

    Examples:
        >>> batch_to_ptr(torch.tensor([0, 0, 2]), 4)
        tensor([0, 2, 2, 3, 3])
    """
    if len(batch) > 1 and bool((batch[1:] < batch[:-1]).any()):
        raise ValueError(
            "Expected a sorted batch vector, but it decreases: sort the particles by jet."
        )
    if n_jets is None:
        n_jets = int(batch[-1]) + 1 if len(batch) else 0
    return counts_to_ptr(torch.bincount(batch, minlength=n_jets))


def ptr_to_batch(ptr: Tensor, n_particles: int | None = None) -> Tensor:
    """Ragged pointer → PyG's ``batch`` vector.

    Args:
        ptr: Ragged pointer ``[J + 1]`` int64.
        n_particles: The last entry of ``ptr``. With it, an accelerator is not waited for.

    Returns:
        Number of the jet of each particle, ``[N]`` int64.

    Examples:
        >>> ptr_to_batch(torch.tensor([0, 2, 2, 3]))
        tensor([0, 0, 2])
    """
    jets = torch.arange(len(ptr) - 1, device=ptr.device)
    return torch.repeat_interleave(jets, ptr.diff(), output_size=n_particles)


def check_ragged(x: Tensor, ptr: Tensor) -> None:
    """Check the shapes and the dtype of a ragged batch ``x [N, F]``, ``ptr [J + 1]``.

    The values are not read, so that the check costs nothing on any device.

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


def check_pointer(ptr: Tensor, n_particles: int) -> None:
    """Check the values of a ragged pointer on the CPU.

    On another device nothing is checked, since reading the values would wait for the device.

    Args:
        ptr: Ragged pointer ``[J + 1]`` int64.
        n_particles: The number of particles of the batch.

    Raises:
        ValueError: If the pointer does not rise from 0 to the number of particles.
    """
    if ptr.device.type != "cpu" or torch.compiler.is_compiling():
        return
    array = ptr.detach().numpy()
    falls = bool((array[1:] < array[:-1]).any())
    if array[0] != 0 or array[-1] != n_particles or falls:
        raise ValueError(
            f"Expected ptr to rise from 0 to the number of particles ({n_particles}), "
            f"but it goes from {array[0]} to {array[-1]}{' and falls' * falls}."
        )
