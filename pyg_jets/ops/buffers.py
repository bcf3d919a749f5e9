"""A pool of large CPU buffers, so that a training step does not ask for its memory anew.

The C library hands large blocks back to the system as soon as they are free, and the system fills
new ones with zeros, page by page, at their first use: for the edges of a ParticleNet step that
costs more than a pass of a kernel over them. A buffer of the pool keeps its pages.
"""

from __future__ import annotations

import weakref

import numpy as np
import torch
from torch import Tensor

__all__ = ["pooled_empty"]

#: Bytes below which a tensor is an ordinary one: the C library keeps small blocks by itself.
_MIN_BYTES = 1 << 20
#: Bytes of free buffers that are kept at most.
_MAX_FREE_BYTES = 1 << 31

_DTYPES = {torch.float32: np.float32, torch.int64: np.int64}
_free: dict[int, list[np.ndarray]] = {}  # by size


def pooled_empty(like: Tensor, n_rows: int, n_columns: int) -> Tensor:
    """``like.new_empty(n_rows, n_columns)``, out of the pool if it is large and on the CPU.

    The buffer goes back to the pool when the tensor and all its views are gone. Its size is rounded
    up by at most an eighth, so that batches of about the same size share buffers.

    Args:
        like: Has the dtype and the device of the result.
        n_rows: Number of rows.
        n_columns: Number of columns.

    Examples:
        >>> pooled_empty(torch.ones(1), 3, 4).shape
        torch.Size([3, 4])
    """
    n_bytes = n_rows * n_columns * like.element_size()
    dtype = _DTYPES.get(like.dtype)
    if like.device.type != "cpu" or dtype is None or n_bytes < _MIN_BYTES:
        return like.new_empty(n_rows, n_columns)
    step = 1 << max(n_bytes.bit_length() - 4, 12)
    size = -(-n_bytes // step) * step
    waiting = _free.get(size)
    buffer = waiting.pop() if waiting else np.empty(size, np.uint8)
    view = buffer[:n_bytes].view(dtype).reshape(n_rows, n_columns)
    weakref.finalize(view, _give_back, buffer).atexit = False
    return torch.from_numpy(view)


def _give_back(buffer: np.ndarray) -> None:
    free_bytes = sum(len(buffers) * size for size, buffers in list(_free.items()))
    if free_bytes + buffer.nbytes <= _MAX_FREE_BYTES:
        _free.setdefault(buffer.nbytes, []).append(buffer)
