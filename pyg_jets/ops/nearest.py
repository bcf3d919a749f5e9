"""The nearest particle of another set, jet by jet, and the distance to it (Chamfer distance)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from pyg_jets.ops.distances import LANES, check_finite, distances_kernel, fill_lanes, lanes_end
from pyg_jets.ops.kernel import kernel, over_jets, use_float32_kernels
from pyg_jets.ops.pointer import check_pointer, check_ragged

__all__ = ["matched_distance", "nearest", "nearest_distance", "nearest_reference"]

#: Numbers that plain torch holds at a time.
_MAX_NUMBERS = 1 << 24


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
        Rows of ``y`` for each particle of ``x``, ``[N]``, and rows of ``x`` for each particle of
        ``y``, ``[M]``, int64; -1 where the jet's other set is empty.

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
    r"""Squared distances to the nearest particles of the other set, and their rows.

    .. math::
        d_i = |x_i - y_{j(i)}|^2, \quad d'_j = |y_j - x_{i(j)}|^2

    The gradient flows through the distances, at constant indices. Distances of sets in half
    precision are computed in float32.

    Args:
        x: Coordinates, ``[N, D]``.
        x_ptr: Ragged pointer ``[J + 1]`` int64.
        y: Coordinates of the other set, ``[M, D]``.
        y_ptr: Ragged pointer ``[J + 1]`` int64.

    Returns:
        The distances ``[N]`` and ``[M]``, 0 where the jet's other set is empty, and the rows that
        :func:`nearest` returns.

    Raises:
        ValueError: If the shapes do not fit together, or a coordinate is not finite.

    Examples:
        >>> x, y = torch.tensor([[0.0], [5.0], [7.0]]), torch.tensor([[6.0], [1.0]])
        >>> nearest_distance(x, torch.tensor([0, 3]), y, torch.tensor([0, 2]))[:2]
        (tensor([1., 1., 1.]), tensor([1., 1.]))
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
    x, y = _in_one_dtype(x, y)
    return _nearest(x, x_ptr, y, y_ptr)


def _in_one_dtype(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Both in float32, or in float64 if one is: autocast may give one set in half precision."""
    dtype = torch.promote_types(torch.promote_types(x.dtype, y.dtype), torch.float32)
    return x.to(dtype), y.to(dtype)


def matched_distance(x: Tensor, x_ptr: Tensor, y: Tensor, y_ptr: Tensor, index: Tensor) -> Tensor:
    r"""Squared distance of each particle to its match in another set, :math:`|x_i - y_{k(i)}|^2`.

    The matches may come from other coordinates than those of ``x`` and ``y``. Distances of sets in
    half precision are computed in float32.

    Args:
        x: Particles, ``[N, D]``.
        x_ptr: Ragged pointer ``[J + 1]`` int64.
        y: Particles of the other set, ``[M, D]``.
        y_ptr: Ragged pointer ``[J + 1]`` int64.
        index: Rows of ``y`` in the same jet, as from :func:`nearest`, or -1 for none, ``[N]``.

    Shapes:
        - **output:** ``[N]``; 0 where there is no match

    Raises:
        ValueError: If the shapes do not fit together, or a match is not in the particle's jet.

    Examples:
        >>> x, y, ptr = torch.tensor([[0.0], [5.0]]), torch.tensor([[1.0]]), torch.tensor([0, 2])
        >>> matched_distance(x, ptr, y, torch.tensor([0, 1]), torch.tensor([0, -1]))
        tensor([1., 0.])
    """
    if index.dtype != torch.int64 or index.shape != x.shape[:1]:
        raise ValueError(
            f"Expected index [{len(x)}] as int64, but got {index.dtype} of shape "
            f"{list(index.shape)}."
        )
    x, y = _in_one_dtype(x, y)
    return _matched(x, x_ptr, y, y_ptr, index)


def nearest_reference(x: Tensor, x_ptr: Tensor, y: Tensor, y_ptr: Tensor) -> tuple[Tensor, Tensor]:
    """:func:`nearest` in plain torch, on any device: padded distances, for some jets at a time."""
    to_y, to_x = x_ptr.new_full((len(x),), -1), x_ptr.new_full((len(y),), -1)
    n, m = x_ptr.diff(), y_ptr.diff()
    if not len(n) or not len(x) or not len(y):
        return to_y, to_x

    def padded_rows(first: Tensor, counts: Tensor, longest: int) -> Tensor:
        number = torch.arange(longest, device=first.device)
        return torch.where(number < counts.unsqueeze(1), first.unsqueeze(1) + number, -1)

    n_max, m_max = int(n.max()), int(m.max())
    step = max(_MAX_NUMBERS // (n_max * m_max * x.size(1)), 1)
    for start in range(0, len(n), step):
        jets = slice(start, start + step)
        x_rows = padded_rows(x_ptr[:-1][jets], n[jets], n_max)  # [jets, n_max], -1 for padding
        y_rows = padded_rows(y_ptr[:-1][jets], m[jets], m_max)
        difference = x[x_rows.clamp(min=0)].unsqueeze(2) - y[y_rows.clamp(min=0)].unsqueeze(1)
        real = (x_rows >= 0).unsqueeze(2) & (y_rows >= 0).unsqueeze(1)
        distance = torch.where(real, difference.square().sum(-1), torch.inf)
        for target, rows, others, axis in ((to_y, x_rows, y_rows, 2), (to_x, y_rows, x_rows, 1)):
            has_match = (rows >= 0) & real.any(axis)
            target[rows[has_match]] = others.gather(1, distance.argmin(axis))[has_match]
    return to_y, to_x


def match_reference(x: Tensor, y: Tensor, index: Tensor) -> Tensor:
    """:func:`matched_distance` in plain torch, on any device."""
    if not len(y):
        return x.new_zeros(len(x))
    return torch.where(index >= 0, (x - y[index.clamp(min=0)]).square().sum(1), 0)


#: The bits of an infinite distance, and above all distances. The bits of a float32 that is not
#: negative sort as the number itself, and integers have a minimum that a compiler vectorises.
_INFINITE, _NONE = np.int32(0x7F800000), np.int32(0x7FFFFFFF)
_ROW, _ROW2, _ROW3 = np.uint64(LANES), np.uint64(2 * LANES), np.uint64(3 * LANES)


@kernel
def nearest_kernel(x, x_ptr, y, y_ptr, to_y, to_x, of_x, of_y, start, stop):
    """Each lane is a particle of ``y``, and keeps the smallest distance of all ``x`` and its row.

    Each ``x`` takes the smallest distance of all lanes, then the first lane that has it. Sixteen
    pairs at a time, the least that an AVX-512 core must do is to subtract and multiply in each of
    three columns, to compare for both sets and to select a row: about 12 instructions of 16 pairs.
    """
    longest = 0
    for j in range(start, stop):
        longest = max(longest, y_ptr[j + 1] - y_ptr[j])
    lanes = np.zeros((longest + LANES - 1) // LANES * x.shape[1] * LANES, np.float32)
    distances = np.empty(4 * LANES, np.float32)
    best, row = np.empty(LANES, np.int32), np.empty(LANES, np.int32)
    bits = distances.view(np.int32)
    for j in range(start, stop):
        first, n, other, m = x_ptr[j], x_ptr[j + 1] - x_ptr[j], y_ptr[j], y_ptr[j + 1] - y_ptr[j]
        to_y[first : first + n] = to_x[other : other + m] = -1
        of_x[first : first + n] = 0 if m == 0 else _NONE
        of_y[other : other + m] = 0
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
                smallest = smallest_kernel(bits, np.int32(i), np.uint64(end), best, row)
                for r in range(min(4, n - i)):
                    if smallest[r] < of_x[first + i + r]:
                        of_x[first + i + r] = smallest[r]
                        lane = first_kernel(bits, np.uint64(r * LANES), np.uint64(end), smallest[r])
                        to_y[first + i + r] = other + begin + lane
            for lane in range(min(m - begin, LANES)):
                to_x[other + begin + lane] = first + row[lane]
                of_y[other + begin + lane] = best[lane]


@kernel
def smallest_kernel(bits, i, end, best, row):
    """The smallest distances of four ``x``; updates those of a block of ``y`` and their rows.

    Rows behind the last ``x`` repeat it, and lose against it at equal distances.
    """
    a, b, c, d = _NONE, _NONE, _NONE, _NONE
    for lane in range(end):
        p, q, r, s = bits[lane], bits[_ROW + lane], bits[_ROW2 + lane], bits[_ROW3 + lane]
        a, b, c, d = min(a, p), min(b, q), min(c, r), min(d, s)
        upper, lower = min(p, q), min(r, s)
        of_upper = i if p <= q else i + np.int32(1)
        of_lower = i + np.int32(2) if r <= s else i + np.int32(3)
        least = min(upper, lower)
        of_least = of_upper if upper <= lower else of_lower
        row[lane] = np.int32(of_least) if least < best[lane] else row[lane]
        best[lane] = min(best[lane], least)
    return a, b, c, d


@kernel
def first_kernel(bits, begin, end, value):
    """The first lane with a distance, which one of them has."""
    first = _NONE
    for lane in range(end):
        first = min(first, np.int32(lane) if bits[begin + lane] == value else _NONE)
    return first


@kernel
def matched_kernel(x, x_ptr, y, y_ptr, index, out, start, stop):
    """The squared distances; returns the first particle whose match is not in its jet, or -1."""
    for j in range(start, stop):
        for i in range(x_ptr[j], x_ptr[j + 1]):
            k, total = index[i], np.float32(0)
            if k >= y_ptr[j + 1] or (k < y_ptr[j] and k >= 0):
                return i
            if k >= 0:
                for f in range(x.shape[1]):
                    total += (x[i, f] - y[k, f]) * (x[i, f] - y[k, f])
            out[i] = total
    return -1


@kernel
def matched_backward_kernel(grad, x, y, index, to_x, to_y, start, stop):
    """Matches lie in the same jet, so that ranges of whole jets never meet."""
    for i in range(start, stop):
        k = index[i]
        for f in range(x.shape[1]):
            slope = np.float32(2) * grad[i] * (x[i, f] - y[k, f]) if k >= 0 else np.float32(0)
            to_x[i, f] = slope
            if k >= 0:
                to_y[k, f] -= slope


@kernel
def nearest_backward_kernel(
    of_x, of_y, x, x_ptr, y, y_ptr, to_y, to_x, grad_x, grad_y, start, stop
):
    """Gradients of both sets from the distances of both, in one pass over the jets."""
    for j in range(start, stop):
        for i in range(x_ptr[j], x_ptr[j + 1]):
            grad_x[i] = 0
        for k in range(y_ptr[j], y_ptr[j + 1]):
            i, twice = to_x[k], np.float32(2) * of_y[k]
            for f in range(x.shape[1]):
                slope = twice * (y[k, f] - x[i, f]) if i >= 0 else np.float32(0)
                grad_y[k, f] = slope
                if i >= 0:
                    grad_x[i, f] -= slope
        for i in range(x_ptr[j], x_ptr[j + 1]):
            k, twice = to_y[i], np.float32(2) * of_x[i]
            if k >= 0:
                for f in range(x.shape[1]):
                    slope = twice * (x[i, f] - y[k, f])
                    grad_x[i, f] += slope
                    grad_y[k, f] -= slope


@torch.library.custom_op("pyg_jets::nearest", mutates_args=())
def _nearest(
    x: Tensor, x_ptr: Tensor, y: Tensor, y_ptr: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    for points, ptr in ((x, x_ptr), (y, y_ptr)):
        check_pointer(ptr, len(points))
        check_finite(points, ptr)
    if not use_float32_kernels(x, y):
        to_y, to_x = nearest_reference(x, x_ptr, y, y_ptr)
        return match_reference(x, y, to_y), match_reference(y, x, to_x), to_y, to_x
    to_y, to_x = x_ptr.new_empty(len(x)), y_ptr.new_empty(len(y))
    of_x, of_y = x.new_empty(len(x)), y.new_empty(len(y))
    arrays = [t.detach().contiguous().numpy() for t in (x, x_ptr, y, y_ptr, to_y, to_x)]
    arrays += [of_x.numpy().view(np.int32), of_y.numpy().view(np.int32)]
    both_ptr = arrays[1] + arrays[3]
    over_jets(lambda a, b: nearest_kernel(*arrays, a, b), both_ptr, copies=2 + x.size(1) // 8)
    return of_x, of_y, to_y, to_x


@torch.library.custom_op("pyg_jets::matched_distance", mutates_args=())
def _matched(x: Tensor, x_ptr: Tensor, y: Tensor, y_ptr: Tensor, index: Tensor) -> Tensor:
    for points, ptr in ((x, x_ptr), (y, y_ptr)):
        check_pointer(ptr, len(points))
    out, wrong_rows = x.new_empty(len(x)), []
    if use_float32_kernels(x, y):
        arrays = [t.contiguous().numpy() for t in (x, x_ptr, y, y_ptr, index, out)]
        over_jets(lambda a, b: wrong_rows.append(matched_kernel(*arrays, a, b)), arrays[1])
    elif index.device.type == "cpu":
        first, last = (edge.repeat_interleave(x_ptr.diff()) for edge in (y_ptr[:-1], y_ptr[1:]))
        wrong_rows = (
            ((index >= last) | ((index < first) & (index >= 0))).nonzero().flatten().tolist()
        )
    if wrong_rows := [i for i in wrong_rows if i >= 0]:
        raise ValueError(
            f"Expected matches in the jet of each particle, but that of particle {min(wrong_rows)} "
            f"is {int(index[min(wrong_rows)])}."
        )
    return out if use_float32_kernels(x, y) else match_reference(x, y, index)


@torch.library.custom_op("pyg_jets::matched_distance_backward", mutates_args=())
def _matched_backward(
    grad: Tensor, x: Tensor, x_ptr: Tensor, y: Tensor, index: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradients of both sets; the matches were checked on the way forward."""
    to_y = torch.zeros_like(y, memory_format=torch.contiguous_format)
    if not use_float32_kernels(grad, x, y):
        if not len(y):
            return torch.zeros_like(x), to_y
        real = (index >= 0).unsqueeze(1)
        slope = 2 * grad.unsqueeze(1) * (x - y[index.clamp(min=0)]) * real
        return slope, to_y.index_add(0, index.clamp(min=0), -slope)
    to_x = torch.empty_like(x, memory_format=torch.contiguous_format)
    tensors = (grad, x, y, index, to_x, to_y)
    arrays, ptr = [t.contiguous().numpy() for t in tensors], x_ptr.numpy()
    over_jets(lambda a, b: matched_backward_kernel(*arrays, ptr[a], ptr[b]), ptr)
    return to_x, to_y


@torch.library.custom_op("pyg_jets::nearest_backward", mutates_args=())
def _nearest_backward(
    of_x: Tensor,
    of_y: Tensor,
    x: Tensor,
    x_ptr: Tensor,
    y: Tensor,
    y_ptr: Tensor,
    to_y: Tensor,
    to_x: Tensor,
) -> tuple[Tensor, Tensor]:
    """Gradients of both sets; each distance has one in both."""
    if not use_float32_kernels(of_x, of_y, x, y):
        x_of_x, y_of_x = _matched_backward(of_x, x, x_ptr, y, to_y)
        y_of_y, x_of_y = _matched_backward(of_y, y, y_ptr, x, to_x)
        return x_of_x + x_of_y, y_of_x + y_of_y
    grad_x, grad_y = (torch.empty(t.shape, dtype=t.dtype) for t in (x, y))
    tensors = (of_x, of_y, x, x_ptr, y, y_ptr, to_y, to_x, grad_x, grad_y)
    arrays = [t.contiguous().numpy() for t in tensors]
    over_jets(lambda a, b: nearest_backward_kernel(*arrays, a, b), arrays[3] + arrays[5])
    return grad_x, grad_y


@_nearest.register_fake
def _(x: Tensor, x_ptr: Tensor, y: Tensor, y_ptr: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    n, m = x.size(0), y.size(0)
    return x.new_empty(n), y.new_empty(m), x_ptr.new_empty(n), y_ptr.new_empty(m)


@_matched.register_fake
def _(x: Tensor, x_ptr: Tensor, y: Tensor, y_ptr: Tensor, index: Tensor) -> Tensor:
    return x.new_empty(x.size(0))


@_matched_backward.register_fake
def _(grad: Tensor, x: Tensor, x_ptr: Tensor, y: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    return x.new_empty(x.shape), y.new_empty(y.shape)


@_nearest_backward.register_fake
def _(
    of_x: Tensor,
    of_y: Tensor,
    x: Tensor,
    x_ptr: Tensor,
    y: Tensor,
    y_ptr: Tensor,
    to_y: Tensor,
    to_x: Tensor,
) -> tuple[Tensor, Tensor]:
    return x.new_empty(x.shape), y.new_empty(y.shape)


def setup_nearest(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.save_for_backward(*inputs, *output[2:])
    ctx.mark_non_differentiable(*output[2:])


def nearest_backward(ctx: Any, grad_x: Tensor, grad_y: Tensor, *_: Any) -> tuple[Any, ...]:
    to_x, to_y = _nearest_backward(grad_x, grad_y, *ctx.saved_tensors)
    return to_x, None, to_y, None


def setup_matched(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    x, x_ptr, y, _, index = inputs
    ctx.save_for_backward(x, x_ptr, y, index)


def matched_backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    to_x, to_y = _matched_backward(grad.contiguous(), *ctx.saved_tensors)
    return to_x, None, to_y, None, None


_nearest.register_autograd(nearest_backward, setup_context=setup_nearest)
_matched.register_autograd(matched_backward, setup_context=setup_matched)
