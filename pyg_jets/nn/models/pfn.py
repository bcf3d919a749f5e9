r"""The particle flow network."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from pyg_jets.nn.layers import MLP, DeepSum

__all__ = ["PFN"]


class PFN(nn.Module):
    r"""The particle flow network of `arXiv:1810.05165 <https://arxiv.org/abs/1810.05165>`_.

    .. math::
        z_j = F\Big( \sum_{i \in j} \Phi(x_i) \Big)

    Both Φ and F are stacks of linear layers, with a ReLU after each but the last of F. An empty
    jet sums to zero. With ``norm`` a batch norm stands between the sum and F: the sum of many
    particles is mostly the same for all jets, and training has less to undo where that is taken
    away.

    Args:
        in_channels: Features of a particle, or -1 to take it from the first batch.
        phi: Widths of the layers of Φ.
        f: Widths of the hidden layers of F.
        out_channels: Number of logits: 1 for two classes.
        dropout: Probability of dropping an activation of F in training.
        activation: ``relu``, ``leaky_relu``, ``gelu``, ``elu`` or ``silu``.
        norm: Whether to normalise the sum over the batch.

    Shapes:
        - **x:** ``[N, in_channels]``, **ptr:** ``[J + 1]``
        - **output:** logits ``[J, out_channels]``

    Examples:
        >>> import torch
        >>> model = PFN(in_channels=4, phi=(16, 16), f=(16,))
        >>> model(torch.randn(7, 4), torch.tensor([0, 3, 7])).shape
        torch.Size([2, 1])
    """

    def __init__(
        self,
        in_channels: int = -1,
        phi: Sequence[int] = (100, 100, 256),
        f: Sequence[int] = (100, 100, 100),
        out_channels: int = 1,
        dropout: float = 0.0,
        activation: str = "relu",
        norm: bool = False,
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        self.dropout, self.activation = dropout, activation
        self.norm = nn.BatchNorm1d(phi[-1]) if norm else None
        self.phi = DeepSum(in_channels, tuple(phi), activation=activation)
        self.f = MLP(phi[-1], tuple(f), out_channels, activation=activation, dropout=dropout)

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        self.phi.reset_parameters()
        if self.norm is not None:
            self.norm.reset_parameters()
        self.f.reset_parameters()

    def forward(self, x: Tensor, ptr: Tensor, pos: Tensor | None = None) -> Tensor:
        """Logits of each jet; positions count only as far as they are features."""
        summed = self.phi(x, ptr)
        return self.f(summed if self.norm is None else self.norm(summed))

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(in_channels={self.in_channels}, phi={self.phi.channels}, "
            f"f={self.f.channels}, out_channels={self.out_channels}, dropout={self.dropout}, "
            f"activation={self.activation!r}{'' if self.norm is None else ', norm=True'})"
        )
