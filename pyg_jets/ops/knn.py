r"""The k nearest particles of each particle, within its jet."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pyg_jets.ops.buffers import pooled_empty
from pyg_jets.ops.distances import (
    LANES,
    allocate_lanes,
    check_coordinates,
    check_finite,
    distance_reference,
    distances_kernel,
    fill_lanes,
    lanes_end,
    pair_chunks,
)
from pyg_jets.ops.kernel import kernel, over_jets, use_float32_kernels
from pyg_jets.ops.pointer import check_pointer

__all__ = ["knn", "knn_reference"]


def knn(x: Tensor, ptr: Tensor, k: int, azimuth: int | None = None) -> Tensor:
    r"""The ``k`` nearest other particles of each particle, out of its own jet, nearest first.

    .. math::
        d_{ij}^2 = \sum_f (x_{if} - x_{jf})^2

    A particle is never its own neighbour, but another one at the same point is. Of particles at the
    same distance the one with the smaller row comes first. A jet of :math:`n \le k` particles has
    only :math:`n - 1` neighbours a particle: the rest of the row is -1. Indices have no gradient.

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
    column = check_coordinates(x, ptr, azimuth)
    if isinstance(k, bool) or k < 1:
        raise ValueError(f"Expected k of at least 1, but got {k}.")
    return _knn(x.detach(), ptr, k, column)


def knn_reference(x: Tensor, ptr: Tensor, k: int, azimuth: int = -1) -> Tensor:
    """:func:`knn` in plain torch, on any device: all pairs of a jet, sorted by distance."""
    out = ptr.new_full((len(x), k), -1)
    for centre, other in pair_chunks(ptr, width=x.size(1)):
        by_distance = distance_reference(x, centre, other, azimuth).argsort(stable=True)
        order = by_distance[centre[by_distance].argsort(stable=True)]  # and first by particle
        rank = torch.arange(len(centre), device=x.device) - torch.searchsorted(centre, centre)
        is_near = rank < k
        out[centre[is_near], rank[is_near]] = other[order][is_near]
    return out


#: A key above that of every distance, infinity included.
_NONE = np.int64(0x7FE << 52)
#: Added to keys, so that none is a subnormal double, which a processor may be set to take for 0.
_NORMAL = np.int64(1 << 52)
_ROW, _ROW2, _ROW3 = np.uint64(LANES), np.uint64(2 * LANES), np.uint64(3 * LANES)


@kernel
def keys_kernel(distances, n, i, block, keys):
    """Keys that sort by distance, then by particle: the distance in the high bits of an integer.

    The bits of a positive float32 order as the number does. The keys in turn are read as doubles,
    since a processor finds the smaller of two doubles fastest.
    """
    bits, end = distances.view(np.int32), np.uint64(lanes_end(n, block))
    for r in range(4):
        row, particle = np.uint64(r * LANES), np.int64(i + r)
        for lane in range(end):
            keys[row + lane] = (np.int64(bits[row + lane]) << 32) + (particle + _NORMAL)
        own = i + r - LANES * block
        if i + r >= n:
            for lane in range(end):
                keys[row + lane] = _NONE
        elif 0 <= own < LANES:
            keys[row + np.uint64(own)] = _NONE


@kernel(inline="always")
def _sort2(kept, new):
    """An entry of a sorted list keeps the smaller key, and passes the larger on to the next."""
    return (kept, new) if kept < new else (new, kept)


@kernel
def insert_kernel(best, s, new, end):
    """Insert four rows of keys into the entries ``s … s + 3`` of each lane's sorted list."""
    at = np.uint64(s * LANES)
    for lane in range(end):
        a, b = best[at + lane], best[at + _ROW + lane]
        c, d = best[at + _ROW2 + lane], best[at + _ROW3 + lane]
        a, key = _sort2(a, new[lane])
        b, key = _sort2(b, key)
        c, key = _sort2(c, key)
        d, new[lane] = _sort2(d, key)
        a, key = _sort2(a, new[_ROW + lane])
        b, key = _sort2(b, key)
        c, key = _sort2(c, key)
        d, new[_ROW + lane] = _sort2(d, key)
        a, key = _sort2(a, new[_ROW2 + lane])
        b, key = _sort2(b, key)
        c, key = _sort2(c, key)
        d, new[_ROW2 + lane] = _sort2(d, key)
        a, key = _sort2(a, new[_ROW3 + lane])
        b, key = _sort2(b, key)
        c, key = _sort2(c, key)
        d, new[_ROW3 + lane] = _sort2(d, key)
        best[at + lane], best[at + _ROW + lane] = a, b
        best[at + _ROW2 + lane], best[at + _ROW3 + lane] = c, d


@kernel
def knn_kernel(x, ptr, k, azimuth, out, start, stop):
    """Each lane is a particle with a sorted list of k keys, into which all others are inserted."""
    lanes = allocate_lanes(ptr, x.shape[1], start, stop)
    distances, keys = np.empty(4 * LANES, np.float32), np.empty(4 * LANES, np.int64)
    best = np.empty((k + 3) // 4 * 4 * LANES, np.int64)
    doubles, kept = keys.view(np.float64), best.view(np.float64)
    for j in range(start, stop):
        first, n = ptr[j], ptr[j + 1] - ptr[j]
        n_neighbours = max(min(k, n - 1), 0)
        fill_lanes(x, first, n, lanes)
        for block in range((n + LANES - 1) // LANES):
            end = np.uint64(lanes_end(n, block))
            best[:] = _NONE
            for i in range(0, n, 4):
                distances_kernel(x, first, n, i, azimuth, lanes, n, block, distances)
                keys_kernel(distances, n, i, block, keys)
                for s in range(0, n_neighbours, 4):
                    insert_kernel(kept, s, doubles, end)
            begin = first + LANES * block
            for lane in range(min(n - LANES * block, LANES)):
                for s in range(n_neighbours):
                    out[begin + lane, s] = first + (best[s * LANES + lane] & 0xFFFFFFFF)
                for s in range(n_neighbours, k):
                    out[begin + lane, s] = -1


@torch.library.custom_op("pyg_jets::knn", mutates_args=())
def _knn(x: Tensor, ptr: Tensor, k: int, azimuth: int) -> Tensor:
    check_pointer(ptr, len(x))
    check_finite(x, ptr)
    if not use_float32_kernels(x):
        return knn_reference(x, ptr, k, azimuth)
    out = pooled_empty(ptr, len(x), k)
    points, pointer, outs = (t.contiguous().numpy() for t in (x, ptr, out))
    copies = 4 + points.shape[1] // 8
    over_jets(
        lambda a, b: knn_kernel(points, pointer, k, azimuth, outs, a, b), pointer, copies=copies
    )
    return out


@_knn.register_fake
def _(x: Tensor, ptr: Tensor, k: int, azimuth: int) -> Tensor:
    return ptr.new_empty(x.size(0), k)
