r"""Sum, mean and maximum over the particles of each jet, and the expansion of jets to particles.

Sum, mean and expansion are plain torch, or torch-scatter where it is installed: a kernel of our own
was slower. The maximum has a kernel, since torch needs three passes for the first row that reaches
it.
"""

from __future__ import annotations

import importlib
import os
from functools import cache
from typing import Any

import torch
from torch import Tensor

from pyg_jets.ops.kernel import kernel, over_jets, use_float32_kernels
from pyg_jets.ops.pointer import check_pointer, check_ragged, ptr_to_batch

__all__ = ["segment_expand", "segment_max", "segment_mean", "segment_sum"]


def segment_sum(x: Tensor, ptr: Tensor) -> Tensor:
    r"""Sum over the particles of each jet, :math:`s_j = \sum_{i \in j} x_i`; an empty jet gives 0.

    Args:
        x: One row a particle, ``[N, F]``.
        ptr: Ragged pointer ``[J + 1]`` int64.

    Shapes:
        - **output:** ``[J, F]``

    Raises:
        ValueError: If ``x`` and ``ptr`` do not fit together.

    Examples:
        >>> segment_sum(torch.tensor([[1.0], [2.0], [4.0]]), torch.tensor([0, 2, 2, 3]))
        tensor([[3.],
                [0.],
                [4.]])
    """
    check_ragged(x, ptr)
    return _sum(x, ptr)


def segment_mean(x: Tensor, ptr: Tensor) -> Tensor:
    r"""Mean over the particles of each jet, :math:`s_j / n_j`; an empty jet gives 0.

    Args:
        x: One row a particle, ``[N, F]``.
        ptr: Ragged pointer ``[J + 1]`` int64.

    Shapes:
        - **output:** ``[J, F]``

    Raises:
        ValueError: If ``x`` and ``ptr`` do not fit together.

    Examples:
        >>> segment_mean(torch.tensor([[1.0], [2.0], [4.0]]), torch.tensor([0, 2, 2, 3]))
        tensor([[1.5000],
                [0.0000],
                [4.0000]])
    """
    return segment_sum(x, ptr) / ptr.diff().clamp(min=1).to(x.dtype).unsqueeze(-1)


def segment_max(x: Tensor, ptr: Tensor) -> Tensor:
    r"""Maximum over the particles of each jet, :math:`\max_{i \in j} x_i`; an empty jet gives 0.

    The gradient goes to the first particle that reaches the maximum. A NaN counts as the maximum.

    Args:
        x: One row a particle, ``[N, F]``.
        ptr: Ragged pointer ``[J + 1]`` int64.

    Shapes:
        - **output:** ``[J, F]``

    Raises:
        ValueError: If ``x`` and ``ptr`` do not fit together.

    Examples:
        >>> segment_max(torch.tensor([[1.0], [2.0], [-4.0]]), torch.tensor([0, 2, 2, 3]))
        tensor([[ 2.],
                [ 0.],
                [-4.]])
    """
    check_ragged(x, ptr)
    return _max(x, ptr)[0]


def segment_expand(x: Tensor, ptr: Tensor, n_particles: int) -> Tensor:
    r"""Give each particle its jet's row, :math:`y_i = x_{j(i)}`: the transpose of the sum.

    Args:
        x: One row a jet, ``[J, F]``.
        ptr: Ragged pointer ``[J + 1]`` int64.
        n_particles: ``N``, the last entry of ``ptr``.

    Shapes:
        - **output:** ``[N, F]``

    Raises:
        ValueError: If ``ptr`` does not rise from 0 to ``n_particles``.

    Examples:
        >>> segment_expand(torch.tensor([[1.0], [2.0]]), torch.tensor([0, 2, 3]), 3).flatten()
        tensor([1., 1., 2.])
    """
    return _expand(x, ptr, n_particles)


def sum_reference(x: Tensor, ptr: Tensor) -> Tensor:
    """The sum, by torch-scatter where it is installed, else in plain torch."""
    if scatter := torch_scatter():
        return scatter.segment_csr(x, ptr, reduce="sum")
    return x.new_zeros(len(ptr) - 1, x.size(1)).index_add_(0, ptr_to_batch(ptr, len(x)), x)


def expand_reference(x: Tensor, ptr: Tensor, n_particles: int) -> Tensor:
    """The expansion, by torch-scatter where it is installed, else in plain torch."""
    if scatter := torch_scatter():
        return scatter.gather_csr(x, ptr)
    return x.index_select(0, ptr_to_batch(ptr, n_particles))


def max_reference(x: Tensor, ptr: Tensor) -> tuple[Tensor, Tensor]:
    """The maximum and the first row that reaches it (-1 for an empty jet), in plain torch."""
    n, jets = len(x), ptr_to_batch(ptr, len(x)).unsqueeze(-1).expand_as(x)
    out = x.new_zeros(len(ptr) - 1, x.size(1))
    out = out.scatter_reduce(0, jets, x, "amax", include_self=False)
    reached = (x == out.gather(0, jets)) | x.isnan()
    rows = torch.arange(n, device=x.device).unsqueeze(-1)
    first = torch.full(out.shape, n, device=x.device)
    first.scatter_reduce_(0, jets, torch.where(reached, rows, n), "amin")
    return out, torch.where(first == n, -1, first)


@cache
def torch_scatter() -> Any:
    """The module torch-scatter, or None without it or with ``PYG_JETS_SCATTER=0``."""
    if os.environ.get("PYG_JETS_SCATTER") == "0":
        return None
    try:
        return importlib.import_module("torch_scatter")
    except (ImportError, OSError):  # not installed, or built for another torch
        return None


@kernel
def max_kernel(x, ptr, out, argmax, start, stop):
    for j in range(start, stop):
        for f in range(x.shape[1]):
            out[j, f], argmax[j, f] = 0.0, -1
        for i in range(ptr[j], ptr[j + 1]):
            for f in range(x.shape[1]):
                value, best = x[i, f], out[j, f]
                first_nan = value != value and best == best
                if argmax[j, f] < 0 or value > best or first_nan:
                    out[j, f], argmax[j, f] = value, i


@torch.library.custom_op("pyg_jets::segment_sum", mutates_args=())
def _sum(x: Tensor, ptr: Tensor) -> Tensor:
    check_pointer(ptr, len(x))
    return sum_reference(x, ptr)


@torch.library.custom_op("pyg_jets::segment_expand", mutates_args=())
def _expand(x: Tensor, ptr: Tensor, n_particles: int) -> Tensor:
    check_pointer(ptr, n_particles)
    return expand_reference(x, ptr, n_particles)


@torch.library.custom_op("pyg_jets::segment_max", mutates_args=())
def _max(x: Tensor, ptr: Tensor) -> tuple[Tensor, Tensor]:
    check_pointer(ptr, len(x))
    if not use_float32_kernels(x):
        return max_reference(x, ptr)
    out = x.new_empty(len(ptr) - 1, x.size(1))
    argmax = torch.empty(out.shape, dtype=torch.int64)
    arrays = [t.detach().contiguous().numpy() for t in (x, ptr, out, argmax)]
    over_jets(lambda a, b: max_kernel(*arrays, a, b), arrays[1])
    return out, argmax


@torch.library.custom_op("pyg_jets::segment_put", mutates_args=())
def _put(grad: Tensor, argmax: Tensor, n_particles: int) -> Tensor:
    """The gradient of the maximum: that of each jet, put into the row that reaches it."""
    # One more row takes what belongs to no particle, and is cut off.
    out = grad.new_zeros(n_particles + 1, grad.size(1))
    out.scatter_(0, torch.where(argmax < 0, n_particles, argmax), grad)
    return out[:n_particles].clone()


@_sum.register_fake
def _(x: Tensor, ptr: Tensor) -> Tensor:
    return x.new_empty(ptr.size(0) - 1, x.size(1))


@_expand.register_fake
def _(x: Tensor, ptr: Tensor, n_particles: int) -> Tensor:
    return x.new_empty(n_particles, x.size(1))


@_max.register_fake
def _(x: Tensor, ptr: Tensor) -> tuple[Tensor, Tensor]:
    shape = (ptr.size(0) - 1, x.size(1))
    return x.new_empty(shape), x.new_empty(shape, dtype=torch.int64)


@_put.register_fake
def _(grad: Tensor, argmax: Tensor, n_particles: int) -> Tensor:
    return grad.new_empty(n_particles, grad.size(1))


def save_ptr(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.save_for_backward(inputs[1])
    ctx.n_particles = inputs[0].size(0)


def save_argmax(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.save_for_backward(output[1])
    ctx.mark_non_differentiable(output[1])
    ctx.n_particles = inputs[0].size(0)


# Sum and expansion are each other's gradient.
_sum.register_autograd(
    lambda ctx, grad: (_expand(grad, *ctx.saved_tensors, ctx.n_particles), None),
    setup_context=save_ptr,
)
_expand.register_autograd(
    lambda ctx, grad: (_sum(grad, *ctx.saved_tensors), None, None), setup_context=save_ptr
)
_max.register_autograd(
    lambda ctx, grad, _: (_put(grad, *ctx.saved_tensors, ctx.n_particles), None),
    setup_context=save_argmax,
)
