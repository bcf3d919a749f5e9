r"""The k nearest particles of each particle, within its jet."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pyg_jets.ops.buffers import rented
from pyg_jets.ops.kernel import kernel, over_jets, use_kernels
from pyg_jets.ops.pairs import (
    LANES,
    check_finite,
    check_points,
    distance_reference,
    distances_kernel,
    fill_lanes,
    lanes_end,
    pair_chunks,
    room_for,
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


#: Behind every distance, infinity included: an exponent that no key has.
_NONE = np.int64(0x7FE << 52)
#: Added to keys, so that none is a subnormal double, which a processor may be told to take for 0.
_NORMAL = np.int64(1 << 52)
_ROW, _ROW2, _ROW3 = np.uint64(LANES), np.uint64(2 * LANES), np.uint64(3 * LANES)


@kernel
def keys_kernel(distances, n, i, block, keys):
    """One number for distance and place, that orders as both do: its high bits are the distance's.

    ``keys`` are the bits of doubles, since processors find the smaller of two doubles fastest.
    """
    bits, end = distances.view(np.int32), np.uint64(lanes_end(n, block))
    for r in range(4):
        row, place = np.uint64(r * LANES), np.int64(i + r)
        for lane in range(end):
            keys[row + lane] = (np.int64(bits[row + lane]) << 32) + (place + _NORMAL)
        own = i + r - LANES * block
        if i + r >= n:
            for lane in range(end):
                keys[row + lane] = _NONE
        elif 0 <= own < LANES:
            keys[row + np.uint64(own)] = _NONE


@kernel(inline="always")
def _pass(kept, new):
    """A place of a sorted list keeps the smaller of two, and hands on the larger."""
    return (kept, new) if kept < new else (new, kept)


@kernel
def insert_kernel(best, s, new, end):
    """Pass four rows of keys through the places ``s … s + 3`` of each lane's sorted list."""
    at = np.uint64(s * LANES)
    for lane in range(end):
        a, b = best[at + lane], best[at + _ROW + lane]
        c, d = best[at + _ROW2 + lane], best[at + _ROW3 + lane]
        a, key = _pass(a, new[lane])
        b, key = _pass(b, key)
        c, key = _pass(c, key)
        d, new[lane] = _pass(d, key)
        a, key = _pass(a, new[_ROW + lane])
        b, key = _pass(b, key)
        c, key = _pass(c, key)
        d, new[_ROW + lane] = _pass(d, key)
        a, key = _pass(a, new[_ROW2 + lane])
        b, key = _pass(b, key)
        c, key = _pass(c, key)
        d, new[_ROW2 + lane] = _pass(d, key)
        a, key = _pass(a, new[_ROW3 + lane])
        b, key = _pass(b, key)
        c, key = _pass(c, key)
        d, new[_ROW3 + lane] = _pass(d, key)
        best[at + lane], best[at + _ROW + lane] = a, b
        best[at + _ROW2 + lane], best[at + _ROW3 + lane] = c, d


@kernel
def knn_kernel(x, ptr, k, azimuth, out, start, stop):
    """Each lane is a particle that keeps a sorted list, through which all others are passed."""
    lanes = room_for(ptr, x.shape[1], start, stop)
    distances, keys = np.empty(4 * LANES, np.float32), np.empty(4 * LANES, np.int64)
    best = np.empty((k + 3) // 4 * 4 * LANES, np.int64)
    doubles, kept = keys.view(np.float64), best.view(np.float64)
    for j in range(start, stop):
        first, n = ptr[j], ptr[j + 1] - ptr[j]
        found = max(min(k, n - 1), 0)
        fill_lanes(x, first, n, lanes)
        for block in range((n + LANES - 1) // LANES):
            end = np.uint64(lanes_end(n, block))
            best[:] = _NONE
            for i in range(0, n, 4):
                distances_kernel(x, first, n, i, azimuth, lanes, n, block, distances)
                keys_kernel(distances, n, i, block, keys)
                for s in range(0, found, 4):
                    insert_kernel(kept, s, doubles, end)
            begin = first + LANES * block
            for lane in range(min(n - LANES * block, LANES)):
                for s in range(found):
                    out[begin + lane, s] = first + (best[s * LANES + lane] & 0xFFFFFFFF)
                for s in range(found, k):
                    out[begin + lane, s] = -1


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
