"""Zero-padded arrays of particles to ragged ones."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from pyg_jets.ops.kernel import kernel

__all__ = ["unpad"]


def unpad(
    padded: np.ndarray, take: Sequence[int], key: int | Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """The particles of a zero-padded array, as a ragged table.

    Args:
        padded: Particles ``[J, P, F]``, float32 or float64.
        take: Which of the ``F`` columns to keep, in order.
        key: A row is padding where this column is zero, or all of these are. A NaN is none.

    Returns:
        ``particles [N, len(take)]`` float32, and ``ptr [J + 1]`` int64.

    Examples:
        >>> padded = np.array([[[5.0, 1.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])
        >>> unpad(padded, take=[1, 0], key=0)
        (array([[1., 5.]], dtype=float32), array([0, 1, 1]))
    """
    if padded.dtype not in (np.float32, np.float64):
        padded = padded.astype(np.float64)
    columns = np.array(take, np.int64)
    keys = np.atleast_1d(np.array(key, np.int64))
    if os.environ.get("PYG_JETS_KERNELS") == "0":
        return _unpad_reference(padded, columns, keys)
    ptr = np.empty(len(padded) + 1, np.int64)
    # Strided views compile anew; a copy of one into a contiguous array is rare and cheap.
    whole = np.ascontiguousarray(padded).reshape(len(padded), -1)
    width = padded.shape[2]
    count_kernel(whole, width, keys, ptr)
    out = np.empty((int(ptr[-1]), len(columns)), np.float32)
    in_order = bool((np.diff(columns) == 1).all()) if len(columns) > 1 else False
    unpad_kernel(whole, width, keys, columns, in_order, ptr, out)
    return out, ptr


def _unpad_reference(
    padded: np.ndarray, columns: np.ndarray, keys: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    real = (padded[:, :, keys] != 0).any(-1)
    ptr = np.concatenate(([0], np.cumsum(real.sum(1))))
    return padded[real][:, columns].astype(np.float32), ptr


@kernel
def count_kernel(padded, width, keys, ptr):
    """Write the pointer of the particles that are no padding."""
    ptr[0] = 0
    for j in range(len(padded)):
        n = 0
        for at in range(0, padded.shape[1], width):
            for key in keys:
                if padded[j, at + key] != 0:
                    n += 1
                    break
        ptr[j + 1] = ptr[j] + n


@kernel
def unpad_kernel(padded, width, keys, columns, in_order, ptr, out):
    """Copy the columns of the particles that are no padding, jet after jet."""
    n_columns = len(columns)
    for j in range(len(padded)):
        at, row = 0, ptr[j]
        while row < ptr[j + 1]:
            real = False
            for key in keys:
                real = real or padded[j, at + key] != 0
            if real:
                if in_order:
                    first = at + columns[0]
                    for i in range(n_columns):
                        out[row, i] = padded[j, first + i]
                else:
                    for i in range(n_columns):
                        out[row, i] = padded[j, at + columns[i]]
                row += 1
            at += width
