r"""The product of a table that all jets share and a matrix of each jet: a ragged set decoder."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pyg_jets.errors import InputError
from pyg_jets.ops.kernel import kernel, over_jets, use_float32_kernels
from pyg_jets.ops.pointer import check_pointer, ptr_to_batch

__all__ = ["table_product", "table_product_reference"]


def table_product(
    table: Tensor, factor: Tensor, ptr: Tensor, n_particles: int | None = None
) -> Tensor:
    r"""Rows of a table times the matrix of each jet; a jet of n particles uses the first n rows.

    .. math::
        x_{ji} = \sum_k T_{ik}\, W_{jk}, \quad i = 0 \dots n_j - 1

    Nothing is computed for rows that a jet does not use.

    Args:
        table: The table T, ``[S, K]``.
        factor: A matrix for each jet, ``[J, D, K]``.
        ptr: Ragged pointer ``[J + 1]`` int64; no jet has more than S particles.
        n_particles: N, where it is known. Default: read from ``ptr``.

    Returns:
        ``[N, D]``, differentiable in ``table`` and ``factor``.

    Raises:
        ValueError: If shapes do not fit, or a jet has more particles than the table has rows.

    Examples:
        >>> table = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
        >>> factor = torch.tensor([[[2.0, 3.0]], [[5.0, 7.0]]])
        >>> table_product(table, factor, torch.tensor([0, 3, 4])).flatten()
        tensor([2., 3., 5., 5.])
    """
    if table.dim() != 2 or factor.dim() != 3 or table.size(1) != factor.size(2):
        raise InputError(
            f"Expected table [S, K] and factor [J, D, K], but got {list(table.shape)} and "
            f"{list(factor.shape)}."
        )
    if len(factor) != ptr.size(0) - 1:
        raise InputError(
            f"Expected a matrix for each of {ptr.size(0) - 1} jets, but got {len(factor)}."
        )
    dtype = torch.promote_types(table.dtype, factor.dtype)
    n_particles = int(ptr[-1]) if n_particles is None else n_particles
    return _product(table.to(dtype), factor.to(dtype), ptr, n_particles)


def _check_sizes(ptr: Tensor, rows: int) -> None:
    counts = ptr.diff()
    if ptr.device.type == "cpu" and counts.numel() and int(counts.max()) > rows:
        jet = int(counts.argmax())
        raise InputError(
            f"Jet {jet} has {int(counts[jet])} particles, but the table has {rows} rows, expected "
            "at least as many: make it larger (max_particles), or cut the jets."
        )


def table_product_reference(table: Tensor, factor: Tensor, ptr: Tensor, n_particles: int) -> Tensor:
    """:func:`table_product` in plain torch: the product with the whole table, then the rows used.

    Args:
        table: The table, ``[S, K]``.
        factor: A matrix for each jet, ``[J, D, K]``.
        ptr: Ragged pointer ``[J + 1]`` int64.
        n_particles: N.
    """
    every = torch.einsum("sk,jdk->jsd", table, factor)
    jet = ptr_to_batch(ptr, n_particles)
    row = torch.arange(len(jet), device=ptr.device) - ptr[jet]
    return every[jet, row]


def _backward_reference(
    grad: Tensor, table: Tensor, factor: Tensor, ptr: Tensor
) -> tuple[Tensor, Tensor]:
    jet = ptr_to_batch(ptr, len(grad))
    row = torch.arange(len(jet), device=ptr.device) - ptr[jet]
    every = grad.new_zeros(len(factor), len(table), grad.size(1))
    every = every.index_put((jet, row), grad)
    to_table = torch.einsum("jsd,jdk->sk", every, factor)
    return to_table, torch.einsum("jsd,sk->jdk", every, table)


@kernel(fastmath={"contract"})
def product_kernel(turned, factor, ptr, out, start, stop):
    """``turned [K, S]`` and ``out [D, N]``: consecutive rows of a jet are neighbours in memory.

    Four terms of the sum are added in one pass, so that the sum is loaded and stored less often.
    """
    terms = turned.shape[0]
    whole = terms - terms % 4
    for j in range(start, stop):
        first, n = ptr[j], ptr[j + 1] - ptr[j]
        for d in range(out.shape[0]):
            into = out[d, first : first + n]
            into[:] = 0.0
            for k in range(0, whole, 4):
                a, b = factor[j, d, k], factor[j, d, k + 1]
                c, e = factor[j, d, k + 2], factor[j, d, k + 3]
                first_row, second_row = turned[k], turned[k + 1]
                third_row, fourth_row = turned[k + 2], turned[k + 3]
                for i in range(n):
                    into[i] += (a * first_row[i] + b * second_row[i]) + (
                        c * third_row[i] + e * fourth_row[i]
                    )
            for k in range(whole, terms):
                a, row = factor[j, d, k], turned[k]
                for i in range(n):
                    into[i] += a * row[i]


@kernel(fastmath={"contract"})
def factor_gradient_kernel(grad, table, ptr, to_factor, start, stop):
    for j in range(start, stop):
        for d in range(to_factor.shape[1]):
            into = to_factor[j, d]
            into[:] = 0.0
            for i in range(ptr[j], ptr[j + 1]):
                value, row = grad[i, d], table[i - ptr[j]]
                for k in range(len(into)):
                    into[k] += value * row[k]


@kernel(fastmath={"contract"})
def table_gradient_kernel(grad, factor, ptr, to_table):
    """The gradient of rows of the table that all jets give to, one jet after the other."""
    to_table[:] = 0.0
    for j in range(len(ptr) - 1):
        for i in range(ptr[j], ptr[j + 1]):
            into = to_table[i - ptr[j]]
            for d in range(grad.shape[1]):
                value, row = grad[i, d], factor[j, d]
                for k in range(len(into)):
                    into[k] += value * row[k]


@torch.library.custom_op("pyg_jets::table_product", mutates_args=())
def _product(table: Tensor, factor: Tensor, ptr: Tensor, n_particles: int) -> Tensor:
    check_pointer(ptr, n_particles)
    _check_sizes(ptr, len(table))
    if not use_float32_kernels(table, factor):
        with torch.autocast(table.device.type, enabled=False):
            return table_product_reference(table, factor, ptr, n_particles)
    out = table.new_empty(factor.size(1), n_particles)
    arrays = [t.detach().contiguous().numpy() for t in (table.t(), factor, ptr)]
    made = out.numpy()
    over_jets(lambda a, b: product_kernel(*arrays, made, a, b), arrays[2])
    return out.t().contiguous()


@torch.library.custom_op("pyg_jets::table_product_backward", mutates_args=())
def _product_backward(
    grad: Tensor, table: Tensor, factor: Tensor, ptr: Tensor
) -> tuple[Tensor, Tensor]:
    if not use_float32_kernels(table, factor, grad):
        return _backward_reference(grad, table, factor, ptr)
    to_table = torch.empty_like(table, memory_format=torch.contiguous_format)
    to_factor = torch.empty_like(factor, memory_format=torch.contiguous_format)
    given = [t.detach().contiguous().numpy() for t in (grad, table, factor, ptr)]
    over_jets(
        lambda a, b: factor_gradient_kernel(given[0], given[1], given[3], to_factor.numpy(), a, b),
        given[3],
    )
    table_gradient_kernel(given[0], given[2], given[3], to_table.numpy())
    return to_table, to_factor


@_product.register_fake
def _(table: Tensor, factor: Tensor, ptr: Tensor, n_particles: int) -> Tensor:
    return table.new_empty(n_particles, factor.size(1))


@_product_backward.register_fake
def _(grad: Tensor, table: Tensor, factor: Tensor, ptr: Tensor) -> tuple[Tensor, Tensor]:
    return table.new_empty(table.shape), factor.new_empty(factor.shape)


def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.save_for_backward(*inputs[:3])


def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None]:
    table, factor, ptr = ctx.saved_tensors
    if torch.is_grad_enabled():  # a gradient of the gradient is asked for
        return *_backward_reference(grad, table, factor, ptr), None, None
    return *_product_backward(grad, table, factor, ptr), None, None


_product.register_autograd(backward, setup_context=setup_context)
