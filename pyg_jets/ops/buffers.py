"""Large tensors whose memory is used again: to get it anew costs more than a pass over it."""

from __future__ import annotations

import weakref

import numpy as np
import torch
from torch import Tensor

__all__ = ["rented"]

#: Below this the C library keeps memory itself.
_SMALL = 1 << 20
#: At most so many bytes wait to be used again.
_KEPT = 1 << 31

_KINDS = {torch.float32: np.float32, torch.int64: np.int64}
_free: dict[int, list[np.ndarray]] = {}


def rented(like: Tensor, n_rows: int, n_columns: int) -> Tensor:
    """An empty ``[n_rows, n_columns]`` of the kind of ``like``, on the CPU out of kept memory.

    The memory goes back when the tensor and all its views are gone.

    Examples:
        >>> rented(torch.ones(1), 3, 4).shape
        torch.Size([3, 4])
    """
    size = n_rows * n_columns * like.element_size()
    kind = _KINDS.get(like.dtype)
    if like.device.type != "cpu" or kind is None or size < _SMALL:
        return like.new_empty(n_rows, n_columns)
    step = 1 << max(size.bit_length() - 4, 12)  # batches differ a little in size
    size = -(-size // step) * step
    waiting = _free.get(size)
    block = waiting.pop() if waiting else np.empty(size, np.uint8)
    view = block[: n_rows * n_columns * like.element_size()].view(kind).reshape(n_rows, n_columns)
    weakref.finalize(view, _return, block).atexit = False
    return torch.from_numpy(view)


def _return(block: np.ndarray) -> None:
    kept = sum(len(blocks) * size for size, blocks in list(_free.items()))
    if kept + block.nbytes <= _KEPT:
        _free.setdefault(block.nbytes, []).append(block)
