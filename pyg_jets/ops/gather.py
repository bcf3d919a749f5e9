r"""Take whole jets out of a ragged batch, in any order, with repeats: indexing by jet."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from pyg_jets.ops.kernel import kernel, over_jets, use_kernels
from pyg_jets.ops.pointer import check_pointer, check_ragged, counts_to_ptr, ptr_to_batch

__all__ = ["flat_view", "gather", "gather_reference", "ragged_rows"]


def gather(x: Tensor, ptr: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    r"""Take the jets ``index`` out of a batch, :math:`x' = x_{j_1} \oplus x_{j_2} \oplus \dots`

    It is ``x[index]`` where the rows of ``x`` are jets of different lengths.

    Args:
        x: One row a particle, ``[N, F]``.
        ptr: Ragged pointer ``[J + 1]`` int64.
        index: Numbers of the jets to take, ``[K]`` int64, each from 0 to J - 1.

    Shapes:
        - **output:** ``x' [N', F]`` and ``ptr' [K + 1]``

    Raises:
        ValueError: If ``x`` and ``ptr`` do not fit together.
        IndexError: If there is no such jet.

    Examples:
        >>> x, ptr = torch.tensor([[1.0], [2.0], [4.0]]), torch.tensor([0, 2, 3])
        >>> x, ptr = gather(x, ptr, torch.tensor([1, 0]))
        >>> x.flatten(), ptr
        (tensor([4., 1., 2.]), tensor([0, 1, 3]))
    """
    check_ragged(x, ptr)
    return _gather(x, ptr, index)


def gather_reference(x: Tensor, ptr: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    """:func:`gather` in plain torch, on any device."""
    _check_index(index, len(ptr) - 1)
    out_ptr = counts_to_ptr(ptr.diff()[index])
    return x[ragged_rows(ptr[index], out_ptr)], out_ptr


def _check_index(index: Tensor, n_jets: int) -> None:
    if len(index):
        low, high = (int(v) for v in torch.aminmax(index))
        if low < 0 or high >= n_jets:
            raise IndexError(
                f"Expected jets from 0 to {n_jets - 1}, but the index goes from {low} to {high}."
            )


def ragged_rows(starts: Tensor, out_ptr: Tensor) -> Tensor:
    """The row of the source for each row of the result.

    Args:
        starts: The first row of each jet in the source, ``[K]`` int64.
        out_ptr: Ragged pointer of the result, ``[K + 1]`` int64.
    """
    jet = ptr_to_batch(out_ptr)
    return (starts - out_ptr[:-1])[jet] + torch.arange(len(jet), device=jet.device)


@kernel
def locate_kernel(index, table, out):
    """Look indices up in a table, negative ones from its end; False if one is out of range."""
    for j in range(len(index)):
        row = index[j] + len(table) if index[j] < 0 else index[j]
        if row < 0 or row >= len(table):
            return False
        out[j] = table[row]
    return True


@kernel
def pointer_kernel(slices, index, starts, ptr):
    """First rows ``starts`` and new pointer ``ptr`` of the jets ``index``."""
    ptr[0] = 0
    for j in range(len(index)):
        starts[j] = slices[index[j]]
        ptr[j + 1] = ptr[j] + slices[index[j] + 1] - starts[j]


@kernel
def gather_kernel(source, starts, ptr, width, out, start, stop):
    """Copy the rows of the jets ``start … stop - 1``; a row is ``width`` items of a flat array."""
    for j in range(start, stop):
        n, begin, first = (ptr[j + 1] - ptr[j]) * width, ptr[j] * width, starts[j] * width
        # Indices that count from 0 cannot be negative, and the copy becomes one of whole vectors.
        target, jet = out[begin : begin + n], source[first : first + n]
        for i in range(n):
            target[i] = jet[i]


@kernel
def batch_kernel(ptr, out, start, stop):
    """Write the number of its jet to each particle: PyG's ``batch`` vector."""
    for j in range(start, stop):
        jet = out[ptr[j] : ptr[j + 1]]
        for i in range(len(jet)):
            jet[i] = j


def flat_view(x: Tensor) -> np.ndarray:
    """The memory of a contiguous tensor as a flat array of a few dtypes only.

    float32 and int64 stay; other dtypes are read as int32 or, where their size is not a multiple of
    four bytes, as bytes. So the kernels that copy are compiled four times at most.
    """
    if x.dtype in (torch.float32, torch.int64):
        return x.numpy().reshape(-1)
    flat = x.detach().view(-1)
    return flat.view(torch.int32 if x.element_size() % 4 == 0 else torch.uint8).numpy()


@torch.library.custom_op("pyg_jets::gather", mutates_args=())
def _gather(x: Tensor, ptr: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    check_pointer(ptr, len(x))
    if not use_kernels(x):
        return gather_reference(x, ptr, index)
    _check_index(index, len(ptr) - 1)
    out_ptr, starts = ptr.new_empty(len(index) + 1), np.empty(len(index), np.int64)
    out_pointer = out_ptr.numpy()
    pointer_kernel(ptr.contiguous().numpy(), index.contiguous().numpy(), starts, out_pointer)
    out = x.new_empty(int(out_pointer[-1]), x.size(1))
    source, target = flat_view(x.detach().contiguous()), flat_view(out)
    width = x.size(1) * x.element_size() // source.itemsize
    over_jets(
        lambda a, b: gather_kernel(source, starts, out_pointer, width, target, a, b), out_pointer
    )
    return out, out_ptr


@torch.library.custom_op("pyg_jets::gather_transpose", mutates_args=())
def _scatter(x: Tensor, ptr: Tensor, index: Tensor, out_ptr: Tensor, n: int) -> Tensor:
    """The gradient: jets are added to where they were taken from."""
    return x.new_zeros(n, x.size(1)).index_add_(0, ragged_rows(ptr[index], out_ptr), x)


@_gather.register_fake
def _(x: Tensor, ptr: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    n = torch.library.get_ctx().new_dynamic_size()
    return x.new_empty(n, x.size(1)), ptr.new_empty(index.size(0) + 1)


@_scatter.register_fake
def _(x: Tensor, ptr: Tensor, index: Tensor, out_ptr: Tensor, n: int) -> Tensor:
    return x.new_empty(n, x.size(1))


def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.save_for_backward(*inputs[1:], output[1])
    ctx.mark_non_differentiable(output[1])
    ctx.n_particles = inputs[0].size(0)


_gather.register_autograd(
    lambda ctx, grad, _: (_scatter(grad, *ctx.saved_tensors, ctx.n_particles), None, None),
    setup_context=setup_context,
)
