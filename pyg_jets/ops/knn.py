r"""The k nearest particles of each particle, within its jet."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pyg_jets.ops.buffers import rented
from pyg_jets.ops.kernel import kernel, over_jets, use_kernels
from pyg_jets.ops.pairs import (
    check_finite,
    check_points,
    distance_reference,
    distances_kernel,
    padded,
    pair_chunks,
)
from pyg_jets.ops.pointer import check_rising

__all__ = ["knn", "knn_reference"]


def knn(x: Tensor, ptr: Tensor, k: int, azimuth: int | None = None) -> Tensor:
    r"""The ``k`` nearest other particles of each particle, out of its own jet, nearest first.

    .. math::
        d_{ij}^2 = \sum_f (x_{if} - x_{jf})^2

    A particle is never its own neighbour, but another one at the same point is. Of particles at the
    same distance the first ones count. A jet of :math:`n \le k` particles has only
    :math:`n - 1` neighbours a particle: the rest of the row is -1. Indices have no gradient.

    Args:
        x: Coordinates, ``[N, D]``.
        ptr: Ragged pointer ``[J + 1]`` int64.
        k: Number of neighbours.
        azimuth: The column that is an angle (rad), whose differences wrap; ``None`` for none.

    Shapes:
        - **output:** ``[N, k]`` int64, rows of ``x``, or -1

    Raises:
        ValueError: If ``x`` and ``ptr`` do not fit together, ``k`` is below 1, or a coordinate is
            not finite.

    Examples:
        >>> x = torch.tensor([[0.0], [1.0], [3.0], [0.0], [1.0]])
        >>> knn(x, torch.tensor([0, 3, 5]), 2)
        tensor([[ 1,  2],
                [ 0,  2],
                [ 1,  0],
                [ 4, -1],
                [ 3, -1]])
    """
    column = check_points(x, ptr, azimuth)
    if isinstance(k, bool) or k < 1:
        raise ValueError(f"Expected k of at least 1, but got {k}.")
    return _knn(x.detach(), ptr, k, column)


@kernel
def threshold_kernel(keys, i, n, k):
    """A bound that ``k`` of the keys without the ``i``-th are not above, or more if some are equal.

    Floats that are not negative are ordered as their bits are, so that a few halvings of an
    integer find it; each counts all keys, eight or sixteen at once.
    """
    keys[i] = keys[i - 1] if i > 0 else keys[1]
    low, high = keys[0], keys[0]
    for m in range(n):
        low, high = min(low, keys[m]), max(high, keys[m])
    keys[i] = np.int32(0x7F800000)  # infinity
    below, above, end = np.int64(low) - 1, np.int64(high), padded(n)
    while above - below > 1:
        middle = np.int32((below + above) >> 1)
        count = np.int32(0)
        for m in range(end):
            count += np.int32(keys[m] <= middle)
        if count < k:
            below = np.int64(middle)
        else:
            above = np.int64(middle)
            if count == k:
                break
    return np.int32(above)


@kernel
def sorted_kernel(keys, n, bound, k, first, places, wide, out, i):
    """Write the places of the ``k`` smallest keys in order, out of those not above ``bound``."""
    count = 0
    for m in range(n):
        places[count] = m
        count += keys[m] <= bound
    for p in range(count):
        wide[p] = (np.int64(keys[places[p]]) << 32) | places[p]
    for p in range(count):
        one, rank = wide[p], 0
        for q in range(count):
            rank += wide[q] < one
        if rank < k:
            out[i, rank] = first + places[p]


@kernel
def knn_kernel(x, ptr, k, azimuth, out, start, stop):
    longest = 0
    for j in range(start, stop):
        longest = max(longest, ptr[j + 1] - ptr[j])
    columns = np.zeros((x.shape[1], padded(longest)), np.float32)
    distances = np.empty(padded(longest), np.float32)
    keys = distances.view(np.int32)
    places, wide = np.empty(longest + 1, np.int64), np.empty(longest + 1, np.int64)
    for j in range(start, stop):
        first, n = ptr[j], ptr[j + 1] - ptr[j]
        found = max(min(k, n - 1), 0)
        for i in range(n):
            for f in range(x.shape[1]):
                columns[f, i] = x[first + i, f]
            for m in range(found, k):
                out[first + i, m] = -1
        for i in range(n if found > 0 else 0):
            distances_kernel(columns, i, n, azimuth, distances)
            bound = threshold_kernel(keys, i, n, found)
            sorted_kernel(keys, n, bound, found, first, places, wide, out, first + i)


def knn_reference(x: Tensor, ptr: Tensor, k: int, azimuth: int = -1) -> Tensor:
    """The same in plain torch, on any device: all pairs of a jet, sorted by distance."""
    out = ptr.new_full((len(x), k), -1)
    for centre, other in pair_chunks(ptr, width=x.size(1)):
        distance = distance_reference(x, centre, other, azimuth)
        order = distance.argsort(stable=True)
        order = order[centre[order].argsort(stable=True)]
        centre, other = centre[order], other[order]
        if len(centre):
            n_others = torch.bincount(centre - centre[0])
            begin = n_others.cumsum(0) - n_others
            rank = torch.arange(len(centre), device=x.device) - begin[centre - centre[0]]
            kept = rank < k
            out[centre[kept], rank[kept]] = other[kept]
    return out


@torch.library.custom_op("pyg_jets::knn", mutates_args=())
def _knn(x: Tensor, ptr: Tensor, k: int, azimuth: int) -> Tensor:
    check_rising(ptr, len(x))
    check_finite(x, ptr)
    if x.dtype != torch.float32 or not use_kernels(x):
        return knn_reference(x, ptr, k, azimuth)
    out = rented(ptr, len(x), k)
    points, pointer, outs = (t.contiguous().numpy() for t in (x, ptr, out))
    copies = 4 + points.shape[1] // 8  # of the work of a copy
    over_jets(
        lambda a, b: knn_kernel(points, pointer, k, azimuth, outs, a, b), pointer, copies=copies
    )
    return out


@_knn.register_fake
def _(x: Tensor, ptr: Tensor, k: int, azimuth: int) -> Tensor:
    return ptr.new_empty(x.size(0), k)
