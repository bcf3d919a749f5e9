r"""A decoder of sets: a table of learned seeds times a matrix of each jet."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pyg_jets.errors import InputError
from pyg_jets.nn.layers.mlp import MLP
from pyg_jets.ops import segment_expand, table_product

__all__ = ["SeedTable"]


class SeedTable(nn.Module):
    r"""Particles of each jet out of numbers of the jet, as many as are asked for.

    .. math::
        x_{ji} = \frac{1}{\sqrt K} \sum_k T_{ik}\, W_k(c_j) + b(c_j), \quad i = 0 \dots n_j - 1

    The seeds T are learned, row i is that of the i-th particle: it can become the particle of a
    certain place, which noise cannot. An MLP computes W once for each jet, so that a particle costs
    K multiplications for each of its coordinates.

    Args:
        in_channels: Number of numbers c of a jet.
        out_channels: Number of coordinates D of a particle.
        max_particles: Rows of the table, the largest multiplicity.
        rank: Columns K of the table.
        hidden: Widths of the hidden layers of the MLP.

    Shapes:
        - **c:** ``[J, in_channels]``, **ptr:** ``[J + 1]`` → ``[N, out_channels]``

    Raises:
        ValueError: If a number is below 1, or a jet has more than ``max_particles``.

    Examples:
        >>> decoder = SeedTable(4, 3, max_particles=10, rank=8, hidden=(16,))
        >>> decoder(torch.randn(2, 4), torch.tensor([0, 10, 13])).shape
        torch.Size([13, 3])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int = 3,
        max_particles: int = 100,
        rank: int = 128,
        hidden: Sequence[int] = (384, 768),
    ) -> None:
        super().__init__()
        for name, value in {"max_particles": max_particles, "rank": rank}.items():
            if value < 1:
                raise InputError(f"Expected {name} of at least 1, but got {value}.")
        self.max_particles, self.rank, self.out_channels = max_particles, rank, out_channels
        self.table = nn.Parameter(torch.empty(max_particles, rank))
        self.factor = MLP(in_channels, tuple(hidden), out_channels * rank)
        self.shift = nn.Linear(in_channels, out_channels)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights again."""
        nn.init.normal_(self.table, std=0.3)
        self.factor.reset_parameters()
        self.shift.reset_parameters()

    def forward(self, c: Tensor, ptr: Tensor, n_particles: int | None = None) -> Tensor:
        """The particles of jets; ``n_particles`` is their number, where it is known."""
        factor = self.factor(c).view(len(c), self.out_channels, self.rank) / self.rank**0.5
        x = table_product(self.table, factor, ptr, n_particles)
        return x + segment_expand(self.shift(c), ptr, len(x))

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.factor.in_channels}, {self.out_channels}, "
            f"max_particles={self.max_particles}, rank={self.rank}, "
            f"hidden={tuple(self.factor.channels)})"
        )
