r"""Distances of particles to given matches in another set, and their gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from pyg_jets.ops.kernel import kernel, over_jets, use_kernels
from pyg_jets.ops.pointer import check_rising

__all__ = ["match_gradient", "match_reference", "matched_distance", "matches_by_kernel"]


def matched_distance(x: Tensor, x_ptr: Tensor, y: Tensor, y_ptr: Tensor, index: Tensor) -> Tensor:
    r"""Squared distance of each particle to its match in another set, :math:`|x_i - y_{k(i)}|^2`.

    Args:
        x: Particles, ``[N, D]``.
        x_ptr: Ragged pointer ``[J + 1]`` int64.
        y: Particles of the other set, ``[M, D]``.
        y_ptr: Ragged pointer ``[J + 1]`` int64.
        index: Rows of ``y`` in the same jet, as of :func:`nearest`, or -1 for none, ``[N]``.

    Shapes:
        - **output:** ``[N]``; 0 where there is no match

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
    return _matched(x, x_ptr, y, y_ptr, index)


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


def matches_by_kernel(*tensors: Tensor) -> bool:
    """Whether kernels serve these sets."""
    return all(t.dtype == torch.float32 for t in tensors) and use_kernels(*tensors)


@torch.library.custom_op("pyg_jets::matched_distance", mutates_args=())
def _matched(x: Tensor, x_ptr: Tensor, y: Tensor, y_ptr: Tensor, index: Tensor) -> Tensor:
    for points, ptr in ((x, x_ptr), (y, y_ptr)):
        check_rising(ptr, len(points))
    if not matches_by_kernel(x, y):
        if index.device.type == "cpu":
            first, last = (edge.repeat_interleave(x_ptr.diff()) for edge in (y_ptr[:-1], y_ptr[1:]))
            wrong = (index >= last) | ((index < first) & (index >= 0))
            _refuse([int(i) for i in wrong.nonzero()[:1]], index)
        return match_reference(x, y, index)
    out, wrong_rows = x.new_empty(len(x)), []
    arrays = [t.contiguous().numpy() for t in (x, x_ptr, y, y_ptr, index, out)]
    over_jets(lambda a, b: wrong_rows.append(matched_kernel(*arrays, a, b)), arrays[1])
    _refuse([i for i in wrong_rows if i >= 0], index)
    return out


def match_reference(x: Tensor, y: Tensor, index: Tensor) -> Tensor:
    """The same in plain torch, on any device."""
    if not len(y):
        return x.new_zeros(len(x))
    away = (x - y[index.clamp(min=0)]).square().sum(1)
    return torch.where(index >= 0, away, 0)


def _refuse(wrong: list[int], index: Tensor) -> None:
    """A kernel must not write into another jet."""
    if wrong:
        raise ValueError(
            f"Expected matches in the jet of each particle, but that of particle {min(wrong)} is "
            f"{int(index[min(wrong)])}."
        )


@torch.library.custom_op("pyg_jets::matched_distance_backward", mutates_args=())
def match_gradient(
    grad: Tensor, x: Tensor, x_ptr: Tensor, y: Tensor, index: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradients of both sets; matches are those that were checked on the way forward."""
    to_y = torch.zeros_like(y, memory_format=torch.contiguous_format)
    if not matches_by_kernel(grad, x, y):
        if not len(y):
            return torch.zeros_like(x), to_y
        there = (index >= 0).unsqueeze(1)
        slope = 2 * grad.unsqueeze(1) * (x - y[index.clamp(min=0)]) * there
        return slope, to_y.index_add(0, index.clamp(min=0), -slope)
    to_x = torch.empty_like(x, memory_format=torch.contiguous_format)
    tensors = (grad, x, y, index, to_x, to_y)
    arrays, ptr = [t.contiguous().numpy() for t in tensors], x_ptr.numpy()
    over_jets(lambda a, b: matched_backward_kernel(*arrays, ptr[a], ptr[b]), ptr)
    return to_x, to_y


@_matched.register_fake
def _(x: Tensor, x_ptr: Tensor, y: Tensor, y_ptr: Tensor, index: Tensor) -> Tensor:
    return x.new_empty(x.size(0))


@match_gradient.register_fake
def _(grad: Tensor, x: Tensor, x_ptr: Tensor, y: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    return x.new_empty(x.shape), y.new_empty(y.shape)


def _save(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    x, x_ptr, y, _, index = inputs
    ctx.save_for_backward(x, x_ptr, y, index)


def _gradient(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    x, x_ptr, y, index = ctx.saved_tensors
    to_x, to_y = match_gradient(grad.contiguous(), x, x_ptr, y, index)
    return to_x, None, to_y, None, None


_matched.register_autograd(_gradient, setup_context=_save)
