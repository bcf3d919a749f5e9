"""The particles of each jet in falling order of a number."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_jets.ops.pointer import counts_to_ptr, ptr_to_batch

__all__ = ["falling", "highest"]


def falling(key: Tensor, ptr: Tensor) -> Tensor:
    """Rows of the particles, jet by jet, in falling order of ``key``; ties as they came.

    Args:
        key: A number of each particle, ``[N]``.
        ptr: Ragged pointer ``[J + 1]`` int64.

    Returns:
        ``[N]`` int64; jets keep their places.

    Examples:
        >>> falling(torch.tensor([1.0, 3.0, 2.0]), torch.tensor([0, 2, 3]))
        tensor([1, 0, 2])
    """
    order = key.argsort(descending=True, stable=True)
    return order[ptr_to_batch(ptr)[order].argsort(stable=True)]


def highest(key: Tensor, ptr: Tensor, most: int | Tensor) -> tuple[Tensor, Tensor]:
    """Rows of the ``most`` particles of each jet with the highest ``key``, in falling order.

    Args:
        key: A number of each particle, ``[N]``.
        ptr: Ragged pointer ``[J + 1]`` int64.
        most: How many of each jet, or of each its own ``[J]``; all where there are not as many.

    Returns:
        Rows ``[N']`` and the pointer ``[J + 1]`` of what is kept.

    Examples:
        >>> highest(torch.tensor([1.0, 3.0, 2.0]), torch.tensor([0, 2, 3]), 1)
        (tensor([1, 2]), tensor([0, 1, 2]))
    """
    jet, counts = ptr_to_batch(ptr), ptr.diff()
    kept = counts.clamp(max=most) if isinstance(most, int) else torch.minimum(counts, most)
    place = torch.arange(len(key), device=key.device) - ptr[jet]
    return falling(key, ptr)[place < kept[jet]], counts_to_ptr(kept)
