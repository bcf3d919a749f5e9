r"""The energy flow network."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from pyg_jets.errors import InputError
from pyg_jets.nn.layers import MLP
from pyg_jets.ops import segment_sum

__all__ = ["EFN"]


class EFN(nn.Module):
    r"""The energy flow network of `arXiv:1810.05165 <https://arxiv.org/abs/1810.05165>`_.

    .. math::
        o_j = F\Big( \sum_{i \in j} z_i\, \Phi(\eta_i, \phi_i) \Big)

    Particles count by their share :math:`z_i` of pT, and Φ sees directions alone: neither a soft
    particle nor a collinear split changes the output. Shares must come as they are, neither as
    logarithms nor shifted (``standardize=False`` for a :class:`~pyg_jets.training.Tagger`).

    Args:
        in_channels: Number of columns of ``x``, or -1 for any; only one of them is used.
        weight: The column of ``x`` with the share of pT, such as ``ptrel``.
        phi: Widths of the layers of Φ.
        f: Widths of the hidden layers of F.
        out_channels: Number of logits: 1 for two classes.
        dropout: Probability of dropping an activation of F in training.
        activation: ``relu``, ``leaky_relu``, ``gelu``, ``elu`` or ``silu``.

    Shapes:
        - **x:** ``[N, in_channels]``, **ptr:** ``[J + 1]``, **pos:** ``[N, 2]``
        - **output:** logits ``[J, out_channels]``

    Examples:
        >>> import torch
        >>> x, pos, ptr = torch.rand(7, 1), torch.randn(7, 2), torch.tensor([0, 3, 7])
        >>> EFN(phi=(8, 16), f=(8,))(x, ptr, pos).shape
        torch.Size([2, 1])
    """

    def __init__(
        self,
        in_channels: int = -1,
        weight: int = 0,
        phi: Sequence[int] = (100, 100, 256),
        f: Sequence[int] = (100, 100, 100),
        out_channels: int = 1,
        dropout: float = 0.0,
        activation: str = "relu",
    ) -> None:
        super().__init__()
        if weight < 0 or (in_channels != -1 and weight >= in_channels):
            raise InputError(
                f"Expected weight as a column of x from 0 to "
                f"{'its last' if in_channels == -1 else in_channels - 1}, but got {weight}."
            )
        self.in_channels, self.weight, self.out_channels = in_channels, weight, out_channels
        self.dropout, self.activation = dropout, activation
        self.phi = MLP(2, tuple(phi), activation=activation)
        self.f = MLP(phi[-1], tuple(f), out_channels, activation=activation, dropout=dropout)

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        self.phi.reset_parameters()
        self.f.reset_parameters()

    def forward(self, x: Tensor, ptr: Tensor, pos: Tensor | None = None) -> Tensor:
        """Logits of each jet."""
        if pos is None or pos.shape != (x.size(0), 2):
            found = "none" if pos is None else list(pos.shape)
            raise InputError(f"Expected pos of shape [{x.size(0)}, 2], but got {found}.")
        if self.weight >= x.size(1):
            raise InputError(
                f"Expected x with a column {self.weight} for the share of pT, but it has "
                f"{x.size(1)} columns."
            )
        share = x[:, self.weight : self.weight + 1]
        return self.f(segment_sum(share * self.phi(pos), ptr))

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(in_channels={self.in_channels}, weight={self.weight}, "
            f"phi={self.phi.channels}, f={self.f.channels}, out_channels={self.out_channels}, "
            f"dropout={self.dropout}, activation={self.activation!r})"
        )
