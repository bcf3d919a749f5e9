"""Sort the particles of each jet, and select those with the highest values: top-k jet by jet."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_jets.ops.pointer import counts_to_ptr, ptr_to_batch

__all__ = ["segment_argsort", "segment_topk"]


def segment_argsort(key: Tensor, ptr: Tensor, descending: bool = False) -> Tensor:
    """Rows that sort the particles of each jet by ``key``; the order of the jets is kept.

    The sort is stable: particles with equal keys stay in their order.

    Args:
        key: The value to sort by, of each particle, ``[N]``.
        ptr: Ragged pointer ``[J + 1]`` int64.
        descending: Whether the highest value comes first.

    Returns:
        Rows of ``key``, ``[N]`` int64.

    Examples:
        >>> pt = torch.tensor([1.0, 3.0, 2.0])
        >>> segment_argsort(pt, torch.tensor([0, 2, 3]), descending=True)
        tensor([1, 0, 2])
    """
    order = key.argsort(descending=descending, stable=True)
    return order[ptr_to_batch(ptr, len(key))[order].argsort(stable=True)]


def segment_topk(key: Tensor, ptr: Tensor, k: int | Tensor) -> tuple[Tensor, Tensor]:
    """Rows of the ``k`` particles of each jet with the highest ``key``, the highest first.

    Of particles with equal keys the first ones are selected. This is ``torch.topk`` for a ragged
    batch.

    Args:
        key: The value to select by, of each particle, ``[N]``.
        ptr: Ragged pointer ``[J + 1]`` int64.
        k: How many particles of each jet to select, one number or one for each jet, ``[J]``. A jet
            with fewer particles is kept whole.

    Returns:
        The rows of the selected particles, ``[N']`` int64, and their pointer ``[J + 1]``.

    Examples:
        >>> pt = torch.tensor([1.0, 3.0, 2.0])
        >>> segment_topk(pt, torch.tensor([0, 2, 3]), k=1)
        (tensor([1, 2]), tensor([0, 1, 2]))
    """
    jet, counts = ptr_to_batch(ptr, len(key)), ptr.diff()
    selected = counts.clamp(max=k) if isinstance(k, int) else torch.minimum(counts, k)
    rank = torch.arange(len(key), device=key.device) - ptr[jet]
    rows = segment_argsort(key, ptr, descending=True)[rank < selected[jet]]
    return rows, counts_to_ptr(selected)
