"""What a block of edges is made of: each step for some jets, by a kernel or in plain torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from pyg_jets.ops import edge_kernels as kernels
from pyg_jets.ops.buffers import pooled_empty
from pyg_jets.ops.kernel import use_kernels

__all__ = ["Part", "parts"]

#: Edges that are worked on at once: their activations stay in the cache between two steps.
_EDGES = 1 << 11


class Part(NamedTuple):
    """Some jets and their edges; a step takes rows of edges of these, and no others.

    Args:
        u: Of both ends of all edges, ``[N, F]``.
        v: The same.
        table: The neighbours of these jets, ``[n, k]``, as rows of ``v``.
        real: Whether there is a neighbour, ``[n · k, 1]``, for plain torch.
        first: The first particle.
        by_kernel: Whether kernels do it.
    """

    u: Tensor
    v: Tensor
    table: Tensor
    real: Tensor
    first: int
    by_kernel: bool

    @property
    def particles(self) -> slice:
        """The rows of these particles."""
        return slice(self.first, self.first + len(self.table))

    @property
    def edges(self) -> slice:
        """The rows of these edges."""
        k = self.table.size(1)
        return slice(self.first * k, (self.first + len(self.table)) * k)

    def empty(self, width: int) -> Tensor:
        """A row for each edge."""
        return pooled_empty(self.u, self.table.numel(), width)

    def _run(self, kernel: Callable[..., None], *arguments: Tensor) -> None:
        kernel(*_arrays(arguments), 0, len(self.table))

    def _sums(self, kernel: Callable[..., None], rows: int, *arguments: Tensor) -> Tensor:
        """Sums ``[2, F]`` in float64."""
        sums = np.zeros((2, arguments[0].size(1)))
        kernel(*_arrays(arguments), sums, 0, rows)
        return torch.from_numpy(sums)

    def ends(self) -> Tensor:
        """The sum of both ends of each edge."""
        u = self.u[self.particles]
        if not self.by_kernel:
            there = (self.table >= 0).unsqueeze(-1)
            return (u.unsqueeze(1) + self.v[self.table.clamp(min=0)] * there).flatten(0, 1)
        out = self.empty(u.size(1))
        self._run(kernels.sum_kernel, u, self.v, self.table, out)
        return out

    def activate(self, z: Tensor, rows: Tensor) -> Tensor:
        """Norm and ReLU."""
        if not self.by_kernel:
            return torch.relu(z * rows[0] + rows[1]) * self.real
        out = self.empty(z.size(1))
        self._run(kernels.norm_kernel, z, self.table, rows, out)
        return out

    def mean(self, z: Tensor, rows: Tensor, out: Tensor) -> None:
        """Norm, ReLU and the mean over the edges of each particle."""
        if not self.by_kernel:
            shape = *self.table.shape, z.size(1)
            count = (self.table >= 0).sum(1, keepdim=True).clamp(min=1)
            out.copy_(self.activate(z, rows).view(shape).sum(1) / count)
            return
        self._run(kernels.norm_mean_kernel, z, self.table, rows, out)

    def moments(self, z: Tensor, centre: Tensor) -> Tensor:
        """Sums of what real edges are above a centre, and of its squares."""
        if not self.by_kernel:
            above = (z.double() - centre.double()) * self.real
            return torch.stack((above.sum(0), above.square().sum(0)))
        return self._sums(kernels.moments_kernel, len(self.table), z, self.table, centre)

    def spread_sums(self, z: Tensor, rows: Tensor, grad: Tensor) -> Tensor:
        """Sums of the gradients that means hand on to edges with an open ReLU, and times z."""
        if not self.by_kernel:
            slope = self._spread(z, rows, grad).double()
            return torch.stack((slope.sum(0), (slope * z).sum(0)))
        return self._sums(kernels.spread_sums_kernel, len(self.table), z, self.table, rows, grad)

    def spread(self, z: Tensor, rows: Tensor, grad: Tensor, line: Tensor) -> Tensor:
        """The same gradients, less what goes through the statistics."""
        if not self.by_kernel:
            return self.take_off(self._spread(z, rows, grad), z, line)
        out = self.empty(z.size(1))
        self._run(kernels.spread_kernel, z, self.table, rows, grad, line, out)
        return out

    def _spread(self, z: Tensor, rows: Tensor, grad: Tensor) -> Tensor:
        shared = grad / (self.table >= 0).sum(1, keepdim=True).clamp(min=1)
        opens = (z * rows[0] + rows[1] > 0) & self.real
        return torch.where(opens, shared.repeat_interleave(self.table.size(1), 0), 0)

    def masked_sums(self, slope: Tensor, a: Tensor, z: Tensor) -> Tensor:
        """Shut gradients out where the ReLU is shut; sums of the rest, and times z."""
        if not self.by_kernel:
            slope.masked_fill_(a <= 0, 0)
            return torch.stack((slope.double().sum(0), (slope * z).double().sum(0)))
        return self._sums(kernels.masked_sums_kernel, len(z), slope, a, z)

    def take_off(self, slope: Tensor, z: Tensor, line: Tensor) -> Tensor:
        """What goes through the statistics, taken off the gradients in place."""
        if not self.by_kernel:
            slope.mul_(line[0]).sub_(line[1] + z * line[2])
            return slope.mul_(self.real)
        self._run(kernels.take_off_kernel, slope, z, self.table, line)
        return slope

    def to_ends(self, slope: Tensor, index: Tensor, to_u: Tensor, to_v: Tensor) -> None:
        """Add the gradients up at both ends of the edges."""
        if not self.by_kernel:
            rows, there = slope.view(*self.table.shape, slope.size(1)), self.table >= 0
            to_u[self.particles] = rows.sum(1)
            to_v.index_add_(0, self.table[there], rows[there])
            return
        slopes, table, *ends = _arrays((slope, index, to_u, to_v))
        last = self.first + len(self.table)
        kernels.sum_back_kernel(slopes, table, self.first, *ends, self.first, last)

    def exchange(self, index: Tensor, of_u: Tensor, of_v: Tensor) -> None:
        """Add up, at each end of the edges, what is at the other end, to ``of_u`` and ``of_v``."""
        if not self.by_kernel:
            u, there = self.u[self.particles], self.table >= 0
            of_v[self.particles] = (self.v[self.table.clamp(min=0)] * there.unsqueeze(-1)).sum(1)
            of_u.index_add_(0, self.table[there], u.repeat_interleave(there.sum(1), 0))
            return
        last = self.first + len(self.table)
        kernels.exchange_kernel(*_arrays((self.u, self.v, index, of_u, of_v)), self.first, last)


def parts(u: Tensor, v: Tensor, index: Tensor, ptr: Tensor) -> Iterator[Part]:
    """All jets, some at a time; on another device than the CPU all at once."""
    by_kernel = u.dtype == torch.float32 and use_kernels(u, v)
    pointer, k = ptr.cpu().numpy(), max(index.size(1), 1)
    cuts = [0, len(pointer) - 1]
    if u.device.type == "cpu":
        marks = np.arange(0, int(pointer[-1]) * k, _EDGES)
        starts = np.searchsorted(pointer[:-1] * k, marks)
        cuts = sorted({*cuts, *(int(cut) for cut in starts)})
    for a, b in pairwise(cuts):
        first = int(pointer[a])
        table = index[first : int(pointer[b])]
        yield Part(u, v, table, (table >= 0).view(-1, 1), first, by_kernel)


def _arrays(tensors: Any) -> list[np.ndarray]:
    return [t.detach().contiguous().numpy() for t in tensors]
