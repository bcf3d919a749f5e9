r"""The edge convolution of ParticleNet on a table of neighbours, as one operation.

On the blackboard, an edge convolution takes the edge of a particle :math:`i` and its neighbour
:math:`j` through linear layers without bias, each with batch norm and ReLU, and averages over the
neighbours of :math:`i`. (PyG, whose edges point to the particle that collects, would write
:math:`j \to i`.) ParticleNet's shortcut around it and the last ReLU are in
:class:`~pyg_jets.nn.EdgeConvBlock`.

.. math::
    z^{(1)}_{ij} = W_1\, (x_i \oplus (x_j - x_i)), \quad
    a^{(l)} = \max\Big(w_l \frac{z^{(l)} - \mu_l}{\sqrt{\sigma_l^2 + \epsilon}} + b_l, 0\Big), \quad
    z^{(l+1)}_{ij} = W_{l+1}\, a^{(l)}_{ij}, \quad
    o_i = \frac{1}{n_i} \sum_j a^{(L)}_{ij}

With :math:`W_1 = (A\ B)` the first layer is :math:`z^{(1)}_{ij} = (A - B)\, x_i + B\, x_j
= u_i + v_j`, the sum of two linear maps of particles, of which there are k times fewer than edges.
``EdgeConvBlock`` makes :math:`u` and :math:`v`; this operation begins with their sum.

:func:`edge_conv_reference` is the whole operation in plain torch. For float32 on the CPU the
kernels in :mod:`pyg_jets.ops.edge_conv_kernels` compute the same, faster and in less memory: they
pass over the edges once a layer, since the statistics of a norm need all of them first.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pyg_jets.ops.buffers import pooled_empty
from pyg_jets.ops.edge_conv_kernels import (
    EdgeConvKernels,
    edge_sum_backward_kernel,
    edge_sum_kernel,
)
from pyg_jets.ops.kernel import over_jets, use_float32_kernels
from pyg_jets.ops.pointer import check_pointer, check_ragged

__all__ = ["edge_conv", "edge_conv_reference", "edge_sum", "edge_sum_reference"]


def edge_sum_reference(u: Tensor, v: Tensor, index: Tensor) -> Tensor:
    """:func:`edge_sum` in plain torch, on any device and with torch's own gradient."""
    real = (index >= 0).unsqueeze(-1)
    of_neighbours = v.index_select(0, index.clamp(min=0).flatten()).view(*index.shape, v.size(1))
    return (u.unsqueeze(1) + of_neighbours * real).flatten(0, 1)


def edge_conv_reference(
    u: Tensor,
    v: Tensor,
    index: Tensor,
    matrices: Sequence[Tensor],
    weight: Tensor,
    bias: Tensor,
    mean: Tensor,
    var: Tensor,
    eps: float = 1e-5,
    batch_statistics: bool = True,
) -> tuple[Tensor, Tensor, Tensor]:
    """:func:`edge_conv` in plain torch, on any device and with torch's own gradient."""
    widths = [u.size(1), *(matrix.size(0) for matrix in matrices)]
    norm_of_layers = zip(*(t.split(widths) for t in (weight, bias, mean, var)), strict=True)
    real = (index >= 0).view(-1, 1)  # the table has entries without a neighbour
    n_edges = real.sum()
    z = edge_sum_reference(u, v, index)  # [N · k, F], one row an edge
    means, variances = [], []
    for layer, (w, b, mu, sigma2) in enumerate(norm_of_layers):
        if batch_statistics:  # of the real edges alone, summed in float64
            z64 = z.double()
            mu = torch.where(real, z64, 0).sum(0) / n_edges.clamp(min=1)
            sigma2 = torch.where(real, z64 - mu, 0).square().sum(0) / n_edges.clamp(min=1)
            sigma2 = torch.where(n_edges > 0, sigma2, 1)
        normalized = (z - mu.to(z.dtype)) * (sigma2.to(z.dtype) + eps).rsqrt()
        a = torch.where(real, torch.relu(w * normalized + b), 0)
        if layer < len(matrices):
            z = a @ matrices[layer].t()
        means.append(mu.detach().double())
        variances.append(sigma2.detach().double())
    n_neighbours = (index >= 0).sum(1, keepdim=True).clamp(min=1)
    out = a.view(*index.shape, widths[-1]).sum(1) / n_neighbours
    return out, torch.cat(means), torch.cat(variances)


def edge_conv(
    u: Tensor,
    v: Tensor,
    index: Tensor,
    ptr: Tensor,
    matrices: Sequence[Tensor],
    weight: Tensor,
    bias: Tensor,
    mean: Tensor,
    var: Tensor,
    eps: float = 1e-5,
    batch_statistics: bool = True,
) -> tuple[Tensor, Tensor, Tensor]:
    r"""Layers of batch norm, ReLU and linear map on edges, and the mean over the neighbours.

    .. math::
        z^{(1)}_{im} = u_i + v_{j(i,m)}, \quad
        z^{(l+1)}_{im} = W_{l+1}\, a^{(l)}_{im}, \quad
        a^{(l)} = \max\Big(w_l \frac{z^{(l)} - \mu_l}{\sqrt{\sigma_l^2 + \epsilon}} + b_l, 0\Big),
        \quad o_i = \frac{1}{n_i} \sum_m a^{(L)}_{im}

    Memory: the activations :math:`a` are never stored. The inputs :math:`z` of the norms, from the
    second layer on, are stored where they are needed again: for the gradient, and with the batch's
    statistics for the norm itself. With constant statistics and no gradient nothing is stored. The
    kernels take some thousand edges at a time, so that these stay in a core's cache.

    Any floating dtype and device is taken; the kernels serve float32 on the CPU.

    Args:
        u: The first layer's part of each particle, ``[N, F_1]``.
        v: The first layer's part of each particle as a neighbour, ``[N, F_1]``.
        index: Neighbours ``[N, k]`` int64, rows of ``v`` counted over the whole batch, in the same
            jet as the particle, or -1 for none. A particle may be its own neighbour, or one twice.
        ptr: Ragged pointer ``[J + 1]`` int64.
        matrices: :math:`W_2, \dots, W_L`, of shapes ``[F_2, F_1], [F_3, F_2], …``; empty for one
            layer.
        weight: :math:`w_l` of the norms of all layers, concatenated, ``[F_1 + … + F_L]``.
        bias: :math:`b_l` of the norms of all layers, concatenated.
        mean: :math:`\mu_l` of all layers, concatenated: the running means of the norms, which are
            not used with ``batch_statistics``.
        var: :math:`\sigma_l^2` of all layers likewise.
        eps: Added to the variance. Default: 1e-5.
        batch_statistics: Whether :math:`\mu` and :math:`\sigma^2` are those of the batch's edges,
            through which the gradient then flows, or the constants ``mean`` and ``var``. Table
            entries without a neighbour do not count.

    Returns:
        The output ``[N, F_L]``, 0 for particles without neighbours, and the means and (biased)
        variances that were used, float64 without gradient, ``[F_1 + … + F_L]``: 0 and 1 where the
        batch has no edge. Running statistics, with their unbiased variance, are the caller's.

    Raises:
        ValueError: If the shapes do not fit together, or, on the CPU, a neighbour is not in the
            particle's jet. Elsewhere that is not checked, as it would wait for the device.

    Source: `arXiv:1902.08570 <https://arxiv.org/abs/1902.08570>`_ (ParticleNet), after
    `arXiv:1801.07829 <https://arxiv.org/abs/1801.07829>`_ (DGCNN).

    Examples:
        >>> u, v = torch.tensor([[1.0], [2.0]]), torch.tensor([[10.0], [30.0]])
        >>> index, ptr = torch.tensor([[1], [0]]), torch.tensor([0, 2])  # each other's neighbour
        >>> weight, bias = torch.ones(1), torch.zeros(1)
        >>> running_mean, running_var = torch.zeros(1), torch.ones(1)
        >>> out, mean, var = edge_conv(
        ...     u, v, index, ptr, [], weight, bias, running_mean, running_var
        ... )
        >>> mean.tolist(), var.tolist()  # of z = (1 + 30, 2 + 10)
        ([21.5], [90.25])
        >>> out.round(decimals=3).tolist()  # ReLU of (31 - 21.5) / 9.5 and of (12 - 21.5) / 9.5
        [[1.0], [0.0]]
    """
    _check_shapes(u, v, index, ptr)
    widths = [u.size(1)]
    for layer, matrix in enumerate(matrices, start=2):
        if matrix.dim() != 2 or matrix.size(1) != widths[-1]:
            raise ValueError(
                f"Expected matrix W_{layer} of shape [F, {widths[-1]}], but got "
                f"{list(matrix.shape)}."
            )
        widths.append(matrix.size(0))
    for name, row in (("weight", weight), ("bias", bias), ("mean", mean), ("var", var)):
        if row.shape != (sum(widths),):
            raise ValueError(
                f"Expected {name} of shape [{sum(widths)}], a number for each of the widths "
                f"{widths}, but got {list(row.shape)}."
            )
    inputs = (u, v, weight, bias, *matrices)
    if not use_float32_kernels(*inputs):  # another dtype or device, or kernels switched off
        check_neighbours(index, ptr, len(u))
        norms = weight, bias, mean, var
        return edge_conv_reference(u, v, index, matrices, *norms, eps, batch_statistics)
    needs_grad = torch.is_grad_enabled() and any(t.requires_grad for t in inputs)
    statistics = torch.stack((mean.double(), var.double())).detach()
    flat = flatten_matrices(matrices, u)
    out, _, used = _edge_conv(
        u, v, index, ptr, flat, weight, bias, statistics, widths, eps, batch_statistics, needs_grad
    )
    return out, used[0], used[1]


def edge_sum(u: Tensor, v: Tensor, index: Tensor, ptr: Tensor) -> Tensor:
    r"""The first layer of an edge convolution, one row an edge, :math:`z_{im} = u_i + v_{j(i, m)}`.

    It is for edge convolutions that :func:`edge_conv` does not cover, such as those that take the
    maximum over the neighbours; these have to leave out the rows of entries without a neighbour.

    Args:
        u: The first layer's part of each particle, ``[N, F]``.
        v: The first layer's part of each particle as a neighbour, ``[N, F]``.
        index: Neighbours ``[N, k]`` int64, rows of ``v`` in the same jet, or -1 for none.
        ptr: Ragged pointer ``[J + 1]`` int64.

    Shapes:
        - **output:** ``[N · k, F]``; where there is no neighbour, ``u`` alone

    Raises:
        ValueError: If the shapes do not fit together, or a neighbour is not in the particle's jet.

    Examples:
        >>> u, v = torch.tensor([[1.0], [2.0]]), torch.tensor([[10.0], [20.0]])
        >>> edge_sum(u, v, torch.tensor([[1], [0]]), torch.tensor([0, 2])).flatten()
        tensor([21., 12.])
    """
    _check_shapes(u, v, index, ptr)
    if not use_float32_kernels(u, v):
        check_neighbours(index, ptr, len(u))
        return edge_sum_reference(u, v, index)
    return _edge_sum(u, v, index, ptr)


def _check_shapes(u: Tensor, v: Tensor, index: Tensor, ptr: Tensor) -> None:
    check_ragged(u, ptr)
    if index.dim() != 2 or index.dtype != torch.int64 or index.size(0) != u.size(0):
        raise ValueError(
            f"Expected a table of neighbours [{u.size(0)}, k] as int64, but got {index.dtype} of "
            f"shape {list(index.shape)}: knn(x, ptr, k) makes one."
        )
    if v.shape != u.shape:
        raise ValueError(
            f"Expected u and v of one shape, but got {list(u.shape)} and {list(v.shape)}."
        )


def check_neighbours(index: Tensor, ptr: Tensor, n_particles: int) -> None:
    """Check, for tensors on the CPU, that each neighbour lies in the particle's jet.

    A kernel relies on it: threads that work on other jets must never write to the same rows. On
    another device nothing is checked, since reading the values would wait for the device, nor
    while ``torch.compile`` traces, when there are no values.

    Args:
        index: Neighbours ``[N, k]`` int64, or -1 for none.
        ptr: Ragged pointer ``[J + 1]`` int64.
        n_particles: ``N``.

    Raises:
        ValueError: Naming the first neighbour that does not.
    """
    check_pointer(ptr, n_particles)
    if index.device.type != "cpu" or index.numel() == 0 or torch.compiler.is_compiling():
        return
    array, pointer = index.numpy(), ptr.numpy()
    counts = np.diff(pointer)
    start, stop = (np.repeat(bound, counts)[:, None] for bound in (pointer[:-1], pointer[1:]))
    is_wrong = (array >= stop) | ((array < start) & (array >= 0)) | (array < -1)
    if is_wrong.any():
        i, m = (int(place[0]) for place in np.nonzero(is_wrong))
        raise ValueError(
            f"Expected neighbours in the jet of each particle, but neighbour {m} of particle {i} "
            f"is {array[i, m]}: the table belongs to another batch."
        )


@torch.library.custom_op("pyg_jets::edge_conv", mutates_args=(), device_types="cpu")
def _edge_conv(
    u: Tensor,
    v: Tensor,
    index: Tensor,
    ptr: Tensor,
    flat: Tensor,
    weight: Tensor,
    bias: Tensor,
    statistics: Tensor,
    widths: list[int],
    eps: float,
    batch_statistics: bool,
    needs_grad: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """The output, what the gradient needs of the edges, and the statistics ``[2, F_1 + … + F_L]``.

    ``flat`` holds all matrices, and the rows of ``statistics`` are mean and variance.
    """
    check_neighbours(index, ptr, len(u))
    matrices = split_matrices(flat, widths)
    kernels = EdgeConvKernels(u, v, index, ptr, matrices, weight, bias, eps)
    return kernels.forward(statistics, batch_statistics, needs_grad)


@torch.library.custom_op("pyg_jets::edge_conv_backward", mutates_args=(), device_types="cpu")
def _edge_conv_backward(
    grad: Tensor,
    u: Tensor,
    v: Tensor,
    index: Tensor,
    ptr: Tensor,
    flat: Tensor,
    weight: Tensor,
    bias: Tensor,
    saved: Tensor,  # z of the layers from the second on, flat
    statistics: Tensor,
    widths: list[int],
    eps: float,
    batch_statistics: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The gradients of ``u``, ``v``, ``flat``, ``weight`` and ``bias``."""
    matrices = split_matrices(flat, widths)
    kernels = EdgeConvKernels(u, v, index, ptr, matrices, weight, bias, eps)
    to_u, to_v, to_matrices, to_weight, to_bias = kernels.backward(
        grad, saved, statistics, batch_statistics
    )
    return to_u, to_v, flatten_matrices(to_matrices, grad), to_weight, to_bias


def flatten_matrices(matrices: Sequence[Tensor], like: Tensor) -> Tensor:
    """All matrices as one flat tensor; without any, an empty one like ``like``."""
    return torch.cat([m.flatten() for m in matrices]) if matrices else like.new_empty(0)


def split_matrices(flat: Tensor, widths: Sequence[int]) -> list[Tensor]:
    """The matrices ``[F_2, F_1], [F_3, F_2], …`` out of one flat tensor."""
    shapes = [(after, before) for before, after in pairwise(widths)]
    blocks = flat.split([after * before for after, before in shapes]) if shapes else ()
    return [block.view(shape) for block, shape in zip(blocks, shapes, strict=True)]


@torch.library.custom_op("pyg_jets::edge_sum", mutates_args=(), device_types="cpu")
def _edge_sum(u: Tensor, v: Tensor, index: Tensor, ptr: Tensor) -> Tensor:
    check_neighbours(index, ptr, len(u))
    out = pooled_empty(u, index.numel(), u.size(1))
    arrays = [t.detach().contiguous().numpy() for t in (u, v, index, out)]
    pointer, k = ptr.contiguous().numpy(), max(index.size(1), 1)
    over_jets(lambda a, b: edge_sum_kernel(*arrays, pointer[a], pointer[b]), pointer, copies=k)
    return out


@torch.library.custom_op("pyg_jets::edge_sum_backward", mutates_args=(), device_types="cpu")
def _edge_sum_backward(grad: Tensor, index: Tensor, ptr: Tensor) -> tuple[Tensor, Tensor]:
    to_u, to_v = (grad.new_empty(len(index), grad.size(1)) for _ in range(2))
    grads, table, pointer = (t.contiguous().numpy() for t in (grad, index, ptr))
    u_grads, v_grads = to_u.numpy(), to_v.numpy()
    over_jets(
        lambda a, b: edge_sum_backward_kernel(
            grads, table, 0, u_grads, v_grads, pointer[a], pointer[b]
        ),
        pointer,
        copies=max(index.size(1), 1),
    )
    return to_u, to_v


@_edge_conv.register_fake
def _(u, v, index, ptr, flat, weight, bias, statistics, widths, eps, batch_statistics, needs_grad):
    n_saved = index.numel() * sum(widths[1:]) * (needs_grad or batch_statistics)
    return u.new_empty(u.size(0), widths[-1]), u.new_empty(n_saved), torch.empty_like(statistics)


@_edge_conv_backward.register_fake
def _(grad, u, v, index, ptr, flat, weight, bias, saved, statistics, widths, eps, batch_statistics):
    return tuple(torch.empty_like(t) for t in (u, v, flat, weight, bias))


@_edge_sum.register_fake
def _(u: Tensor, v: Tensor, index: Tensor, ptr: Tensor) -> Tensor:
    return u.new_empty(index.size(0) * index.size(1), u.size(1))


@_edge_sum_backward.register_fake
def _(grad: Tensor, index: Tensor, ptr: Tensor) -> tuple[Tensor, Tensor]:
    shape = index.size(0), grad.size(1)
    return grad.new_empty(shape), grad.new_empty(shape)


def setup_conv(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    u, v, index, ptr, flat, weight, bias, _, *options, _ = inputs
    _, saved, statistics = output
    ctx.options = options  # widths, eps, batch_statistics
    ctx.mark_non_differentiable(saved, statistics)
    ctx.set_materialize_grads(False)  # zeros as large as ``saved`` would be made, for nothing
    ctx.save_for_backward(u, v, index, ptr, flat, weight, bias, saved, statistics)


def conv_backward(ctx: Any, grad: Tensor, *_: Any) -> tuple[Any, ...]:
    if not torch.is_grad_enabled():
        grads = tuple(_edge_conv_backward(grad.contiguous(), *ctx.saved_tensors, *ctx.options))
    else:  # a gradient of the gradient is asked for: it is the reference's
        u, v, index, _, flat, weight, bias, _, statistics = ctx.saved_tensors
        widths, eps, batch_statistics = ctx.options
        matrices, (mean, var) = split_matrices(flat, widths), statistics.float()
        out = edge_conv_reference(
            u, v, index, matrices, weight, bias, mean, var, eps, batch_statistics
        )[0]
        leaves = (u, v, flat, weight, bias)
        inputs = [t for t in leaves if t.requires_grad]
        of_inputs = iter(
            torch.autograd.grad(out, inputs, grad, create_graph=True, allow_unused=True)
        )
        grads = tuple(next(of_inputs) if t.requires_grad else None for t in leaves)
    to_u, to_v, to_flat, to_weight, to_bias = grads
    not_differentiable = (None,) * 5  # statistics, widths, eps, batch_statistics, needs_grad
    return to_u, to_v, None, None, to_flat, to_weight, to_bias, *not_differentiable


def setup_sum(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.save_for_backward(*inputs[2:])


def sum_backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    index, ptr = ctx.saved_tensors
    if torch.is_grad_enabled():  # a gradient of the gradient is asked for
        rows = grad.view(*index.shape, grad.size(1))
        to_v = rows.new_zeros(rows.size(0), rows.size(2)).index_add(
            0, index.clamp(min=0).flatten(), (rows * (index >= 0).unsqueeze(-1)).flatten(0, 1)
        )
        return rows.sum(1), to_v, None, None
    return *_edge_sum_backward(grad.contiguous(), index, ptr), None, None


_edge_conv.register_autograd(conv_backward, setup_context=setup_conv)
_edge_sum.register_autograd(sum_backward, setup_context=setup_sum)
