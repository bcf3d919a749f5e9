r"""Reductions over each jet: sum, mean and maximum of the rows ``ptr[j] … ptr[j + 1] - 1``."""

from __future__ import annotations

import importlib
import os
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pyg_jets.ops.kernel import kernel, over_jets, use_kernels
from pyg_jets.ops.pointer import check_ragged, check_rising, ptr_to_batch

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

    Examples:
        >>> segment_mean(torch.tensor([[1.0], [2.0], [4.0]]), torch.tensor([0, 2, 2, 3]))
        tensor([[1.5000],
                [0.0000],
                [4.0000]])
    """
    return segment_sum(x, ptr) / ptr.diff().clamp(min=1).to(x.dtype).unsqueeze(-1)


def segment_max(x: Tensor, ptr: Tensor) -> Tensor:
    r"""Maximum over the particles of each jet, :math:`\max_{i \in j} x_i`; an empty jet gives 0.

    The gradient goes to the first particle that reaches the maximum. A NaN is a maximum.

    Args:
        x: One row a particle, ``[N, F]``.
        ptr: Ragged pointer ``[J + 1]`` int64.

    Shapes:
        - **output:** ``[J, F]``

    Examples:
        >>> segment_max(torch.tensor([[1.0], [2.0], [-4.0]]), torch.tensor([0, 2, 2, 3]))
        tensor([[ 2.],
                [ 0.],
                [-4.]])
    """
    check_ragged(x, ptr)
    return _max(x, ptr)[0]


def segment_expand(x: Tensor, ptr: Tensor, n_particles: int) -> Tensor:
    """Give each particle its jet's row: ``[J, F]`` → ``[N, F]``, the transpose of a sum.

    Args:
        x: One row a jet, ``[J, F]``.
        ptr: Ragged pointer ``[J + 1]`` int64.
        n_particles: ``N``, the last entry of ``ptr``.

    Examples:
        >>> segment_expand(torch.tensor([[1.0], [2.0]]), torch.tensor([0, 2, 3]), 3).flatten()
        tensor([1., 1., 2.])
    """
    return _expand(x, ptr, n_particles)


def _by_kernel(x: Tensor) -> bool:
    return x.dtype == torch.float32 and use_kernels(x)


def _arrays(*tensors: Tensor) -> list[np.ndarray]:
    return [t.detach().contiguous().numpy() for t in tensors]


@kernel
def sum_kernel(x, ptr, out, start, stop):
    for j in range(start, stop):
        for f in range(x.shape[1]):
            out[j, f] = 0.0
        for i in range(ptr[j], ptr[j + 1]):
            for f in range(x.shape[1]):
                out[j, f] += x[i, f]


@kernel
def expand_kernel(x, ptr, out, start, stop):
    for j in range(start, stop):
        for i in range(ptr[j], ptr[j + 1]):
            for f in range(x.shape[1]):
                out[i, f] = x[j, f]


@kernel
def max_kernel(x, ptr, out, where, start, stop):
    for j in range(start, stop):
        for f in range(x.shape[1]):
            out[j, f], where[j, f] = 0.0, -1
        for i in range(ptr[j], ptr[j + 1]):
            for f in range(x.shape[1]):
                value, best = x[i, f], out[j, f]
                is_nan = value != value and best == best
                if where[j, f] < 0 or value > best or is_nan:
                    out[j, f], where[j, f] = value, i


@cache
def _scatter() -> Any:
    """torch-scatter, where it is installed and ``PYG_JETS_SCATTER`` is not 0."""
    if os.environ.get("PYG_JETS_SCATTER") == "0":
        return None
    try:
        return importlib.import_module("torch_scatter")
    except (ImportError, OSError):  # not there, or built for another torch
        return None


def sum_reference(x: Tensor, ptr: Tensor) -> Tensor:
    """The sum on any device, by torch-scatter where it is installed, else in plain torch."""
    if scatter := _scatter():
        return scatter.segment_csr(x, ptr, reduce="sum")
    return x.new_zeros(len(ptr) - 1, x.size(1)).index_add_(0, ptr_to_batch(ptr), x)


def expand_reference(x: Tensor, ptr: Tensor) -> Tensor:
    """Each particle's jet's row, by torch-scatter where it is installed, else in plain torch."""
    if scatter := _scatter():
        return scatter.gather_csr(x, ptr)
    return x.index_select(0, ptr_to_batch(ptr))


def max_reference(x: Tensor, ptr: Tensor) -> tuple[Tensor, Tensor]:
    """The maximum and the first row that reaches it (-1 for an empty jet), in plain torch."""
    n, jets = len(x), ptr_to_batch(ptr).unsqueeze(-1).expand_as(x)
    out = x.new_zeros(len(ptr) - 1, x.size(1))
    out = out.scatter_reduce(0, jets, x, "amax", include_self=False)
    reached = (x == out.gather(0, jets)) | x.isnan()
    rows = torch.arange(n, device=x.device).unsqueeze(-1)
    first = torch.full(out.shape, n, device=x.device)
    first.scatter_reduce_(0, jets, torch.where(reached, rows, n), "amin")
    return out, torch.where(first == n, -1, first)


@torch.library.custom_op("pyg_jets::segment_sum", mutates_args=())
def _sum(x: Tensor, ptr: Tensor) -> Tensor:
    check_rising(ptr, len(x))
    if not _by_kernel(x):
        return sum_reference(x, ptr)
    out = x.new_empty(len(ptr) - 1, x.size(1))
    ps, xs, outs = _arrays(ptr, x, out)
    over_jets(lambda a, b: sum_kernel(xs, ps, outs, a, b), ps)
    return out


@torch.library.custom_op("pyg_jets::segment_expand", mutates_args=())
def _expand(x: Tensor, ptr: Tensor, n_particles: int) -> Tensor:
    check_rising(ptr, n_particles)
    if not _by_kernel(x):
        return expand_reference(x, ptr)
    out = x.new_empty(n_particles, x.size(1))
    ps, xs, outs = _arrays(ptr, x, out)
    over_jets(lambda a, b: expand_kernel(xs, ps, outs, a, b), ps)
    return out


@torch.library.custom_op("pyg_jets::segment_max", mutates_args=())
def _max(x: Tensor, ptr: Tensor) -> tuple[Tensor, Tensor]:
    check_rising(ptr, len(x))
    if not _by_kernel(x):
        return max_reference(x, ptr)
    out = x.new_empty(len(ptr) - 1, x.size(1))
    where = torch.empty(out.shape, dtype=torch.int64)
    ps, xs, outs, wheres = _arrays(ptr, x, out, where)
    over_jets(lambda a, b: max_kernel(xs, ps, outs, wheres, a, b), ps)
    return out, where


@torch.library.custom_op("pyg_jets::segment_put", mutates_args=())
def _put(x: Tensor, where: Tensor, n_particles: int) -> Tensor:
    # Row n_particles takes what belongs to no particle, and is cut off.
    out = x.new_zeros(n_particles + 1, x.size(1))
    out.scatter_(0, torch.where(where < 0, n_particles, where), x)
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
def _(x: Tensor, where: Tensor, n_particles: int) -> Tensor:
    return x.new_empty(n_particles, x.size(1))


def _save_ptr(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.save_for_backward(inputs[1])
    ctx.n_particles = inputs[0].size(0)


def _save_where(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.save_for_backward(output[1])
    ctx.mark_non_differentiable(output[1])
    ctx.n_particles = inputs[0].size(0)


_sum.register_autograd(
    lambda ctx, grad: (_expand(grad, *ctx.saved_tensors, ctx.n_particles), None),
    setup_context=_save_ptr,
)
_expand.register_autograd(
    lambda ctx, grad: (_sum(grad, *ctx.saved_tensors), None, None), setup_context=_save_ptr
)
_max.register_autograd(
    lambda ctx, grad, _: (_put(grad, *ctx.saved_tensors, ctx.n_particles), None),
    setup_context=_save_where,
)
