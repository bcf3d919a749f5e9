r"""The sum over each jet of ReLUs, in one pass: the last step of a particle flow network's Φ."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from pyg_jets.ops.kernel import kernel, over_jets, use_kernels
from pyg_jets.ops.pointer import check_ragged, check_rising
from pyg_jets.ops.segment import expand_reference, segment_expand, sum_reference

__all__ = ["segment_sum_relu"]


def segment_sum_relu(x: Tensor, bias: Tensor, ptr: Tensor) -> Tensor:
    r"""Sum over the particles of each jet of :math:`\max(x_i + b, 0)`; an empty jet gives 0.

    The activations, the widest tensor of a network that sums over particles, are never stored.

    Args:
        x: One row a particle, ``[N, F]``.
        bias: Added to each row, ``[F]``.
        ptr: Ragged pointer ``[J + 1]`` int64.

    Shapes:
        - **output:** ``[J, F]``

    Raises:
        ValueError: If the three do not fit together.

    Examples:
        >>> x, ptr = torch.tensor([[1.0], [-2.0], [4.0]]), torch.tensor([0, 2, 3])
        >>> segment_sum_relu(x, torch.tensor([1.0]), ptr)
        tensor([[2.],
                [5.]])
    """
    check_ragged(x, ptr)
    if bias.shape != x.shape[1:]:
        raise ValueError(
            f"Expected a bias of {x.size(1)} numbers, one a column of x, "
            f"but got {list(bias.shape)}."
        )
    return _sum_relu(x, bias.to(x.dtype), ptr)


@kernel
def sum_relu_kernel(x, bias, ptr, out, start, stop):
    zero = np.float32(0)
    for j in range(start, stop):
        total = out[j]
        for f in range(len(bias)):
            total[f] = zero
        for i in range(ptr[j], ptr[j + 1]):
            row = x[i]
            for f in range(len(bias)):
                value = row[f] + bias[f]
                total[f] += zero if value <= zero else value  # a NaN stays one


@kernel
def sum_relu_backward_kernel(grad, x, bias, ptr, out, sums, start, stop):
    zero = np.float32(0)
    for j in range(start, stop):
        slope, total = grad[j], sums[j]
        for f in range(len(bias)):
            total[f] = zero
        for i in range(ptr[j], ptr[j + 1]):
            row, into = x[i], out[i]
            for f in range(len(bias)):
                into[f] = zero if row[f] + bias[f] <= zero else slope[f]
                total[f] += into[f]


def sum_relu_reference(x: Tensor, bias: Tensor, ptr: Tensor) -> Tensor:
    """The sum of ReLUs in plain torch, on any device."""
    return sum_reference(torch.relu(x + bias), ptr)


@torch.library.custom_op("pyg_jets::segment_sum_relu", mutates_args=())
def _sum_relu(x: Tensor, bias: Tensor, ptr: Tensor) -> Tensor:
    check_rising(ptr, len(x))
    if x.dtype != torch.float32 or not use_kernels(x):
        return sum_relu_reference(x, bias, ptr)
    out = x.new_empty(len(ptr) - 1, x.size(1))
    xs, biases, pointer, outs = (t.detach().contiguous().numpy() for t in (x, bias, ptr, out))
    over_jets(lambda a, b: sum_relu_kernel(xs, biases, pointer, outs, a, b), pointer)
    return out


@torch.library.custom_op("pyg_jets::segment_sum_relu_backward", mutates_args=())
def _backward(grad: Tensor, x: Tensor, bias: Tensor, ptr: Tensor) -> tuple[Tensor, Tensor]:
    if x.dtype != torch.float32 or not use_kernels(x):
        out = torch.where(x + bias <= 0, 0, expand_reference(grad, ptr))
        return out, out.sum(0)
    out, sums = torch.empty_like(x, memory_format=torch.contiguous_format), torch.empty_like(grad)
    tensors = (grad, x, bias, ptr, out, sums)
    *arrays, outs, sum_array = (t.detach().contiguous().numpy() for t in tensors)
    over_jets(lambda a, b: sum_relu_backward_kernel(*arrays, outs, sum_array, a, b), arrays[3])
    return out, sums.sum(0)


@_sum_relu.register_fake
def _(x: Tensor, bias: Tensor, ptr: Tensor) -> Tensor:
    return x.new_empty(ptr.size(0) - 1, x.size(1))


@_backward.register_fake
def _(grad: Tensor, x: Tensor, bias: Tensor, ptr: Tensor) -> tuple[Tensor, Tensor]:
    return x.new_empty(x.shape), bias.new_empty(bias.shape)


def _save(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.save_for_backward(*inputs)


def _gradient(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
    x, bias, ptr = ctx.saved_tensors
    if torch.is_grad_enabled():  # a gradient of the gradient is asked for
        out = torch.where(x + bias <= 0, 0, segment_expand(grad, ptr, x.size(0)))
        return out, out.sum(0), None
    return *_backward(grad.contiguous(), x, bias, ptr), None


_sum_relu.register_autograd(_gradient, setup_context=_save)
