"""The gradient of a block of edges, layer by layer from the last."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_jets.ops.buffers import pooled_empty
from pyg_jets.ops.edge_layers import Layers, added
from pyg_jets.ops.edge_pieces import Part, parts
from pyg_jets.ops.kernel import in_threads

__all__ = ["Back"]


class Back:
    """The gradient, layer by layer from the last."""

    batch_statistics = True

    def __init__(
        self,
        u: Tensor,
        v: Tensor,
        index: Tensor,
        ptr: Tensor,
        layers: Layers,
        bias: Tensor,
        saved: Tensor,
        found: Tensor,
    ) -> None:
        self.u, self.v, self.index, self.layers = u, v, index, layers
        self.jets = list(parts(u, v, index, ptr))
        self.stored = layers.stored(saved, index.numel())
        self.means = found[0].split(layers.widths)
        self.inverse = layers.inverse(found[1])
        split = zip(self.means, found[1].split(layers.widths), strict=True)
        self.rows = [layers.rows(i, bias, *row) for i, row in enumerate(split)]
        self.count = (index >= 0).sum().clamp(min=1)
        self.to_norms: list[tuple[Tensor, Tensor]] = []

    def z(self, part: Part, layer: int) -> Tensor:
        """Edges of some jets in a layer."""
        return self.stored[layer - 1][part.edges] if layer else part.ends()

    def line(self, layer: int, sums: Tensor) -> Tensor:
        """How the gradient of a layer follows from that of its norm, as a line in z ``[3, F]``.

        Without statistics it is the scale alone. Keeps the gradients of the norm on the way.
        """
        mean, inverse, scale = self.means[layer], self.inverse[layer], self.rows[layer][0]
        along = sums[1] - mean * sums[0]
        self.to_norms.insert(0, (along * inverse, sums[0]))
        if not self.batch_statistics:
            return torch.stack((scale, torch.zeros_like(scale), torch.zeros_like(scale)))
        slope = scale.double() * along * inverse.square() / self.count
        offset = scale.double() * sums[0] / self.count - mean * slope
        return torch.stack((scale.double(), offset, slope)).to(scale)

    def run(self, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Gradients of both ends, the matrices, and the norms' weights and biases."""
        last, widths = self.layers.last, self.layers.widths

        def of_norm(part: Part) -> Tensor:
            return part.spread_sums(self.z(part, last), self.rows[last], grad[part.particles])

        sums = added(in_threads(of_norm, self.jets), grad)
        line, slopes = self.line(last, sums), None
        to_u, to_v = torch.empty_like(self.u), torch.zeros_like(self.v)
        to_matrices: list[Tensor] = []
        for layer in range(last, 0, -1):
            below = pooled_empty(grad, self.index.numel(), widths[layer - 1]) if layer > 1 else None
            to_matrix, sums = self._step(layer, grad, line, slopes, below, to_u, to_v)
            to_matrices.insert(0, to_matrix.flatten())
            line, slopes = self.line(layer - 1, sums), below
        self._finish(grad, line, to_u, to_v)
        to_flat = torch.cat(to_matrices) if to_matrices else grad.new_empty(0)
        to_weight, to_bias = (torch.cat(rows).to(grad) for rows in zip(*self.to_norms, strict=True))
        return to_u, to_v, to_flat, to_weight, to_bias

    def _step(
        self,
        layer: int,
        grad: Tensor,
        line: Tensor,
        slopes: Tensor | None,
        below: Tensor | None,
        to_u: Tensor,
        to_v: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """From a layer to the one below: the gradient of the matrix, and the sums of the norm."""
        matrix = self.layers.matrices[layer - 1]

        def step(part: Part) -> tuple[Tensor, Tensor]:
            z = self.z(part, layer)
            if slopes is None:
                slope = part.spread(z, self.rows[layer], grad[part.particles], line)
            else:
                slope = part.take_off(slopes[part.edges], z, line)
            z = self.z(part, layer - 1)
            a = part.activate(z, self.rows[layer - 1])
            into = part.empty(matrix.size(1)) if below is None else below[part.edges]
            torch.mm(slope, matrix, out=into)
            sums = part.masked_sums(into, a, z)
            if below is None:
                part.to_ends(into, self.index, to_u, to_v)
            return slope.t() @ a, sums

        to_matrices, sums = (
            zip(*in_threads(step, self.jets), strict=True) if self.jets else ((), ())
        )
        return sum(to_matrices, torch.zeros_like(matrix)), added(sums, matrix)

    def _finish(self, grad: Tensor, line: Tensor, to_u: Tensor, to_v: Tensor) -> None:
        """Take the first layer's gradient to both ends of its edges."""
        if self.layers.last > 0:
            self._correct(to_u, to_v, line)
            return

        def step(part: Part) -> None:
            slope = part.spread(part.ends(), self.rows[0], grad[part.particles], line)
            part.to_ends(slope, self.index, to_u, to_v)

        in_threads(step, self.jets)

    def _correct(self, to_u: Tensor, to_v: Tensor, line: Tensor) -> None:
        """Apply the first layer's line to the sums at the ends, instead of to each edge."""
        to_u.mul_(line[0])
        to_v.mul_(line[0])
        if not self.batch_statistics:
            return
        there = self.index >= 0
        n_u = there.sum(1, keepdim=True).to(self.u)
        n_v = torch.zeros_like(n_u[:, 0]).index_add_(
            0, self.index[there], torch.ones_like(self.index[there]).to(n_u)
        )[:, None]
        of_v, of_u = torch.zeros_like(self.u), torch.zeros_like(self.v)
        in_threads(lambda part: part.exchange(self.index, of_u, of_v), self.jets)
        to_u.sub_(n_u * line[1] + (n_u * self.u + of_v) * line[2])
        to_v.sub_(n_v * line[1] + (n_v * self.v + of_u) * line[2])
