"""The layers of a block of edges, cut out of the flat tensors that an operation takes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

__all__ = ["Layers", "added"]


def added(parts: Sequence[Tensor], like: Tensor) -> Tensor:
    """Sums ``[2, F]`` of all jets, always in the same order."""
    total = torch.zeros(2, like.size(-1), dtype=torch.float64, device=like.device)
    for sums in parts:
        total += sums.to(total)
    return total


class Layers:
    """The layers' matrices, norms and rows of edges, cut out of the flat tensors."""

    def __init__(self, flat: Tensor, weight: Tensor, widths: Sequence[int], eps: float) -> None:
        self.widths, self.eps = list(widths), eps
        sizes = [a * b for a, b in pairwise(widths)]
        shapes = [(b, a) for a, b in pairwise(widths)]
        blocks = zip(flat.split(sizes) if sizes else (), shapes, strict=True)
        self.matrices = [block.view(shape) for block, shape in blocks]
        self.weight = weight.split(self.widths)

    @property
    def last(self) -> int:
        """The number of the last layer, from 0."""
        return len(self.widths) - 1

    def stored(self, saved: Tensor, n_edges: int) -> list[Tensor]:
        """``z`` of each layer but the first."""
        blocks = saved.split([n_edges * width for width in self.widths[1:]])
        return [b.view(n_edges, w) for b, w in zip(blocks, self.widths[1:], strict=True)]

    def inverse(self, var: Tensor) -> list[Tensor]:
        """1/σ of each layer, in float64."""
        return list((var + self.eps).rsqrt().split(self.widths))

    def rows(self, layer: int, bias: Tensor, mean: Tensor, var: Tensor) -> Tensor:
        """Scale and shift of a layer's norm, ``[2, F]``."""
        scale = self.weight[layer].double() * (var + self.eps).rsqrt()
        shift = bias.split(self.widths)[layer].double() - mean * scale
        return torch.stack((scale, shift)).to(bias)
