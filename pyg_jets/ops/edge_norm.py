r"""Batch norm and ReLU of real edges, and their mean over a particle's edges, in few passes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from pyg_jets.ops.buffers import rented
from pyg_jets.ops.edge_kernels import (
    moments_kernel,
    norm_backward_kernel,
    norm_kernel,
    norm_mean_kernel,
    slopes_kernel,
)
from pyg_jets.ops.edges import check_edges
from pyg_jets.ops.kernel import over_jets, use_kernels
from pyg_jets.ops.pointer import check_rising

__all__ = ["edge_moments", "edge_norm_relu"]


def edge_moments(z: Tensor, index: Tensor, ptr: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and (biased) variance of each column over the real edges, in float64, without gradient.

    Args:
        z: One row an edge, ``[N · k, F]``.
        index: Neighbours ``[N, k]`` int64, -1 for none.
        ptr: Ragged pointer ``[J + 1]`` int64.

    Returns:
        Two tensors ``[F]``; zero and one where there is no edge.

    Examples:
        >>> z = torch.tensor([[1.0], [3.0], [9.0], [5.0]])
        >>> edge_moments(z, torch.tensor([[1, 1], [-1, 0]]), torch.tensor([0, 2]))[0]
        tensor([3.], dtype=torch.float64)
    """
    check_edges(z, index)
    return _moments(z.detach(), index, ptr)


def edge_norm_relu(
    z: Tensor,
    index: Tensor,
    ptr: Tensor,
    weight: Tensor,
    bias: Tensor,
    mean: Tensor,
    var: Tensor,
    eps: float = 1e-5,
    batch_statistics: bool = True,
    reduce: bool = False,
) -> Tensor:
    r"""Normalise each edge, apply ReLU, and with ``reduce`` take the mean of a particle's edges.

    .. math::
        a_e = \max\Big(w\,\frac{z_e - \mu}{\sqrt{\sigma^2 + \epsilon}} + b,\, 0\Big)

    Args:
        z: One row an edge, ``[N · k, F]``.
        index: Neighbours ``[N, k]`` int64; edges to -1 count for nothing.
        ptr: Ragged pointer ``[J + 1]`` int64.
        weight: ``[F]``.
        bias: ``[F]``.
        mean: μ, ``[F]``.
        var: σ², ``[F]``.
        eps: Keeps the root from zero.
        batch_statistics: Whether μ and σ² are those of :func:`edge_moments` of ``z``, through which
            the gradient then flows, or constants.
        reduce: Whether to take the mean over the edges of each particle; 0 where there is none.

    Shapes:
        - **output:** ``[N · k, F]``, or ``[N, F]`` with ``reduce``

    Raises:
        ValueError: If the shapes do not fit together.
    """
    check_edges(z, index)
    rows, mean, inverse = norm_rows(z, weight, bias, mean, var, eps)
    return _norm(z, index, ptr, weight, bias, rows, mean, inverse, batch_statistics, reduce)


def norm_rows(
    z: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, var: Tensor, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Scale and shift ``[2, F]`` of each column, μ, and 1/σ, as numbers of the kind of ``z``."""
    inverse = (var.double() + eps).rsqrt()
    scale = weight.double() * inverse
    rows = torch.stack((scale, bias.double() - mean.double() * scale))
    return rows.detach().to(z.dtype), mean.to(z.dtype), inverse.detach().to(z.dtype)


def slope_means(
    sums: Tensor, z: Tensor, index: Tensor, inverse: Tensor, batch_statistics: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """What the statistics take off each edge's gradient ``[2, F]``; the norm's own gradients."""
    to_bias, to_weight = sums[0].to(z), (sums[1].to(inverse) * inverse).to(z)
    means = torch.zeros_like(sums)
    if batch_statistics:
        n_real = (index >= 0).sum().clamp(min=1)
        means = torch.stack((sums[0], sums[1] * inverse.to(sums).square())) / n_real
    return means.to(z), to_weight, to_bias


def uses_kernels(z: Tensor) -> bool:
    """Whether kernels serve these edges."""
    return z.dtype == torch.float32 and use_kernels(z)


def arrays_of(*tensors: Tensor) -> list[np.ndarray]:
    """What a kernel reads and writes."""
    return [t.detach().contiguous().numpy() for t in tensors]


def summed(run: Any, ptr: np.ndarray, k: int, width: int) -> Tensor:
    """Sums ``[2, width]`` in float64 that each thread makes of its own jets."""
    parts: list[tuple[int, np.ndarray]] = []

    def one(a: int, b: int) -> None:
        sums = np.zeros((2, width))
        run(sums, ptr[a], ptr[b])
        parts.append((a, sums))

    over_jets(one, ptr, copies=max(k, 1))
    # In the order of the jets, so that the threads' order changes no last digit.
    ordered = [sums for _, sums in sorted(parts, key=lambda part: part[0])]
    return torch.from_numpy(np.sum(ordered, axis=0))


@torch.library.custom_op("pyg_jets::edge_moments", mutates_args=())
def _moments(z: Tensor, index: Tensor, ptr: Tensor) -> tuple[Tensor, Tensor]:
    check_rising(ptr, len(index))
    real = index.flatten() >= 0
    count = real.sum().clamp(min=1)
    if uses_kernels(z):
        zs, table, pointer = arrays_of(z, index, ptr)
        sums = summed(
            lambda s, a, b: moments_kernel(zs, table, s, a, b), pointer, index.size(1), z.size(1)
        )
    else:
        chosen = z.double() * real.unsqueeze(-1)
        sums = torch.stack((chosen.sum(0), chosen.square().sum(0)))
    mean = sums[0] / count
    var = (sums[1] / count - mean.square()).clamp(min=0)
    return mean, var if bool(real.any()) else torch.ones_like(var)


@_moments.register_fake
def _(z: Tensor, index: Tensor, ptr: Tensor) -> tuple[Tensor, Tensor]:
    shape = (z.size(1),)
    return (z.new_empty(shape, dtype=torch.float64), z.new_empty(shape, dtype=torch.float64))


@torch.library.custom_op("pyg_jets::edge_norm_relu", mutates_args=())
def _norm(
    z: Tensor,
    index: Tensor,
    ptr: Tensor,
    weight: Tensor,
    bias: Tensor,
    rows: Tensor,
    mean: Tensor,
    inverse: Tensor,
    batch_statistics: bool,
    reduce: bool,
) -> Tensor:
    n, k = index.shape
    check_rising(ptr, n)
    if not uses_kernels(z):
        real = (index >= 0).unsqueeze(-1)
        a = torch.relu(z * rows[0] + rows[1]).view(n, k, z.size(1)) * real
        return a.sum(1) / real.sum(1).clamp(min=1) if reduce else a.flatten(0, 1)
    out = rented(z, n if reduce else n * k, z.size(1))
    zs, table, scales, outs, pointer = arrays_of(z, index, rows, out, ptr)
    run = norm_mean_kernel if reduce else norm_kernel
    over_jets(
        lambda a, b: run(zs, table, scales, outs, pointer[a], pointer[b]),
        pointer,
        copies=max(k, 1),
    )
    return out


@_norm.register_fake
def _(z, index, ptr, weight, bias, rows, mean, inverse, batch_statistics, reduce):
    return z.new_empty(index.size(0) if reduce else z.size(0), z.size(1))


@torch.library.custom_op("pyg_jets::edge_norm_relu_backward", mutates_args=())
def _norm_backward(
    grad: Tensor,
    z: Tensor,
    index: Tensor,
    ptr: Tensor,
    rows: Tensor,
    mean: Tensor,
    inverse: Tensor,
    batch_statistics: bool,
    reduce: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    k, real = index.size(1), index >= 0
    by_kernel = uses_kernels(z)
    if by_kernel:
        arrays = arrays_of(grad, z, index, rows, mean)
        pointer = ptr.contiguous().numpy()
        sums = summed(
            lambda s, a, b: slopes_kernel(*arrays, reduce, s, a, b), pointer, k, z.size(1)
        )
    else:
        slope = grad / real.sum(1, keepdim=True).clamp(min=1) if reduce else grad
        slope = slope.repeat_interleave(k, 0) if reduce else slope
        opens = (z * rows[0] + rows[1] > 0) & real.view(-1, 1)
        slope = torch.where(opens, slope, 0)
        sums = torch.stack((slope.sum(0), (slope * (z - mean)).sum(0)))
    means, to_weight, to_bias = slope_means(sums, z, index, inverse, batch_statistics)
    if not by_kernel:
        out = rows[0] * (slope - means[0] - (z - mean) * means[1]) * real.view(-1, 1)
        return out, to_weight, to_bias
    out = rented(z, *z.shape)
    outs, both = out.numpy(), means.contiguous().numpy()
    over_jets(
        lambda a, b: norm_backward_kernel(*arrays, both, reduce, outs, pointer[a], pointer[b]),
        pointer,
        copies=max(k, 1),
    )
    return out, to_weight, to_bias


@_norm_backward.register_fake
def _(grad, z, index, ptr, rows, mean, inverse, batch_statistics, reduce):
    return z.new_empty(z.shape), z.new_empty(z.size(1)), z.new_empty(z.size(1))


def _save(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    z, index, ptr, _, _, rows, mean, inverse, ctx.batch_statistics, ctx.reduce = inputs
    ctx.save_for_backward(z, index, ptr, rows, mean, inverse)


def _gradient(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    out, to_weight, to_bias = _norm_backward(
        grad.contiguous(), *ctx.saved_tensors, ctx.batch_statistics, ctx.reduce
    )
    return out, None, None, to_weight, to_bias, None, None, None, None, None


_norm.register_autograd(_gradient, setup_context=_save)
