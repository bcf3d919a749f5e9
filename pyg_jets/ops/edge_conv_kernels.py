r"""The edge convolution by kernels: the passes over the edges, then the kernels that they call.

Each edge is a row: those of particle ``i`` are the rows ``i · k … i · k + k - 1`` of ``z [E, F]``,
and ``index [n, k]`` holds their neighbours, -1 for none. A layer's norm is applied as
``z · scale + shift``, with :math:`w / \sqrt{\sigma^2 + \epsilon}` for the scale and
:math:`b - \mu w / \sqrt{\sigma^2 + \epsilon}` for the shift, the two rows of ``affine [2, F]``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from pyg_jets.ops.buffers import pooled_empty
from pyg_jets.ops.kernel import in_threads, kernel, split_jets

__all__ = ["EdgeConvKernels", "edge_sum_backward_kernel", "edge_sum_kernel"]

#: Edges in a chunk: their activations stay in a core's cache from one step to the next.
_EDGES = 1 << 11


class Chunk(NamedTuple):
    """Some jets: the rows of their particles and edges, and the neighbours ``[n, k]``."""

    particles: slice
    edges: slice
    neighbours: Tensor


def _call(kernel: Callable[..., Any], *arguments: Any) -> None:
    """Call a kernel on the memory of tensors."""
    kernel(*(a.detach().contiguous().numpy() if isinstance(a, Tensor) else a for a in arguments))


class EdgeConvKernels:
    """One call of the edge convolution, forward or backward.

    Layers are numbered from 0. Each pass goes over all jets in chunks, on threads.

    Args:
        u: ``[N, F_1]`` float32, as for :func:`pyg_jets.ops.edge_conv`, and so are the others.
        v: ``[N, F_1]``.
        index: ``[N, k]``.
        ptr: ``[J + 1]``.
        matrices: ``[F_2, F_1], …``.
        weight: ``[F_1 + … + F_L]``.
        bias: ``[F_1 + … + F_L]``.
        eps: Added to the variance.
    """

    def __init__(
        self,
        u: Tensor,
        v: Tensor,
        index: Tensor,
        ptr: Tensor,
        matrices: Sequence[Tensor],
        weight: Tensor,
        bias: Tensor,
        eps: float,
    ) -> None:
        self.u, self.v, self.index = (t.detach().contiguous() for t in (u, v, index))
        self.matrices, self.eps = [matrix.detach() for matrix in matrices], eps
        self.widths = [u.size(1), *(matrix.size(0) for matrix in matrices)]
        self.weight, self.bias = (t.detach().double().split(self.widths) for t in (weight, bias))
        self.last, self.n_edges = len(matrices), (index >= 0).sum()
        k, self.chunks = index.size(1), []
        for start, stop in split_jets(ptr, max(_EDGES // max(k, 1), 1)):
            first, after = int(ptr[start]), int(ptr[stop])
            edges = slice(first * k, after * k)
            self.chunks.append(Chunk(slice(first, after), edges, self.index[first:after]))

    def forward(
        self, statistics: Tensor, batch_statistics: bool, keep: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The output, what is saved for the gradient, and the statistics.

        With batch statistics a layer must be complete before its norm can be applied: each layer is
        a pass over all edges, and its ``z`` is stored. With constants one pass does all layers.
        """
        stores = keep or batch_statistics
        n_saved = self.index.numel() * sum(self.widths[1:]) * stores
        saved = pooled_empty(self.u, n_saved, 1).flatten()
        self._open(saved if stores else None)
        out = pooled_empty(self.u, len(self.u), self.widths[-1])
        if batch_statistics:
            used: list[Tensor] = []
            for layer in range(self.last + 1):
                used.append(self._layer_statistics(layer, used))
            statistics = torch.cat(used, 1)
        else:
            statistics = statistics.clone()
        affine = [
            self._affine(layer, s) for layer, s in enumerate(statistics.split(self.widths, 1))
        ]

        def run(chunk: Chunk) -> None:
            if batch_statistics:
                z = self._z(self.last, chunk)
            else:
                z = self._z(0, chunk)
                for layer in range(1, self.last + 1):
                    z = self._next_layer(layer, z, affine[layer - 1], chunk)
            rows = out[chunk.particles]
            _call(norm_relu_mean_kernel, z, chunk.neighbours, affine[self.last], rows)

        in_threads(run, self.chunks)
        return out, saved, statistics

    def backward(
        self, grad: Tensor, saved: Tensor, statistics: Tensor, batch_statistics: bool
    ) -> tuple[Tensor, Tensor, list[Tensor], Tensor, Tensor]:
        """Gradients of both ends, the matrices, and the norms' weights and biases.

        Let g be the gradient of a layer's normalised values, before its ReLU was shut. That of its
        z, through the norm, is a linear function of g and z, see :meth:`_norm_backward`, which
        needs sums of g over all edges: so each layer is one pass, in which also the sums of the
        layer below are taken.
        """
        self._open(saved)
        layers = statistics.split(self.widths, 1)
        affine = [self._affine(layer, s) for layer, s in enumerate(layers)]
        to_u, to_v = torch.empty_like(self.u), torch.zeros_like(self.v)
        to_matrices: list[Tensor] = []
        to_norms: list[tuple[Tensor, Tensor]] = []

        def norm_backward(layer: int, sums: Tensor) -> Tensor:
            coefficients, to_weight, to_bias = self._norm_backward(
                layer, layers[layer], sums, batch_statistics
            )
            to_norms.insert(0, (to_weight, to_bias))
            return coefficients

        def last_sums(chunk: Chunk) -> Tensor:
            z, rows = self._z(self.last, chunk), grad[chunk.particles]
            sums = np.zeros((2, z.size(1)))
            _call(mean_sums_kernel, z, chunk.neighbours, affine[self.last], rows, sums)
            return torch.from_numpy(sums)

        sums = self._total(in_threads(last_sums, self.chunks), self.last)
        coefficients, g = norm_backward(self.last, sums), None
        for layer in range(self.last, 0, -1):
            g_below = None
            if layer > 1:
                g_below = pooled_empty(grad, self.index.numel(), self.widths[layer - 1])
            to_matrix, sums = self._layer_backward(
                layer, grad, g, affine, coefficients, g_below, to_u, to_v
            )
            to_matrices.insert(0, to_matrix)
            coefficients, g = norm_backward(layer - 1, sums), g_below
        if self.last == 0:
            self._single_layer_backward(grad, affine[0], coefficients, to_u, to_v)
        else:
            self._first_norm_backward(coefficients, batch_statistics, to_u, to_v)
        to_weight, to_bias = (torch.cat(rows).to(grad) for rows in zip(*to_norms, strict=True))
        return to_u, to_v, to_matrices, to_weight, to_bias

    def _open(self, saved: Tensor | None) -> None:
        """Take the ``z`` of each layer but the first out of the saved tensor, if there is one."""
        self.stored: list[Tensor] = []
        if saved is not None:
            n = self.index.numel()
            blocks = saved.split([n * width for width in self.widths[1:]]) if self.matrices else ()
            self.stored = [b.view(n, w) for b, w in zip(blocks, self.widths[1:], strict=True)]

    def _z(self, layer: int, chunk: Chunk) -> Tensor:
        """``z`` of a chunk's edges. That of the first layer is a sum of two rows, never stored."""
        if layer > 0:
            return self.stored[layer - 1][chunk.edges]
        z = pooled_empty(self.u, chunk.neighbours.numel(), self.widths[0])
        u = self.u[chunk.particles]
        _call(edge_sum_kernel, u, self.v, chunk.neighbours, z, 0, len(chunk.neighbours))
        return z

    def _next_layer(self, layer: int, z: Tensor, affine: Tensor, chunk: Chunk) -> Tensor:
        """``z`` of a layer from that of the layer below, whose norm is ``affine``."""
        a = self._activation(z, affine, chunk)
        if self.stored:
            out = self.stored[layer - 1][chunk.edges]
        else:
            out = pooled_empty(z, len(z), self.widths[layer])
        return torch.mm(a, self.matrices[layer - 1].t(), out=out)

    def _activation(self, z: Tensor, affine: Tensor, chunk: Chunk) -> Tensor:
        a = pooled_empty(z, *z.shape)
        _call(norm_relu_kernel, z, chunk.neighbours, affine, a)
        return a

    def _affine(self, layer: int, statistics: Tensor) -> Tensor:
        """A layer's norm as scale and shift, ``[2, F]`` float32."""
        mean, var = statistics
        scale = self.weight[layer] * (var + self.eps).rsqrt()
        return torch.stack((scale, self.bias[layer] - mean * scale)).float()

    def _total(self, parts: Sequence[Tensor], layer: int) -> Tensor:
        """The sum ``[2, F]`` float64 of all chunks' sums, always in the same order."""
        total = torch.zeros(2, self.widths[layer], dtype=torch.float64)
        for part in parts:
            total += part
        return total

    def _layer_statistics(self, layer: int, below: Sequence[Tensor]) -> Tensor:
        """Make a layer's ``z``, and take its mean and biased variance, ``[2, F]`` float64."""
        affine = self._affine(layer - 1, below[-1]) if layer > 0 else None
        centre = torch.zeros(self.widths[layer])

        def make(chunk: Chunk) -> Tensor:
            if affine is None:
                return self._z(0, chunk)
            return self._next_layer(layer, self._z(layer - 1, chunk), affine, chunk)

        def moments(chunk: Chunk) -> Tensor:
            sums = np.zeros((2, self.widths[layer]))
            _call(moments_kernel, make(chunk), chunk.neighbours, centre, sums)
            return torch.from_numpy(sums)

        if self.chunks and len(first := make(self.chunks[0])):
            centre = first[0].clone()  # sums of differences from it lose fewer digits
        moment = self._total(in_threads(moments, self.chunks), layer)
        moment /= self.n_edges.clamp(min=1)
        has_edges = self.n_edges > 0
        mean = torch.where(has_edges, moment[0] + centre.double(), 0)
        var = (moment[1] - moment[0].square()).clamp(min=0)
        return torch.stack((mean, torch.where(has_edges, var, 1)))

    def _norm_backward(
        self, layer: int, statistics: Tensor, sums: Tensor, batch_statistics: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        r"""The gradient of a norm, from the sums of g and of g · z over all edges.

        The textbook's :math:`w / \sigma\, (g - \bar g - \hat z\, \overline{g \hat z})`, where
        :math:`\hat z = (z - \mu) / \sigma`, is written as ``g · scale - offset - z · slope``. With
        constant statistics only the scale is left.

        Returns:
            Scale, offset and slope, ``[3, F]`` float32; the gradients of weight and bias.
        """
        mean, var = statistics
        inverse = (var + self.eps).rsqrt()
        scale = self.weight[layer] * inverse
        g_sum, g_z_sum = sums[0], sums[1] - mean * sums[0]  # of g, and of g · (z - μ)
        slope, offset = torch.zeros_like(scale), torch.zeros_like(scale)
        if batch_statistics:
            n = self.n_edges.clamp(min=1)
            slope = scale * g_z_sum * inverse.square() / n
            offset = scale * g_sum / n - mean * slope
        coefficients = torch.stack((scale, offset, slope)).float()
        return coefficients, g_z_sum * inverse, g_sum

    def _layer_backward(
        self,
        layer: int,
        grad: Tensor,
        g: Tensor | None,
        affine: Sequence[Tensor],
        coefficients: Tensor,
        g_below: Tensor | None,
        to_u: Tensor,
        to_v: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """From a layer to the one below: the matrix's gradient, and the sums of g below.

        ``g`` is None for the last layer, where it follows from ``grad``, the gradient of the means.
        ``g_below`` is filled; it is None for the first layer, whose g is summed at both ends.
        """
        matrix = self.matrices[layer - 1]

        def run(chunk: Chunk) -> tuple[Tensor, Tensor]:
            z = self._z(layer, chunk)
            if g is None:
                to_z, rows = pooled_empty(z, *z.shape), grad[chunk.particles]
                _call(
                    mean_backward_kernel,
                    z,
                    chunk.neighbours,
                    affine[layer],
                    rows,
                    coefficients,
                    to_z,
                )
            else:
                to_z = g[chunk.edges]
                _call(norm_backward_kernel, to_z, z, chunk.neighbours, coefficients)
            z = self._z(layer - 1, chunk)
            a = self._activation(z, affine[layer - 1], chunk)
            into = pooled_empty(z, *z.shape) if g_below is None else g_below[chunk.edges]
            torch.mm(to_z, matrix, out=into)
            sums = np.zeros((2, z.size(1)))
            _call(relu_backward_kernel, into, a, z, sums)
            if g_below is None:
                self._add_at_ends(into, chunk, to_u, to_v)
            return to_z.t() @ a, torch.from_numpy(sums)

        results = in_threads(run, self.chunks)
        to_matrix = sum((of_chunk for of_chunk, _ in results), torch.zeros_like(matrix))
        return to_matrix, self._total([sums for _, sums in results], layer - 1)

    def _single_layer_backward(
        self, grad: Tensor, affine: Tensor, coefficients: Tensor, to_u: Tensor, to_v: Tensor
    ) -> None:
        """From the means to both ends of the edges, where there is one layer only."""

        def run(chunk: Chunk) -> None:
            z = self._z(0, chunk)
            to_z, rows = pooled_empty(z, *z.shape), grad[chunk.particles]
            _call(mean_backward_kernel, z, chunk.neighbours, affine, rows, coefficients, to_z)
            self._add_at_ends(to_z, chunk, to_u, to_v)

        in_threads(run, self.chunks)

    def _add_at_ends(self, to_z: Tensor, chunk: Chunk, to_u: Tensor, to_v: Tensor) -> None:
        first, after = chunk.particles.start, chunk.particles.stop
        _call(edge_sum_backward_kernel, to_z, self.index, first, to_u, to_v, first, after)

    def _first_norm_backward(
        self, coefficients: Tensor, batch_statistics: bool, to_u: Tensor, to_v: Tensor
    ) -> None:
        """Apply the first layer's norm to the sums of g at both ends, instead of to each edge.

        The gradient of z is linear in g and in z = u + v, and so is its sum over the edges of a
        particle: ``Σ g · scale - n · offset - (n · u + Σ v) · slope``.
        """
        scale, offset, slope = coefficients
        to_u.mul_(scale)
        to_v.mul_(scale)
        if not batch_statistics:
            return
        real = self.index >= 0
        n_u = real.sum(1, keepdim=True).float()
        n_v = torch.zeros(len(self.v)).index_add_(
            0, self.index[real], torch.ones(int(self.n_edges))
        )[:, None]
        v_sum, u_sum = torch.zeros_like(self.u), torch.zeros_like(self.v)

        def run(chunk: Chunk) -> None:
            first, after = chunk.particles.start, chunk.particles.stop
            _call(neighbour_sums_kernel, self.u, self.v, self.index, u_sum, v_sum, first, after)

        in_threads(run, self.chunks)
        to_u.sub_(n_u * offset + (n_u * self.u + v_sum) * slope)
        to_v.sub_(n_v * offset + (n_v * self.v + u_sum) * slope)


# A compiler takes several columns at once only where few arrays could overlap. So each loop below
# has few of them, and what is changed in place goes through a row of its own. Sums are float32 for
# a few edges and float64 for all.
_FEW = 64


@kernel
def edge_sum_kernel(u, v, index, out, start, stop):
    """``u_i + v_j`` for each edge; ``u_i`` where there is no neighbour."""
    k = index.shape[1]
    for i in range(start, stop):
        own = u[i]
        for m in range(k):
            row, j = out[i * k + m], index[i, m]
            if j < 0:
                row[:] = own
                continue
            other = v[j]
            for f in range(len(own)):
                row[f] = own[f] + other[f]


@kernel
def edge_sum_backward_kernel(grad, index, first, to_u, to_v, start, stop):
    """Add the gradients of edges up at both ends; ``grad`` begins with the particle ``first``.

    Neighbours lie in the same jet, so that ranges of whole jets never meet.
    """
    k = index.shape[1]
    to_u[start:stop] = np.float32(0)
    to_v[start:stop] = np.float32(0)
    for i in range(start, stop):
        own = to_u[i]
        for m in range(k):
            row, j = grad[(i - first) * k + m], index[i, m]
            for f in range(len(own)):
                own[f] += row[f]
            if j >= 0:
                other = to_v[j]
                for f in range(len(other)):
                    other[f] += row[f]


@kernel
def neighbour_sums_kernel(u, v, index, u_sum, v_sum, start, stop):
    """For each particle Σ v of its neighbours, and Σ u of those whose neighbour it is."""
    for i in range(start, stop):
        own, into = u[i], v_sum[i]
        for m in range(index.shape[1]):
            j = index[i, m]
            if j >= 0:
                other, back = v[j], u_sum[j]
                for f in range(len(own)):
                    into[f] += other[f]
                for f in range(len(own)):
                    back[f] += own[f]


@kernel
def moments_kernel(z, index, centre, sums):
    """Sums over the real edges of ``z - centre`` and of its square."""
    (n, k), width = index.shape, z.shape[1]
    few, count = np.zeros((2, width), np.float32), 0
    total, squares = few[0], few[1]
    for i in range(n):
        for m in range(k):
            if index[i, m] >= 0:
                row = z[i * k + m]
                for f in range(width):
                    value = row[f] - centre[f]
                    total[f] += value
                    squares[f] += value * value
                count += 1
        if count >= _FEW or i == n - 1:
            for f in range(width):
                sums[0, f] += total[f]
                sums[1, f] += squares[f]
            few[:] = np.float32(0)
            count = 0


@kernel
def norm_relu_kernel(z, index, affine, out):
    """Norm and ReLU of each edge; 0 where there is no neighbour."""
    (n, k), scale, shift, zero = index.shape, affine[0], affine[1], np.float32(0)
    for i in range(n):
        for m in range(k):
            row, into = z[i * k + m], out[i * k + m]
            if index[i, m] < 0:
                into[:] = zero
                continue
            for f in range(len(row)):
                value = row[f] * scale[f] + shift[f]
                into[f] = zero if value <= zero else value


@kernel
def norm_relu_mean_kernel(z, index, affine, out):
    """Norm and ReLU of each edge, and the mean over the real edges of each particle."""
    (n, k), scale, shift, zero = index.shape, affine[0], affine[1], np.float32(0)
    for i in range(n):
        into, count = out[i], 0
        into[:] = zero
        for m in range(k):
            if index[i, m] < 0:
                continue
            count += 1
            row = z[i * k + m]
            for f in range(len(row)):
                value = row[f] * scale[f] + shift[f]
                into[f] += zero if value <= zero else value
        share = np.float32(1) / np.float32(max(count, 1))
        for f in range(len(into)):
            into[f] *= share


@kernel
def mean_sums_kernel(z, index, affine, grad, sums):
    """Sums over the edges of g and of g · z, where g is the mean's gradient at open ReLUs."""
    (n, k), width = index.shape, z.shape[1]
    scale, shift, zero = affine[0], affine[1], np.float32(0)
    few, shared = np.zeros((2, width), np.float32), np.empty(width, np.float32)
    total, product = few[0], few[1]
    for i in range(n):
        share = np.float32(1) / np.float32(max((index[i] >= 0).sum(), 1))
        for f in range(width):
            shared[f] = grad[i, f] * share
        for m in range(k):
            if index[i, m] < 0:
                continue
            row = z[i * k + m]
            for f in range(width):
                value = shared[f] if row[f] * scale[f] + shift[f] > zero else zero
                total[f] += value
                product[f] += value * row[f]
        for f in range(width):
            sums[0, f] += total[f]
            sums[1, f] += product[f]
        few[:] = zero


@kernel
def mean_backward_kernel(z, index, affine, grad, coefficients, out):
    """The gradient of z from that of the mean, through the ReLU and the norm."""
    (n, k), width = index.shape, z.shape[1]
    scale, shift, zero = affine[0], affine[1], np.float32(0)
    shared, value = np.empty(width, np.float32), np.empty(width, np.float32)
    factor, offset, slope = coefficients[0], coefficients[1], coefficients[2]
    for i in range(n):
        share = np.float32(1) / np.float32(max((index[i] >= 0).sum(), 1))
        for f in range(width):
            shared[f] = grad[i, f] * share * factor[f]
        for m in range(k):
            row, into = z[i * k + m], out[i * k + m]
            if index[i, m] < 0:
                into[:] = zero
                continue
            for f in range(width):
                value[f] = shared[f] if row[f] * scale[f] + shift[f] > zero else zero
            for f in range(width):
                into[f] = value[f] - offset[f] - row[f] * slope[f]


@kernel
def relu_backward_kernel(g, a, z, sums):
    """Set g to 0 where the activation is 0, in place; sums over the edges of g and of g · z."""
    n, width, zero = z.shape[0], z.shape[1], np.float32(0)
    row, few = np.empty(width, np.float32), np.zeros((2, width), np.float32)
    total, product = few[0], few[1]
    for e in range(n):
        into, active, value = g[e], a[e], z[e]
        for f in range(width):
            row[f] = into[f] if active[f] > zero else zero
        for f in range(width):
            into[f] = row[f]
        for f in range(width):
            total[f] += row[f]
            product[f] += row[f] * value[f]
        if e % _FEW == _FEW - 1 or e == n - 1:
            for f in range(width):
                sums[0, f] += total[f]
                sums[1, f] += product[f]
            few[:] = zero


@kernel
def norm_backward_kernel(g, z, index, coefficients):
    """The gradient of z from g, through the norm, in place; 0 where there is no neighbour."""
    (n, k), width = index.shape, z.shape[1]
    row, scale, offset = np.empty(width, np.float32), coefficients[0], coefficients[1]
    slope = coefficients[2]
    for i in range(n):
        for m in range(k):
            into, value = g[i * k + m], z[i * k + m]
            if index[i, m] < 0:
                into[:] = np.float32(0)
                continue
            for f in range(width):
                row[f] = into[f] * scale[f] - offset[f] - value[f] * slope[f]
            for f in range(width):
                into[f] = row[f]
