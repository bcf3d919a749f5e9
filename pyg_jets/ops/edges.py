r"""Sums over the two ends of each edge of a table of neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from pyg_jets.ops.buffers import pooled_empty
from pyg_jets.ops.edge_kernels import sum_back_kernel, sum_kernel
from pyg_jets.ops.kernel import over_jets, use_kernels
from pyg_jets.ops.pointer import check_pointer, check_ragged

__all__ = ["check_inside", "check_table", "edge_sum", "edge_sum_reference"]


def edge_sum(u: Tensor, v: Tensor, index: Tensor, ptr: Tensor) -> Tensor:
    r"""One row an edge, :math:`z_{im} = u_i + v_{j(i, m)}`: the first layer of an edge convolution.

    A linear layer of :math:`x_i \oplus (x_j - x_i)` is the sum of one of :math:`x_i` and one of
    :math:`x_j`, which are made once a particle instead of once an edge.

    Args:
        u: A row for each particle, ``[N, F]``.
        v: A row for each particle as a neighbour, ``[N, F]``.
        index: Neighbours ``[N, k]`` int64, rows of ``v`` in the same jet, or -1 for none.
        ptr: Ragged pointer ``[J + 1]`` int64.

    Shapes:
        - **output:** ``[N · k, F]``; where there is no neighbour, ``u`` alone

    Raises:
        ValueError: If the shapes do not fit together.

    Examples:
        >>> u, v = torch.tensor([[1.0], [2.0]]), torch.tensor([[10.0], [20.0]])
        >>> edge_sum(u, v, torch.tensor([[1], [0]]), torch.tensor([0, 2])).flatten()
        tensor([21., 12.])
    """
    check_ragged(u, ptr)
    check_table(u, index)
    if v.shape != u.shape:
        raise ValueError(
            f"Expected u and v of one shape, but got {list(u.shape)} and {list(v.shape)}."
        )
    return _edge_sum(u, v, index, ptr)


def check_table(x: Tensor, index: Tensor) -> None:
    """Check the shape of a table of neighbours of the particles ``x [N, F]``.

    Raises:
        ValueError: If it is none.
    """
    if index.dim() != 2 or index.dtype != torch.int64 or index.size(0) != x.size(0):
        raise ValueError(
            f"Expected a table of neighbours [{x.size(0)}, k] as int64, but got {index.dtype} of "
            f"shape {list(index.shape)}: knn(x, ptr, k) makes one."
        )


def edge_sum_reference(u: Tensor, v: Tensor, index: Tensor) -> Tensor:
    """The same in plain torch, on any device."""
    there = (index >= 0).unsqueeze(-1)
    return (u.unsqueeze(1) + v[index.clamp(min=0)] * there).flatten(0, 1)


@torch.library.custom_op("pyg_jets::edge_sum", mutates_args=())
def _edge_sum(u: Tensor, v: Tensor, index: Tensor, ptr: Tensor) -> Tensor:
    check_pointer(ptr, len(u))
    check_inside(index, ptr)
    if u.dtype != torch.float32 or not use_kernels(u, v):
        return edge_sum_reference(u, v, index)
    out = pooled_empty(u, index.numel(), u.size(1))
    *arrays, pointer, outs = (t.detach().contiguous().numpy() for t in (u, v, index, ptr, out))
    over_jets(
        lambda a, b: sum_kernel(*arrays, outs, pointer[a], pointer[b]),
        pointer,
        copies=max(index.size(1), 1),
    )
    return out


def check_inside(index: Tensor, ptr: Tensor) -> None:
    """Check, on the CPU, that each neighbour lies in the jet: a kernel must not write elsewhere.

    Raises:
        ValueError: With the first one that does not.
    """
    if index.device.type != "cpu" or index.numel() == 0:
        return
    array, pointer = index.numpy(), ptr.numpy()
    counts = np.diff(pointer)
    first, last = (np.repeat(edge, counts)[:, None] for edge in (pointer[:-1], pointer[1:]))
    wrong = (array >= last) | ((array < first) & (array >= 0)) | (array < -1)
    if wrong.any():
        i, m = (int(place[0]) for place in np.nonzero(wrong))
        raise ValueError(
            f"Expected neighbours in the jet of each particle, but neighbour {m} of particle {i} "
            f"is {array[i, m]}: the table belongs to another batch."
        )


@torch.library.custom_op("pyg_jets::edge_sum_backward", mutates_args=())
def _backward(grad: Tensor, index: Tensor, ptr: Tensor) -> tuple[Tensor, Tensor]:
    n, k = index.shape
    if grad.dtype != torch.float32 or not use_kernels(grad):
        rows = grad.view(n, k, grad.size(1))
        there = index >= 0
        to_v = grad.new_zeros(n, grad.size(1)).index_add(0, index[there], rows[there])
        return rows.sum(1), to_v
    to_u, to_v = grad.new_empty(n, grad.size(1)), grad.new_empty(n, grad.size(1))
    grads, table, *ends, pointer = (t.contiguous().numpy() for t in (grad, index, to_u, to_v, ptr))
    over_jets(
        lambda a, b: sum_back_kernel(grads, table, 0, *ends, pointer[a], pointer[b]),
        pointer,
        copies=max(k, 1),
    )
    return to_u, to_v


@_edge_sum.register_fake
def _(u: Tensor, v: Tensor, index: Tensor, ptr: Tensor) -> Tensor:
    return u.new_empty(index.size(0) * index.size(1), u.size(1))


@_backward.register_fake
def _(grad: Tensor, index: Tensor, ptr: Tensor) -> tuple[Tensor, Tensor]:
    shape = index.size(0), grad.size(1)
    return grad.new_empty(shape), grad.new_empty(shape)


def _save(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    _, _, index, ptr = inputs
    ctx.save_for_backward(index, ptr)


def _gradient(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None]:
    return *_backward(grad.contiguous(), *ctx.saved_tensors), None, None


_edge_sum.register_autograd(_gradient, setup_context=_save)
