r"""The nearest particle of another set, jet by jet, in both directions at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from pyg_jets.ops.kernel import kernel, over_jets
from pyg_jets.ops.matched import match_gradient, match_reference, matches_by_kernel
from pyg_jets.ops.pairs import LANES, check_finite, distances_kernel, fill_lanes, lanes_end
from pyg_jets.ops.pointer import check_ragged, check_rising

__all__ = ["nearest", "nearest_distance", "nearest_reference"]

#: Numbers held at once by plain torch.
_AT_ONCE = 1 << 24
#: Behind every key; the part of a key that is the place; the bits of an infinite distance.
_NONE, _LOW, _INFINITE = np.int64(2**63 - 1), np.int64(0xFFFFFFFF), np.int32(0x7F800000)
_ROW, _ROW2, _ROW3 = np.uint64(LANES), np.uint64(2 * LANES), np.uint64(3 * LANES)


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
    _, _, to_y, to_x = nearest_distance(x.detach(), x_ptr, y.detach(), y_ptr)
    return to_y, to_x


def nearest_distance(
    x: Tensor, x_ptr: Tensor, y: Tensor, y_ptr: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The squared distances ``[N]`` and ``[M]``, through which the gradient flows, and the same.

    A distance is 0 where there is nothing to match. See :func:`nearest`.
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
    return _nearest(x, x_ptr, y, y_ptr)


@kernel
def nearest_kernel(x, x_ptr, y, y_ptr, to_y, to_x, of_x, of_y, start, stop):
    """Each lane is a particle of ``y``, and keeps the least key of all ``x``.

    Of each ``x`` it is the least key of all lanes. A key is an integer that orders as distance and
    place do: the bits of the distance, then the place.
    """
    longest = 0
    for j in range(start, stop):
        longest = max(longest, y_ptr[j + 1] - y_ptr[j])
    lanes = np.zeros((longest + LANES - 1) // LANES * x.shape[1] * LANES, np.float32)
    distances, best = np.empty(4 * LANES, np.float32), np.empty(LANES, np.int64)
    bits = distances.view(np.int32)
    for j in range(start, stop):
        first, n, other, m = x_ptr[j], x_ptr[j + 1] - x_ptr[j], y_ptr[j], y_ptr[j + 1] - y_ptr[j]
        to_y[first : first + n] = -1 if m == 0 else _NONE
        to_x[other : other + m] = -1
        of_x[first : first + n] = of_y[other : other + m] = 0
        if n == 0 or m == 0:
            continue
        fill_lanes(y, other, m, lanes)
        for block in range((m + LANES - 1) // LANES):
            begin, end = LANES * block, lanes_end(m, block)
            best[:] = _NONE
            for i in range(0, n, 4):
                distances_kernel(x, first, n, i, -1, lanes, m, block, distances)
                for r in range(4):
                    bits[r * LANES + m - begin : r * LANES + end] = _INFINITE
                least_kernel(bits, i, begin, np.uint64(end), best, to_y[first : first + n])
            for lane in range(min(m - begin, LANES)):
                to_x[other + begin + lane] = first + (best[lane] & _LOW)
                of_y[other + begin + lane] = best[lane] >> 32
        for i in range(first, first + n):
            of_x[i] = to_y[i] >> 32
            to_y[i] = other + (to_y[i] & _LOW)


@kernel
def least_kernel(bits, i, begin, end, best, of_rows):
    """Take the distances of four ``x`` to a block of ``y`` into the least keys of both.

    Rows behind the last are repeats of it, and come after it among equals.
    """
    a, b, c, d = _NONE, _NONE, _NONE, _NONE
    for lane in range(end):
        place = np.int64(begin) + np.int64(lane)
        first = np.int64(bits[lane]) << 32
        second = np.int64(bits[_ROW + lane]) << 32
        third = np.int64(bits[_ROW2 + lane]) << 32
        fourth = np.int64(bits[_ROW3 + lane]) << 32
        a, b = min(a, first + place), min(b, second + place)
        c, d = min(c, third + place), min(d, fourth + place)
        one, other = min(first + i, second + (i + 1)), min(third + (i + 2), fourth + (i + 3))
        best[lane] = min(best[lane], min(one, other))
    keys = (a, b, c, d)
    for r in range(min(4, len(of_rows) - i)):
        of_rows[i + r] = min(of_rows[i + r], keys[r])


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
def _nearest(
    x: Tensor, x_ptr: Tensor, y: Tensor, y_ptr: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    for points, ptr in ((x, x_ptr), (y, y_ptr)):
        check_rising(ptr, len(points))
        check_finite(points, ptr)
    if not matches_by_kernel(x, y):
        to_y, to_x = nearest_reference(x, x_ptr, y, y_ptr)
        return match_reference(x, y, to_y), match_reference(y, x, to_x), to_y, to_x
    to_y, to_x = x_ptr.new_empty(len(x)), y_ptr.new_empty(len(y))
    of_x, of_y = x.new_empty(len(x)), y.new_empty(len(y))
    arrays = [t.detach().contiguous().numpy() for t in (x, x_ptr, y, y_ptr, to_y, to_x)]
    arrays += [of_x.numpy().view(np.int32), of_y.numpy().view(np.int32)]
    both = arrays[1] + arrays[3]
    over_jets(lambda a, b: nearest_kernel(*arrays, a, b), both, copies=2 + x.size(1) // 8)
    return of_x, of_y, to_y, to_x


@_nearest.register_fake
def _(x: Tensor, x_ptr: Tensor, y: Tensor, y_ptr: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    n, m = x.size(0), y.size(0)
    return x.new_empty(n), y.new_empty(m), x_ptr.new_empty(n), y_ptr.new_empty(m)


def _save(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    x, x_ptr, y, y_ptr = inputs
    ctx.save_for_backward(x, x_ptr, y, y_ptr, *output[2:])
    ctx.mark_non_differentiable(*output[2:])


def _gradient(ctx: Any, of_x: Tensor, of_y: Tensor, *_: Any) -> tuple[Any, ...]:
    x, x_ptr, y, y_ptr, to_y, to_x = ctx.saved_tensors
    slope_x, slope_y = match_gradient(of_x.contiguous(), x, x_ptr, y, to_y)
    back_y, back_x = match_gradient(of_y.contiguous(), y, y_ptr, x, to_x)
    return slope_x + back_x, None, slope_y + back_y, None


_nearest.register_autograd(_gradient, setup_context=_save)
