r"""Encoders of sets: numbers of each jet that do not depend on the order of its particles."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pyg_jets.columns import check_names
from pyg_jets.errors import InputError
from pyg_jets.nn.layers.edge_conv import EdgeConvBlock
from pyg_jets.nn.layers.mlp import MLP
from pyg_jets.ops import knn, segment_expand, segment_max, segment_sum

__all__ = ["ENCODERS", "SetEncoder"]

ENCODERS = ("deep_set", "edge_conv")
#: Frequencies of the Fourier features of positions of unit size.
_FREQUENCIES = (1.0, 2.0, 4.0)


class SetEncoder(nn.Module):
    r"""Numbers of each jet out of its particles: a deep set with context, or edge convolutions.

    Each particle is described by its coordinates u of unit size and the sines and cosines of
    f · u, f = 1, 2, 4, of its position. In a deep set two layers act on these; then

    .. math::
        h \leftarrow h + \operatorname{ReLU}(C h + G\,p(h)), \quad
        h \leftarrow h + \operatorname{ReLU}(D h), \quad
        p(h) = \frac{1}{m} \sum_i h_i \oplus \max_i h_i

    so that a particle knows what the others are like. What comes out is an MLP of p(h), n / m and
    the conditions of the jet; m is a typical multiplicity. With ``edge_conv`` the particles pass
    blocks of :class:`~pyg_jets.nn.EdgeConvBlock` on their nearest neighbours instead.

    Args:
        columns: Number of coordinates of a particle.
        out_channels: Number of outputs.
        positions: The columns that are the position in the plane.
        kind: ``"deep_set"``, after `arXiv:1703.06114 <https://arxiv.org/abs/1703.06114>`_, or
            ``"edge_conv"``.
        hidden: Width of the layers.
        k: Neighbours of a particle in edge convolutions.
        conditions: Number of further numbers of a jet that the last MLP reads.

    Shapes:
        - **u:** ``[N, columns]``, **ptr:** ``[J + 1]``, **conditions:** ``[J, conditions]``
        - **output:** ``[J, out_channels]``, of an empty jet too

    Examples:
        >>> u, ptr = torch.randn(7, 3), torch.tensor([0, 3, 7])
        >>> SetEncoder(3, 8, hidden=16)(u, ptr).shape
        torch.Size([2, 8])
    """

    typical: Tensor

    def __init__(
        self,
        columns: int,
        out_channels: int,
        positions: Sequence[int] = (0, 1),
        kind: str = "deep_set",
        hidden: int = 64,
        k: int = 8,
        conditions: int = 0,
    ) -> None:
        super().__init__()
        (self.kind,) = check_names((kind,), ENCODERS, "encoder")
        if any(not 0 <= column < columns for column in positions):
            raise InputError(f"Expected positions from 0 to {columns - 1}, but got {positions}.")
        if k < 1:
            raise InputError(f"Expected k of at least 1 neighbour, but got {k}.")
        self.columns, self.hidden, self.k = columns, hidden, k
        self.positions, self.conditions = tuple(positions), conditions
        width = columns + 2 * len(_FREQUENCIES) * len(self.positions)
        if kind == "deep_set":
            self.particle = MLP(width, (hidden, hidden))
            self.own, self.context = nn.Linear(hidden, hidden), nn.Linear(2 * hidden, hidden)
            self.last = nn.Linear(hidden, hidden)
        else:
            channels = (hidden, hidden)
            self.blocks = nn.ModuleList(EdgeConvBlock(w, channels) for w in (width, hidden))
        self.jet = MLP(2 * hidden + 1 + conditions, (2 * hidden,), out_channels)
        self.register_buffer("typical", torch.tensor(100.0))

    def fit_statistics(self, counts: Tensor) -> None:
        """Take the typical multiplicity from numbers of particles of training jets, ``[J]``."""
        self.typical.fill_(max(float(counts.double().mean()), 1.0))

    def forward(self, u: Tensor, ptr: Tensor, conditions: Tensor | None = None) -> Tensor:
        """The numbers of each jet."""
        h = self._features(u)
        if self.kind == "deep_set":
            h = self.particle(h)
            context = segment_expand(self.context(self._pool(h, ptr)), ptr, len(h))
            h = h + F.relu(self.own(h) + context)
            h = h + F.relu(self.last(h))
        else:
            index = knn(u[:, list(self.positions)].contiguous(), ptr, self.k)
            for block in self.blocks:
                h = block(h, index, ptr)
        n = (ptr.diff() / self.typical).unsqueeze(1).to(h.dtype)
        parts = [self._pool(h, ptr), n] + ([] if conditions is None else [conditions])
        return self.jet(torch.cat(parts, 1))

    def _features(self, u: Tensor) -> Tensor:
        """Coordinates, and Fourier features of the position."""
        place = u[:, list(self.positions)]
        phases = torch.cat([place * frequency for frequency in _FREQUENCIES], 1)
        return torch.cat((u, phases.sin(), phases.cos()), 1)

    def _pool(self, h: Tensor, ptr: Tensor) -> Tensor:
        return torch.cat((segment_sum(h, ptr) / self.typical, segment_max(h, ptr)), 1)

    def __repr__(self) -> str:
        neighbours = f", k={self.k}" if self.kind == "edge_conv" else ""
        conditions = f", conditions={self.conditions}" if self.conditions else ""
        return (
            f"{type(self).__name__}({self.columns}, {self.jet.out_channels}, "
            f"positions={self.positions}, kind={self.kind!r}, hidden={self.hidden}"
            f"{neighbours}{conditions})"
        )
