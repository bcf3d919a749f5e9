r"""Batch norm, ReLU and a linear layer of edges in one operation, which keeps its input alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from pyg_jets.ops.buffers import rented
from pyg_jets.ops.edge_kernels import masked_sums_kernel, norm_kernel, take_off_kernel
from pyg_jets.ops.edge_norm import (
    arrays_of,
    norm_rows,
    slope_means,
    summed,
    uses_kernels,
)
from pyg_jets.ops.edges import check_edges
from pyg_jets.ops.kernel import over_jets
from pyg_jets.ops.pointer import check_rising

__all__ = ["edge_norm_linear"]

#: Edges whose activations are held at once: they stay in the cache between ReLU and product.
_EDGES = 1 << 12


def edge_norm_linear(
    z: Tensor,
    index: Tensor,
    ptr: Tensor,
    norm_weight: Tensor,
    norm_bias: Tensor,
    mean: Tensor,
    var: Tensor,
    weight: Tensor,
    eps: float = 1e-5,
    batch_statistics: bool = True,
) -> Tensor:
    r"""``edge_norm_relu(z, …) @ weight.T``, without ever storing the activations.

    They are made anew for the gradient, a few thousand edges at a time: little work beside the
    product, and only ``z`` has to be kept.

    Args:
        z: One row an edge, ``[N · k, F]``.
        index: Neighbours ``[N, k]`` int64; edges to -1 give zero.
        ptr: Ragged pointer ``[J + 1]`` int64.
        norm_weight: Of the batch norm, ``[F]``.
        norm_bias: Of the batch norm, ``[F]``.
        mean: See :func:`~pyg_jets.ops.edge_norm_relu`.
        var: See there.
        weight: Of the linear layer, ``[F', F]``.
        eps: See there.
        batch_statistics: See there.

    Shapes:
        - **output:** ``[N · k, F']``

    Raises:
        ValueError: If the shapes do not fit together.
    """
    check_edges(z, index)
    rows, mean, inverse = norm_rows(z, norm_weight, norm_bias, mean, var, eps)
    return _norm_linear(
        z, index, ptr, norm_weight, norm_bias, rows, mean, inverse, weight, batch_statistics
    )


def _ranges(index: Tensor) -> Iterator[tuple[int, int]]:
    """Ranges of particles with about as many edges as are held at once."""
    n, k = index.shape
    step = max(_EDGES // max(k, 1), 1)
    for start in range(0, n, step):
        yield start, min(start + step, n)


def _activate(z: Tensor, index: Tensor, rows: Tensor, out: Tensor) -> None:
    """Write the activations of all edges of some particles."""
    if not uses_kernels(z):
        real = (index >= 0).view(-1, 1)
        out.copy_(torch.relu(z * rows[0] + rows[1]) * real)
        return
    zs, table, scales, outs = arrays_of(z, index, rows, out)
    pointer = torch.arange(0, len(index) + 1).numpy()
    over_jets(
        lambda a, b: norm_kernel(zs, table, scales, outs, a, b), pointer, copies=index.size(1)
    )


@torch.library.custom_op("pyg_jets::edge_norm_linear", mutates_args=())
def _norm_linear(
    z: Tensor,
    index: Tensor,
    ptr: Tensor,
    norm_weight: Tensor,
    norm_bias: Tensor,
    rows: Tensor,
    mean: Tensor,
    inverse: Tensor,
    weight: Tensor,
    batch_statistics: bool,
) -> Tensor:
    k = index.size(1)
    check_rising(ptr, len(index))
    out = rented(z, len(z), weight.size(0))
    held = rented(z, min(_EDGES + k, len(z)), z.size(1))
    for a, b in _ranges(index):
        part = held[: (b - a) * k]
        _activate(z[a * k : b * k], index[a:b], rows, part)
        torch.mm(part, weight.t(), out=out[a * k : b * k])
    return out


@torch.library.custom_op("pyg_jets::edge_norm_linear_backward", mutates_args=())
def _backward(
    grad: Tensor,
    z: Tensor,
    index: Tensor,
    ptr: Tensor,
    rows: Tensor,
    mean: Tensor,
    inverse: Tensor,
    weight: Tensor,
    batch_statistics: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    k = index.size(1)
    slope, held = rented(z, *z.shape), rented(z, min(_EDGES + k, len(z)), z.size(1))
    to_weight, sums = torch.zeros_like(weight), torch.zeros(2, z.size(1), dtype=torch.float64)
    for a, b in _ranges(index):
        edges = slice(a * k, b * k)
        part = held[: (b - a) * k]
        _activate(z[edges], index[a:b], rows, part)
        to_weight.addmm_(grad[edges].t(), part)
        torch.mm(grad[edges], weight, out=slope[edges])
        sums += _masked_sums(slope[edges], part, z[edges], k).to(sums)
    sums = sums.to(z.device)
    sums[1] -= mean.to(sums) * sums[0]
    means, to_scale, to_shift = slope_means(sums, z, index, inverse, batch_statistics)
    # scale · (slope - means[0] - (z - μ) · means[1]), as a line in z
    along = rows[0] * means[1]
    _take_off(slope, z, index, torch.stack((rows[0], rows[0] * means[0] - mean * along, along)))
    return slope, to_scale, to_shift, to_weight


def _masked_sums(slope: Tensor, a: Tensor, z: Tensor, k: int) -> Tensor:
    """Set gradients to zero where the ReLU is shut; add up the others, and those times z."""
    if not uses_kernels(z):
        slope.masked_fill_(a <= 0, 0)
        return torch.stack((slope.double().sum(0), (slope * z).double().sum(0)))
    arrays = arrays_of(slope, a, z)
    rows = torch.arange(0, len(z) + 1, max(k, 1)).numpy()
    return summed(lambda s, i, j: masked_sums_kernel(*arrays, s, i, j), rows, 1, z.size(1))


def _take_off(slope: Tensor, z: Tensor, index: Tensor, line: Tensor) -> None:
    """``slope · line[0] - line[1] - z · line[2]`` of all real edges, in place."""
    if not uses_kernels(z):
        slope.mul_(line[0]).sub_(line[1] + z * line[2])
        slope.mul_((index >= 0).view(-1, 1))
        return
    slopes, zs, table, lines = arrays_of(slope, z, index, line)
    rows = torch.arange(0, len(index) + 1).numpy()
    over_jets(
        lambda i, j: take_off_kernel(slopes, zs, table, lines, i, j), rows, copies=index.size(1)
    )


@_norm_linear.register_fake
def _(z, index, ptr, norm_weight, norm_bias, rows, mean, inverse, weight, batch_statistics):
    return z.new_empty(z.size(0), weight.size(0))


@_backward.register_fake
def _(grad, z, index, ptr, rows, mean, inverse, weight, batch_statistics):
    row = z.size(1)
    return z.new_empty(z.shape), z.new_empty(row), z.new_empty(row), weight.new_empty(weight.shape)


def _save(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    z, index, ptr, _, _, rows, mean, inverse, weight, ctx.batch_statistics = inputs
    ctx.save_for_backward(z, index, ptr, rows, mean, inverse, weight)


def _gradient(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    slope, to_scale, to_shift, to_weight = _backward(
        grad.contiguous(), *ctx.saved_tensors, ctx.batch_statistics
    )
    return slope, None, None, to_scale, to_shift, None, None, None, to_weight, None


_norm_linear.register_autograd(_gradient, setup_context=_save)
