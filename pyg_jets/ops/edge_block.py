r"""An edge convolution with batch norm as one operation, whose activations are never stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from pyg_jets.ops.buffers import pooled_empty
from pyg_jets.ops.edge_back import Back
from pyg_jets.ops.edge_layers import Layers, added
from pyg_jets.ops.edge_pieces import Part, parts
from pyg_jets.ops.edges import check_inside, check_table
from pyg_jets.ops.kernel import in_threads
from pyg_jets.ops.pointer import check_pointer, check_ragged

__all__ = ["edge_block"]


def edge_block(
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
    r"""Layers of norm, ReLU and linear map on the edges of a table, and the mean over neighbours.

    .. math::
        z^{(1)}_{im} = u_i + v_{j(i,m)}, \quad
        z^{(l+1)}_{im} = W_l\, a^{(l)}_{im}, \quad
        a^{(l)} = \max\Big(w_l \frac{z^{(l)} - \mu_l}{\sqrt{\sigma_l^2 + \epsilon}} + b_l, 0\Big),
        \quad o_i = \frac{1}{n_i} \sum_m a^{(L)}_{im}

    Edges are worked on a few thousand at a time, so that activations stay in the cache between
    norm and product. The first layer is never stored, being a sum of two rows; of the others
    :math:`z` alone is kept, and activations are made anew for the gradient. With constant
    statistics and no gradient nothing is stored at all.

    Args:
        u: Of each particle, ``[N, F_1]``.
        v: Of each particle as a neighbour, ``[N, F_1]``.
        index: Neighbours ``[N, k]`` int64, rows of ``v`` in the same jet, or -1 for none.
        ptr: Ragged pointer ``[J + 1]`` int64.
        matrices: :math:`W_l`, of shapes ``[F_2, F_1], [F_3, F_2], …``; none for one layer.
        weight: :math:`w_l` of all layers, one after the other, ``[F_1 + … + F_L]``.
        bias: :math:`b_l`, the same.
        mean: :math:`\mu_l`, the same; not read with ``batch_statistics``.
        var: :math:`\sigma_l^2`, the same.
        eps: Keeps the root from zero.
        batch_statistics: Whether μ and σ² are those of the real edges at hand, through which the
            gradient then flows, or constants.

    Returns:
        ``o [N, F_L]``, 0 where there is no neighbour; μ and the (biased) σ² of each layer in
        float64, ``[F_1 + … + F_L]``, without gradient.

    Raises:
        ValueError: If the shapes do not fit together, or a neighbour is not in the particle's jet.

    Examples:
        >>> u, v = torch.tensor([[1.0], [2.0]]), torch.tensor([[10.0], [30.0]])
        >>> index, ptr, one = torch.tensor([[1], [0]]), torch.tensor([0, 2]), torch.ones(1)
        >>> o, mean, var = edge_block(u, v, index, ptr, [], one, 0 * one, 0 * one, one)
        >>> mean.tolist(), var.tolist()
        ([21.5], [90.25])
    """
    check_ragged(u, ptr)
    check_table(u, index)
    widths = _widths(u, v, matrices, (weight, bias, mean, var))
    statistics = torch.stack((mean.double(), var.double())).detach()
    inputs = (u, v, weight, bias, *matrices)
    keep = torch.is_grad_enabled() and any(t.requires_grad for t in inputs)
    flat = torch.cat([m.flatten() for m in matrices]) if matrices else u.new_empty(0)
    out, _, found = _block(
        u, v, index, ptr, flat, weight, bias, statistics, widths, eps, batch_statistics, keep
    )
    return out, found[0].detach(), found[1].detach()


def _widths(u: Tensor, v: Tensor, matrices: Sequence[Tensor], rows: Sequence[Tensor]) -> list[int]:
    if v.shape != u.shape:
        raise ValueError(
            f"Expected u and v of one shape, but got {list(u.shape)} and {list(v.shape)}."
        )
    widths = [u.size(1)]
    for number, matrix in enumerate(matrices):
        if matrix.dim() != 2 or matrix.size(1) != widths[-1]:
            raise ValueError(
                f"Expected matrix {number} of shape [F, {widths[-1]}], but got "
                f"{list(matrix.shape)}."
            )
        widths.append(matrix.size(0))
    for name, row in zip(("weight", "bias", "mean", "var"), rows, strict=True):
        if row.shape != (sum(widths),):
            raise ValueError(
                f"Expected {name} of shape [{sum(widths)}], a number for each of the widths "
                f"{widths}, but got {list(row.shape)}."
            )
    return widths


@torch.library.custom_op("pyg_jets::edge_block", mutates_args=())
def _block(
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
    keep: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    check_pointer(ptr, len(u))
    check_inside(index, ptr)
    layers = Layers(flat, weight, widths, eps)
    n_edges = index.numel()
    out = pooled_empty(u, len(u), widths[-1])
    stores = keep or batch_statistics
    saved = pooled_empty(u, n_edges * sum(widths[1:]) * stores, 1).flatten()
    stored = layers.stored(saved, n_edges) if stores else []
    jets = list(parts(u, v, index, ptr))
    if not batch_statistics:
        split = [row.split(widths) for row in statistics]
        rows = [layers.rows(i, bias, *row) for i, row in enumerate(zip(*split, strict=True))]
        in_threads(lambda part: _through(part, layers, rows, stored, out), jets)
        return out, saved, statistics.clone()
    found: list[Tensor] = []
    for layer in range(len(widths)):
        found.append(_statistics(jets, layers, layer, stored, found, bias, index))
    scales = layers.rows(layers.last, bias, *found[-1])

    def last(part: Part) -> None:
        z = stored[-1][part.edges] if stored else part.ends()
        part.mean(z, scales, out[part.particles])

    in_threads(last, jets)
    return out, saved, torch.cat(found, 1)


def _through(
    part: Part, layers: Layers, rows: Sequence[Tensor], stored: Sequence[Tensor], out: Tensor
) -> None:
    """Take some jets through all layers, whose statistics are known."""
    z = part.ends()
    for layer, matrix in enumerate(layers.matrices):
        into = stored[layer][part.edges] if stored else part.empty(matrix.size(0))
        z = torch.mm(part.activate(z, rows[layer]), matrix.t(), out=into)
    part.mean(z, rows[-1], out[part.particles])


def _statistics(
    jets: Sequence[Part],
    layers: Layers,
    layer: int,
    stored: Sequence[Tensor],
    found: Sequence[Tensor],
    bias: Tensor,
    index: Tensor,
) -> Tensor:
    """Make a layer of all jets out of the one before; its mean and variance ``[2, F]``."""
    rows = layers.rows(layer - 1, bias, *found[-1]) if layer else None
    centre = bias.new_zeros(layers.widths[layer])

    def make(part: Part) -> Tensor:
        z = part.ends() if layer < 2 else stored[layer - 2][part.edges]
        if rows is not None:
            into = stored[layer - 1][part.edges]
            z = torch.mm(part.activate(z, rows), layers.matrices[layer - 1].t(), out=into)
        return z

    def moments(part: Part) -> Tensor:
        return part.moments(make(part), centre)

    if jets and len(first := make(jets[0])):
        centre = first[0].clone()  # sums of what is above it lose fewer digits
    sums = added(in_threads(moments, jets), centre)
    count = (index >= 0).sum()
    above = sums / count.clamp(min=1)
    var = (above[1] - above[0].square()).clamp(min=0)
    there = count > 0
    mean = torch.where(there, above[0] + centre.double(), 0)
    return torch.stack((mean, torch.where(there, var, 1)))


@_block.register_fake
def _(u, v, index, ptr, flat, weight, bias, statistics, widths, eps, batch_statistics, keep):
    size = index.numel() * sum(widths[1:]) * (keep or batch_statistics)
    return u.new_empty(u.size(0), widths[-1]), u.new_empty(size), torch.empty_like(statistics)


def _save(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    u, v, index, ptr, flat, weight, bias, _, ctx.widths, ctx.eps, ctx.batch_statistics, _ = inputs
    _, saved, found = output
    ctx.set_materialize_grads(False)  # zeros as large as what is kept would be made, for nothing
    ctx.save_for_backward(u, v, index, ptr, flat, weight, bias, saved, found)


def _gradient(ctx: Any, grad: Tensor, *_: Any) -> tuple[Any, ...]:
    to_u, to_v, to_flat, to_weight, to_bias = _backward(
        grad.contiguous(), *ctx.saved_tensors, ctx.widths, ctx.eps, ctx.batch_statistics
    )
    return to_u, to_v, None, None, to_flat, to_weight, to_bias, *(None,) * 5


@torch.library.custom_op("pyg_jets::edge_block_backward", mutates_args=())
def _backward(
    grad: Tensor,
    u: Tensor,
    v: Tensor,
    index: Tensor,
    ptr: Tensor,
    flat: Tensor,
    weight: Tensor,
    bias: Tensor,
    saved: Tensor,
    found: Tensor,
    widths: list[int],
    eps: float,
    batch_statistics: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    back = Back(u, v, index, ptr, Layers(flat, weight, widths, eps), bias, saved, found)
    back.batch_statistics = batch_statistics
    return back.run(grad)


@_backward.register_fake
def _(grad, u, v, index, ptr, flat, weight, bias, saved, found, widths, eps, batch_statistics):
    return tuple(torch.empty_like(t) for t in (u, v, flat, weight, bias))


_block.register_autograd(_gradient, setup_context=_save)
