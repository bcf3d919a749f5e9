r"""Sorting the values of each jet, column by column."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from pyg_jets.ops.kernel import kernel, over_jets, use_float32_kernels
from pyg_jets.ops.pointer import check_pointer, check_ragged, ptr_to_batch

__all__ = ["segment_sort", "segment_sort_reference"]

#: Up to so many values an insertion sort is the fastest.
_FEW = 48


def segment_sort(x: Tensor, ptr: Tensor) -> Tensor:
    """The values of each jet in rising order, each column on its own.

    Args:
        x: One row a particle, ``[N, F]``.
        ptr: Ragged pointer ``[J + 1]`` int64.

    Shapes:
        - **output:** ``[N, F]``, differentiable: a gradient goes to where its value came from

    Raises:
        ValueError: If ``x`` and ``ptr`` do not fit together.

    Examples:
        >>> x = torch.tensor([[3.0, 1.0], [2.0, 4.0], [9.0, 8.0], [0.0, 9.0]])
        >>> segment_sort(x, torch.tensor([0, 2, 4]))
        tensor([[2., 1.],
                [3., 4.],
                [0., 8.],
                [9., 9.]])
    """
    check_ragged(x, ptr)
    return _sort(x, ptr)[0]


def segment_sort_reference(x: Tensor, ptr: Tensor) -> tuple[Tensor, Tensor]:
    """:func:`segment_sort` in plain torch: by value, then stably by jet.

    Args:
        x: One row a particle, ``[N, F]``.
        ptr: Ragged pointer ``[J + 1]`` int64.

    Returns:
        The sorted values, and the row that each came from, ``[N, F]`` each.
    """
    by_value = x.argsort(dim=0, stable=True)
    jet = ptr_to_batch(ptr, len(x))[by_value]
    rows = by_value.gather(0, jet.argsort(dim=0, stable=True))
    return x.gather(0, rows), rows


@kernel
def sort_kernel(columns, ptr, out, rows, start, stop):
    """``columns``, ``out`` and ``rows`` are ``[F, N]``: the values of a jet are neighbours."""
    for j in range(start, stop):
        first, last = ptr[j], ptr[j + 1]
        for f in range(columns.shape[0]):
            values, into, came_from = columns[f], out[f], rows[f]
            if last - first > _FEW:
                order = np.argsort(values[first:last], kind="mergesort")
                for i in range(first, last):
                    came_from[i] = first + order[i - first]
                    into[i] = values[came_from[i]]
                continue
            for i in range(first, last):
                value, k = values[i], i
                while k > first and into[k - 1] > value:
                    into[k], came_from[k] = into[k - 1], came_from[k - 1]
                    k -= 1
                into[k], came_from[k] = value, i


@torch.library.custom_op("pyg_jets::segment_sort", mutates_args=())
def _sort(x: Tensor, ptr: Tensor) -> tuple[Tensor, Tensor]:
    check_pointer(ptr, len(x))
    if not use_float32_kernels(x):
        return segment_sort_reference(x, ptr)
    columns = x.detach().t().contiguous()
    out, rows = torch.empty_like(columns), torch.empty_like(columns, dtype=torch.int64)
    arrays = [tensor.numpy() for tensor in (columns, ptr.contiguous(), out, rows)]
    over_jets(lambda a, b: sort_kernel(*arrays, a, b), arrays[1], copies=x.size(1))
    return out.t().contiguous(), rows.t().contiguous()


@_sort.register_fake
def _(x: Tensor, ptr: Tensor) -> tuple[Tensor, Tensor]:
    return x.new_empty(x.shape), x.new_empty(x.shape, dtype=torch.int64)


def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.save_for_backward(output[1])
    ctx.mark_non_differentiable(output[1])


def backward(ctx: Any, grad: Tensor, _: Any) -> tuple[Tensor, None]:
    (rows,) = ctx.saved_tensors
    return torch.zeros_like(grad).scatter(0, rows, grad), None


_sort.register_autograd(backward, setup_context=setup_context)
