r"""The nearest particle of another set, jet by jet, in both directions at once."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pyg_jets.ops.kernel import kernel, over_jets, use_kernels
from pyg_jets.ops.pairs import LANES, check_finite, distances_kernel, fill_lanes, lanes_end
from pyg_jets.ops.pointer import check_ragged, check_rising

__all__ = ["nearest", "nearest_reference"]

#: Numbers held at once by plain torch.
_AT_ONCE = 1 << 24
#: Behind every distance, as in :mod:`pyg_jets.ops.knn`.
_NONE = np.int64(0x7FE << 52)
_NORMAL = np.int64(1 << 52)
_LOW = np.int64(0xFFFFFFFF)


def nearest(x: Tensor, x_ptr: Tensor, y: Tensor, y_ptr: Tensor) -> tuple[Tensor, Tensor]:
    r"""For each particle of one set the nearest of the same jet in the other set, both ways.

    .. math::
        j(i) = \operatorname{argmin}_j |x_i - y_j|, \quad i(j) = \operatorname{argmin}_i |x_i - y_j|

    Of several at the same distance it is the first. Memory is linear in the number of particles.
    Indices have no gradient.

    Args:
        x: Coordinates, ``[N, D]``.
        x_ptr: Ragged pointer ``[J + 1]`` int64.
        y: Coordinates of the other set, ``[M, D]``.
        y_ptr: Ragged pointer ``[J + 1]`` int64.

    Returns:
        Rows of ``y`` for each of ``x``, ``[N]``, and rows of ``x`` for each of ``y``, ``[M]``,
        int64; -1 where the jet's other set is empty.

    Raises:
        ValueError: If the shapes do not fit together, or a coordinate is not finite.

    Examples:
        >>> x, y = torch.tensor([[0.0], [5.0], [7.0]]), torch.tensor([[6.1], [1.0]])
        >>> nearest(x, torch.tensor([0, 3]), y, torch.tensor([0, 2]))
        (tensor([1, 0, 0]), tensor([2, 0]))
    """
    for points, ptr in ((x, x_ptr), (y, y_ptr)):
        check_ragged(points, ptr)
    if x.size(1) != y.size(1) or x.size(1) == 0:
        raise ValueError(
            f"Expected x and y with the same coordinates, but x has {x.size(1)} and y {y.size(1)}."
        )
    if len(x_ptr) != len(y_ptr):
        raise ValueError(
            f"Expected x and y of the same jets, but x has {len(x_ptr) - 1} and y {len(y_ptr) - 1}."
        )
    return _nearest(x.detach(), x_ptr, y.detach(), y_ptr)


@kernel
def nearest_kernel(x, x_ptr, y, y_ptr, to_y, to_x, start, stop):
    """Each lane is a particle of ``y``: the least key of all ``x`` so far; of each ``x`` the least
    key of all lanes. A key's high bits are the distance, its low bits the place.
    """
    longest = 0
    for j in range(start, stop):
        longest = max(longest, y_ptr[j + 1] - y_ptr[j])
    lanes = np.zeros((longest + LANES - 1) // LANES * x.shape[1] * LANES, np.float32)
    distances, keys = np.empty(4 * LANES, np.float32), np.empty(LANES, np.int64)
    best = np.empty(LANES, np.int64)
    bits, doubles, least = distances.view(np.int32), keys.view(np.float64), best.view(np.float64)
    for j in range(start, stop):
        first, n, other, m = x_ptr[j], x_ptr[j + 1] - x_ptr[j], y_ptr[j], y_ptr[j + 1] - y_ptr[j]
        to_y[first : first + n] = -1 if m == 0 else _NONE
        to_x[other : other + m] = -1
        if n == 0 or m == 0:
            continue
        fill_lanes(y, other, m, lanes)
        for block in range((m + LANES - 1) // LANES):
            here, end = min(m - LANES * block, LANES), np.uint64(lanes_end(m, block))
            best[:] = _NONE
            for i in range(0, n, 4):
                distances_kernel(x, first, n, i, -1, lanes, m, block, distances)
                for r in range(min(4, n - i)):
                    row, low = np.uint64(r * LANES), np.int64(i + r) + _NORMAL
                    for lane in range(end):
                        keys[lane] = (np.int64(bits[row + lane]) << 32) + low
                    for lane in range(end):
                        least[lane] = min(least[lane], doubles[lane])
                    nearest_bits = bits[r * LANES]
                    for lane in range(here):
                        nearest_bits = min(nearest_bits, bits[row + np.uint64(lane)])
                    place: int = 0
                    while bits[r * LANES + place] != nearest_bits:
                        place += 1
                    key = (np.int64(nearest_bits) << 32) | (LANES * block + place)
                    to_y[first + i + r] = min(to_y[first + i + r], key)
            for lane in range(here):
                to_x[other + LANES * block + lane] = first + (best[lane] & _LOW)
        for i in range(first, first + n):
            to_y[i] = other + (to_y[i] & _LOW)


def nearest_reference(x: Tensor, x_ptr: Tensor, y: Tensor, y_ptr: Tensor) -> tuple[Tensor, Tensor]:
    """The same in plain torch, on any device: padded distances of some jets at a time."""
    to_y, to_x = x_ptr.new_full((len(x),), -1), x_ptr.new_full((len(y),), -1)
    n, m = x_ptr.diff(), y_ptr.diff()
    if not len(n) or not len(x) or not len(y):
        return to_y, to_x
    wide, high = int(m.max()), int(n.max())
    step = max(_AT_ONCE // (wide * high * x.size(1)), 1)
    for start in range(0, len(n), step):
        jets = slice(start, start + step)
        rows = _rows(x_ptr[:-1][jets], n[jets], high), _rows(y_ptr[:-1][jets], m[jets], wide)
        a, b = x[rows[0].clamp(min=0)], y[rows[1].clamp(min=0)]
        distance = (a.unsqueeze(2) - b.unsqueeze(1)).square().sum(-1)
        real = (rows[0] >= 0).unsqueeze(2) & (rows[1] >= 0).unsqueeze(1)
        distance = torch.where(real, distance, torch.inf)
        for target, of, others, axis in ((to_y, *rows, 2), (to_x, *rows[::-1], 1)):
            found = others.gather(1, distance.argmin(axis))
            chosen = (of >= 0) & real.any(axis)
            target[of[chosen]] = found[chosen]
    return to_y, to_x


def _rows(first: Tensor, counts: Tensor, longest: int) -> Tensor:
    """Rows of the particles of each jet, ``[J, longest]``, -1 behind the last."""
    place = torch.arange(longest, device=first.device)
    return torch.where(place < counts.unsqueeze(1), first.unsqueeze(1) + place, -1)


@torch.library.custom_op("pyg_jets::nearest", mutates_args=())
def _nearest(x: Tensor, x_ptr: Tensor, y: Tensor, y_ptr: Tensor) -> tuple[Tensor, Tensor]:
    for points, ptr in ((x, x_ptr), (y, y_ptr)):
        check_rising(ptr, len(points))
        check_finite(points, ptr)
    if x.dtype != torch.float32 or y.dtype != torch.float32 or not use_kernels(x, y):
        return nearest_reference(x, x_ptr, y, y_ptr)
    to_y, to_x = x_ptr.new_empty(len(x)), y_ptr.new_empty(len(y))
    arrays = [t.contiguous().numpy() for t in (x, x_ptr, y, y_ptr, to_y, to_x)]
    both = arrays[1] + arrays[3]
    over_jets(lambda a, b: nearest_kernel(*arrays, a, b), both, copies=2 + x.size(1) // 8)
    return to_y, to_x


@_nearest.register_fake
def _(x: Tensor, x_ptr: Tensor, y: Tensor, y_ptr: Tensor) -> tuple[Tensor, Tensor]:
    return x_ptr.new_empty(x.size(0)), y_ptr.new_empty(y.size(0))
