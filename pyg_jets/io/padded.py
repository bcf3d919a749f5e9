"""Zero-padded arrays of particles, as most public sets store them, to ragged ones."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from pyg_jets.ops.kernel import kernel

__all__ = ["unpad"]


def unpad(
    padded: np.ndarray, take: Sequence[int], key: int | Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """The particles of a zero-padded array as a ragged table.

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
    # Large enough for the padding too: the system gives no memory to pages that are not written.
    out = np.empty((padded.shape[0] * padded.shape[1], len(columns)), np.float32)
    unpad_kernel(_as_rows(padded), padded.shape[1], padded.shape[2], keys, columns, ptr, out)
    return out[: ptr[-1]], ptr


def _as_rows(padded: np.ndarray) -> np.ndarray:
    """``[J, P, F]`` as ``[J, ≥ P·F]``, without a copy where the numbers of a jet are contiguous.

    In rows of a table other fields stand between the jets; they then end the rows, and are not
    read.
    """
    n, _, width = padded.shape
    size = padded.itemsize
    row, step, last = padded.strides
    if len(padded) and padded.size and (step, last) == (width * size, size) and row % size == 0:
        return np.lib.stride_tricks.as_strided(padded, (n, row // size), (row, size))
    return np.ascontiguousarray(padded).reshape(n, -1)


def _unpad_reference(
    padded: np.ndarray, columns: np.ndarray, keys: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    real = (padded[:, :, keys] != 0).any(-1)
    ptr = np.concatenate(([0], np.cumsum(real.sum(1))))
    return padded[real][:, columns].astype(np.float32), ptr


@kernel
def unpad_kernel(padded, n_particles, width, keys, columns, ptr, out):
    """Copy the columns of the particles that are no padding, jet after jet, and write ``ptr``."""
    row, n_columns = 0, len(columns)
    ptr[0] = 0
    for j in range(len(padded)):
        at = 0
        for _ in range(n_particles):
            real = False
            for key in keys:
                real = real or padded[j, at + key] != 0
            if real:
                for i in range(n_columns):
                    out[row, i] = padded[j, at + columns[i]]
                row += 1
            at += width
        ptr[j + 1] = row
