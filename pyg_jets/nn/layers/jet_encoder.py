r"""What an autoencoder reads of a jet, whatever the order and the number of its particles."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pyg_jets.errors import InputError
from pyg_jets.nn.layers.edge_conv import EdgeConvBlock
from pyg_jets.nn.layers.jet_summary import JetSummary, pooled
from pyg_jets.nn.layers.mlp import MLP
from pyg_jets.ops import knn

__all__ = ["JetEncoder"]


class JetEncoder(nn.Module):
    r"""Features of each particle among its neighbours, and of the jet.

    Edge convolutions on the nearest neighbours in the plane, or with ``k=0`` a deep set.

    Args:
        in_channels: Numbers of a particle.
        channels: Widths of the layers; of edge convolutions one block of these.
        blocks: Number of blocks.
        k: Neighbours of a particle, or 0 for a deep set.
        physical: Whether the jet's own observables are read as well.

    Shapes:
        - **u:** ``[N, in_channels]``, **ptr:** ``[J + 1]``, **pos:** ``[N, 2]``, **x:** ``[N, F]``
        - **output:** ``[N, particle_channels]`` and ``[J, jet_channels]``

    Examples:
        >>> u, ptr = torch.randn(7, 3), torch.tensor([0, 3, 7])
        >>> h, g = JetEncoder(3, (8, 8), k=2, physical=False)(u, ptr, u[:, 1:], u)
        >>> h.shape, g.shape
        (torch.Size([7, 11]), torch.Size([2, 17]))
    """

    def __init__(
        self,
        in_channels: int,
        channels: Sequence[int] = (32, 32),
        blocks: int = 2,
        k: int = 8,
        physical: bool = True,
    ) -> None:
        super().__init__()
        if blocks < 1:
            raise InputError(f"Expected blocks of at least 1, but got {blocks}.")
        if k < 0:
            raise InputError(f"Expected k of at least 0 neighbours, but got {k}.")
        self.k, width = k, channels[-1]
        if k:
            widths = (in_channels, *[width] * (blocks - 1))
            self.layers = nn.ModuleList(EdgeConvBlock(w, channels) for w in widths)
        else:
            self.layers = nn.ModuleList([MLP(in_channels, tuple(channels) * blocks)])
        self.summary = JetSummary(physical)
        self.particle_channels = in_channels + width
        self.jet_channels = 2 * width + self.summary.size

    def forward(self, u: Tensor, ptr: Tensor, pos: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features of particles and of jets; ``x`` are the particles before they were scaled."""
        h = u
        if self.k:
            index = knn(pos, ptr, self.k)
            for layer in self.layers:
                h = layer(h, index, ptr)
        else:
            h = self.layers[0](h)
        with torch.no_grad():
            summary = self.summary(x, ptr)
        return torch.cat((u, h), 1), torch.cat((pooled(h, ptr), summary), 1)
