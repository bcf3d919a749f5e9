"""What is known of a jet, added to each of its particles in one pass, and ReLU: no gradient."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from pyg_jets.ops.kernel import kernel, use_kernels

__all__ = ["cut_jets", "expand_relu_", "without_gradient"]


def without_gradient(*tensors: Tensor) -> bool:
    """Whether kernels that have no gradient serve these tensors, and nothing is compiled."""
    if torch.compiler.is_compiling():
        return False
    if torch.is_grad_enabled() and any(t.requires_grad for t in tensors):
        return False
    return all(t.dtype == torch.float32 for t in tensors) and use_kernels(*tensors)


def cut_jets(ptr: Tensor, n_particles: int) -> list[tuple[int, int]]:
    """Ranges of whole jets with about so many particles each.

    Args:
        ptr: Ragged pointer ``[J + 1]`` int64, on the CPU.
        n_particles: How many; a range of a single jet may have more.

    Examples:
        >>> cut_jets(torch.tensor([0, 2, 2, 5, 6]), 4)
        [(0, 3), (3, 4)]
    """
    marks = np.arange(0, int(ptr[-1]), n_particles)
    cuts = {0, len(ptr) - 1, *np.searchsorted(ptr.numpy(), marks).tolist()}
    return list(pairwise(sorted(cuts)))


@kernel
def expand_relu_kernel(h, shared, ptr, start, stop):
    zero, first = np.float32(0), ptr[start]
    for j in range(start, stop):
        known = shared[j]
        for i in range(ptr[j] - first, ptr[j + 1] - first):
            row = h[i]
            for f in range(len(known)):
                value = row[f] + known[f]
                row[f] = zero if value <= zero else value  # a NaN stays one


def expand_relu_(h: Tensor, shared: Tensor, ptr: Tensor, start: int, stop: int) -> Tensor:
    r""":math:`\max(h_i + s_j, 0)` in place, for the particles of the jets ``start … stop - 1``.

    Args:
        h: Of these particles, ``[ptr[stop] - ptr[start], F]`` float32, on the CPU.
        shared: Of all jets, ``[J, F]`` float32.
        ptr: Ragged pointer ``[J + 1]`` int64.
        start: The first jet.
        stop: The jet after the last.

    Examples:
        >>> h, shared = torch.tensor([[1.0], [-2.0]]), torch.tensor([[9.0], [1.0]])
        >>> expand_relu_(h, shared, torch.tensor([0, 3, 5]), 1, 2).flatten()
        tensor([2., 0.])
    """
    arrays = (t.detach().numpy() for t in (h, shared, ptr))
    expand_relu_kernel(*arrays, start, stop)
    return h
