r"""ReLU fused with the sum over each jet, and with the expansion of jets to particles.

The activations of particles are the widest tensors of networks on sets. Where a ReLU stands next to
a sum or an expansion, one pass over memory does both, and the activations are never stored.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from pyg_jets.ops.kernel import kernel, over_jets, use_float32_kernels
from pyg_jets.ops.pointer import check_pointer, check_ragged
from pyg_jets.ops.segment import expand_reference, segment_expand, sum_reference

__all__ = ["expand_relu_", "segment_sum_relu"]


def segment_sum_relu(x: Tensor, bias: Tensor, ptr: Tensor) -> Tensor:
    r"""Sum over the particles of each jet of :math:`\max(x_i + b, 0)`; an empty jet gives 0.

    The last step of the network Φ of a particle flow network.

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


def sum_relu_reference(x: Tensor, bias: Tensor, ptr: Tensor) -> Tensor:
    """The sum of ReLUs in plain torch, on any device."""
    return sum_reference(torch.relu(x + bias), ptr)


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
def sum_relu_backward_kernel(grad, x, bias, ptr, to_x, to_bias, start, stop):
    """``to_bias [J, F]`` is what each jet gives to the gradient of the bias."""
    zero = np.float32(0)
    for j in range(start, stop):
        of_jet, total = grad[j], to_bias[j]
        for f in range(len(bias)):
            total[f] = zero
        for i in range(ptr[j], ptr[j + 1]):
            row, into = x[i], to_x[i]
            for f in range(len(bias)):
                into[f] = zero if row[f] + bias[f] <= zero else of_jet[f]
                total[f] += into[f]


@torch.library.custom_op("pyg_jets::segment_sum_relu", mutates_args=())
def _sum_relu(x: Tensor, bias: Tensor, ptr: Tensor) -> Tensor:
    check_pointer(ptr, len(x))
    if not use_float32_kernels(x):
        return sum_relu_reference(x, bias, ptr)
    out = x.new_empty(len(ptr) - 1, x.size(1))
    arrays = [t.detach().contiguous().numpy() for t in (x, bias, ptr, out)]
    over_jets(lambda a, b: sum_relu_kernel(*arrays, a, b), arrays[2])
    return out


@torch.library.custom_op("pyg_jets::segment_sum_relu_backward", mutates_args=())
def _sum_relu_backward(grad: Tensor, x: Tensor, bias: Tensor, ptr: Tensor) -> tuple[Tensor, Tensor]:
    if not use_float32_kernels(x):
        to_x = torch.where(x + bias <= 0, 0, expand_reference(grad, ptr, len(x)))
        return to_x, to_x.sum(0)
    to_x = torch.empty_like(x, memory_format=torch.contiguous_format)
    to_bias = torch.empty_like(grad)
    arrays = [t.detach().contiguous().numpy() for t in (grad, x, bias, ptr, to_x, to_bias)]
    over_jets(lambda a, b: sum_relu_backward_kernel(*arrays, a, b), arrays[3])
    return to_x, to_bias.sum(0)


@_sum_relu.register_fake
def _(x: Tensor, bias: Tensor, ptr: Tensor) -> Tensor:
    return x.new_empty(ptr.size(0) - 1, x.size(1))


@_sum_relu_backward.register_fake
def _(grad: Tensor, x: Tensor, bias: Tensor, ptr: Tensor) -> tuple[Tensor, Tensor]:
    return x.new_empty(x.shape), bias.new_empty(bias.shape)


def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.save_for_backward(*inputs)


def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
    x, bias, ptr = ctx.saved_tensors
    if torch.is_grad_enabled():  # a gradient of the gradient is asked for
        to_x = torch.where(x + bias <= 0, 0, segment_expand(grad, ptr, x.size(0)))
        return to_x, to_x.sum(0), None
    return *_sum_relu_backward(grad.contiguous(), x, bias, ptr), None


_sum_relu.register_autograd(backward, setup_context=setup_context)


@kernel
def expand_relu_kernel(h, jets, ptr, start, stop):
    zero, first = np.float32(0), ptr[start]
    for j in range(start, stop):
        of_jet = jets[j]
        for i in range(ptr[j] - first, ptr[j + 1] - first):
            row = h[i]
            for f in range(len(of_jet)):
                value = row[f] + of_jet[f]
                row[f] = zero if value <= zero else value  # a NaN stays one


def expand_relu_(h: Tensor, jets: Tensor, ptr: Tensor, start: int, stop: int) -> Tensor:
    r""":math:`\max(h_i + s_{j(i)}, 0)` in place, for the particles of jets ``start … stop - 1``.

    It is ``relu(h + segment_expand(jets, ptr, len(h)))`` of some jets, by a kernel that has no
    gradient: see :func:`pyg_jets.ops.kernel.use_inference_kernels`.

    Args:
        h: One row for each particle of these jets, ``[ptr[stop] - ptr[start], F]`` float32, on the
            CPU; overwritten.
        jets: One row for each jet of the batch, ``[J, F]`` float32.
        ptr: Ragged pointer ``[J + 1]`` int64.
        start: The first jet.
        stop: The jet after the last.

    Examples:
        >>> h, jets = torch.tensor([[1.0], [-2.0]]), torch.tensor([[9.0], [1.0]])
        >>> expand_relu_(h, jets, torch.tensor([0, 3, 5]), 1, 2).flatten()
        tensor([2., 0.])
    """
    arrays = (t.detach().numpy() for t in (h, jets, ptr))
    expand_relu_kernel(*arrays, start, stop)
    return h
