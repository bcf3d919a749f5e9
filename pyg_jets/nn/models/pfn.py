r"""The particle flow network."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from pyg_jets.nn.layers import MLP, DeepSum
from pyg_jets.nn.layers.jet_inputs import join_observables, joined_width
from pyg_jets.nn.layers.norm import batch_norm

__all__ = ["PFN"]


class PFN(nn.Module):
    r"""The particle flow network of `arXiv:1810.05165 <https://arxiv.org/abs/1810.05165>`_.

    .. math::
        o_j = F\Big( \sum_{i \in j} \Phi(x_i) \Big)

    Φ maps the features of each particle to a vector, the vectors of a jet are summed, and F maps
    the sum to logits, so that the output depends neither on the order nor on a fixed number of
    particles. Φ and F are linear layers with an activation after each but the last of F.

    With ``norm`` a batch norm stands between the sum and F. The sum over many particles is large
    and similar for all jets; normalised, its differences between jets have unit size when training
    begins. A batch of a single jet, which has no variance, is normalised by the running statistics.

    The initial weights are those of the authors' code, EnergyFlow: He-uniform in hidden layers,
    Glorot-uniform in the last one, and biases of zero. Observables of the jet (``jet_channels``)
    join the sum before F, as EnergyFlow's global features do.

    Args:
        in_channels: Number of features of a particle, or -1 to take it from the first batch.
        phi: Widths of the layers of Φ.
        f: Widths of the hidden layers of F.
        out_channels: Number of logits: 1 for two classes, else one for each class.
        dropout: Probability of zeroing an activation of F in training.
        activation: ``relu``, ``leaky_relu``, ``gelu``, ``elu`` or ``silu``.
        norm: Whether to normalise the sum over the batch.
        init: The initial weights: ``"he_uniform"``, or ``"torch"`` for those of ``nn.Linear``.
        jet_channels: Number K of observables of a jet that are joined to the sum, or
            -1 to take it from the first batch. Default: none.

    Shapes:
        - **x:** ``[N, in_channels]``, the particles of all jets, one jet after the other
        - **ptr:** ``[J + 1]`` int64; jet ``j`` holds the particles ``ptr[j]`` to ``ptr[j + 1] - 1``
        - **pos:** ignored; directions are seen if they are among the features
        - **jet:** ``[J, jet_channels]``, observables of unit size, such as standardised masses;
          left out where ``jet_channels`` is 0
        - **output:** logits ``[J, out_channels]``; an empty jet gives F(0)

    Raises:
        InputError: If a width is below 1, ``dropout`` is outside of [0, 1), the activation or the
            initialisation is unknown, or the observables are not as many as expected.

    Examples:
        >>> import torch
        >>> model = PFN(in_channels=4, phi=(16, 16), f=(16,))
        >>> model(torch.randn(7, 4), torch.tensor([0, 3, 7])).shape
        torch.Size([2, 1])
        >>> model = PFN(in_channels=4, phi=(16, 16), f=(16,), norm=True, jet_channels=2)
        >>> model(torch.randn(7, 4), torch.tensor([0, 3, 7]), jet=torch.randn(2, 2)).shape
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
        init: str = "he_uniform",
        jet_channels: int = 0,
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        self.dropout, self.activation = dropout, activation
        self.init, self.jet_channels = init, jet_channels
        self.phi = DeepSum(in_channels, tuple(phi), activation=activation, init=init)
        self.norm = nn.BatchNorm1d(phi[-1]) if norm else None
        width = joined_width(phi[-1], jet_channels)
        self.f = MLP(width, tuple(f), out_channels, activation, dropout, init)

    def reset_parameters(self) -> None:
        """Draw all weights again."""
        self.phi.reset_parameters()
        if self.norm is not None:
            self.norm.reset_parameters()
        self.f.reset_parameters()

    def forward(
        self, x: Tensor, ptr: Tensor, pos: Tensor | None = None, jet: Tensor | None = None
    ) -> Tensor:
        """Return the logits of each jet."""
        summed = self.phi(x, ptr)
        if self.norm is not None:
            summed = batch_norm(self.norm, summed)
        return self.f(join_observables(summed, jet, self.jet_channels))

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(in_channels={self.in_channels}, phi={self.phi.channels}, "
            f"f={self.f.channels}, out_channels={self.out_channels}, dropout={self.dropout}, "
            f"activation={self.activation!r}{'' if self.norm is None else ', norm=True'}"
            f"{'' if self.init == 'he_uniform' else f', init={self.init!r}'}"
            f"{f', jet_channels={self.jet_channels}' if self.jet_channels else ''})"
        )
