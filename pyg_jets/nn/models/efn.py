r"""The energy flow network."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn

from pyg_jets.errors import InputError
from pyg_jets.nn.layers import MLP
from pyg_jets.nn.layers.jet_inputs import join_observables, joined_width
from pyg_jets.nn.layers.norm import batch_norm
from pyg_jets.ops import segment_sum

__all__ = ["EFN"]


class EFN(nn.Module):
    r"""The energy flow network of `arXiv:1810.05165 <https://arxiv.org/abs/1810.05165>`_.

    .. math::
        o_j = F\Big( \sum_{i \in j} z_i\, \Phi(s\,\Delta\eta_i, s\,\Delta\phi_i) \Big), \qquad
        z_i = \frac{p_{T,i}}{p_{T,j}}

    Φ maps the direction of each particle, relative to the jet axis, to a vector; the vectors of a
    jet are summed with the particles' shares of its pT as weights; F maps the sum to logits. The
    output is therefore infrared and collinear safe: a particle with :math:`z_i \to 0` has no
    effect, and neither has splitting a particle into two in the same direction, as their shares
    add up to its share. The example below shows the latter. (Cuts on single particles, such as
    ``min_pt=`` of a data set, break this before the network sees a jet.)

    The shares have to reach the network unchanged: a feature that is pT in GeV or its logarithm is
    no share, and a share that was shifted by a mean is not zero for a soft particle. Ask the data
    for the feature ``ptrel``, and train with ``--model.standardize=false``, which leaves
    features as they are.

    Nor are directions standardised, whose spread in a jet is that of its radius, and most of a
    jet's pT lies within a tenth of it. A ``scale`` s of 6 brings them to unit size. With ``norm`` a
    batch norm stands between the sum and F, as in :class:`~pyg_jets.nn.PFN`; it is a fixed linear
    map in ``eval``, which keeps the safety. So do observables of the jet (``jet_channels``) only if
    they are safe themselves: masses and ratios of N-subjettiness, not multiplicities.

    The initial weights are those of the authors' code, EnergyFlow: He-uniform in hidden layers,
    Glorot-uniform in the last one, and biases of zero.

    Args:
        in_channels: Number of columns of ``x``, or -1 for any; only column ``weight`` is read.
        weight: Number of the column of ``x`` that holds the share of the jet's pT, ``ptrel``.
            Default: the first.
        phi: Widths of the layers of Φ, each followed by the activation.
        f: Widths of the hidden layers of F, each followed by the activation and by dropout.
        out_channels: Number of logits: 1 for two classes, else one for each class.
        dropout: Probability of zeroing an activation of F in training.
        activation: ``relu``, ``leaky_relu``, ``gelu``, ``elu`` or ``silu``.
        norm: Whether to normalise the sum over the batch; a batch of a single jet, which has no
            variance, by the running statistics.
        scale: Factor of Δη and Δφ.
        init: The initial weights: ``"he_uniform"``, or ``"torch"`` for those of ``nn.Linear``.
        jet_channels: Number K of observables of a jet that are joined to the sum, or
            -1 to take it from the first batch. Default: none.

    Shapes:
        - **x:** ``[N, in_channels]``, the particles of all jets, one jet after the other
        - **ptr:** ``[J + 1]`` int64; jet ``j`` holds the particles ``ptr[j]`` to ``ptr[j + 1] - 1``
        - **pos:** ``[N, 2]``, Δη and Δφ (radians, from -π to π) relative to the jet axis; it may be
          left out of the call of other models, not of this one
        - **jet:** ``[J, jet_channels]``, observables of unit size, such as standardised masses;
          left out where ``jet_channels`` is 0
        - **output:** logits ``[J, out_channels]``; an empty jet gives F(0)

    Raises:
        InputError: If ``weight`` is no column of ``x``, ``scale`` is not positive, ``pos`` is
            missing or has another shape, or the observables are not as many as expected.

    Examples:
        Two jets of two particles and one particle. Splitting the last into halves changes nothing:

        >>> import torch
        >>> from pyg_jets.nn import EFN
        >>> model = EFN(phi=(8, 16), f=(8,))
        >>> z, pos = torch.tensor([[0.7], [0.3], [1.0]]), torch.tensor([[0.1, 0.0], [-0.2, 0.1]])
        >>> pos = torch.cat((pos, torch.zeros(1, 2)))
        >>> logits = model(z, torch.tensor([0, 2, 3]), pos)
        >>> logits.shape
        torch.Size([2, 1])
        >>> z = torch.tensor([[0.7], [0.3], [0.5], [0.5]])
        >>> pos = torch.cat((pos, torch.zeros(1, 2)))
        >>> torch.allclose(logits, model(z, torch.tensor([0, 2, 4]), pos))
        True
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
        norm: bool = False,
        scale: float = 1.0,
        init: str = "he_uniform",
        jet_channels: int = 0,
    ) -> None:
        super().__init__()
        if weight < 0 or (in_channels != -1 and weight >= in_channels):
            raise InputError(
                f"Expected weight as a column of x from 0 to "
                f"{'its last' if in_channels == -1 else in_channels - 1}, but got {weight}."
            )
        if not 0 < scale < math.inf:
            raise InputError(f"Expected a positive scale of directions, but got {scale}.")
        self.in_channels, self.weight, self.out_channels = in_channels, weight, out_channels
        self.dropout, self.activation = dropout, activation
        self.scale, self.init, self.jet_channels = scale, init, jet_channels
        self.phi = MLP(2, tuple(phi), activation=activation, init=init)
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
        if pos is None or pos.shape != (x.size(0), 2):
            shape = "none" if pos is None else list(pos.shape)
            raise InputError(f"Expected pos of shape [{x.size(0)}, 2], but got {shape}.")
        if self.weight >= x.size(1):
            raise InputError(
                f"Expected x with a column {self.weight} for the share of pT, but it has "
                f"{x.size(1)} columns."
            )
        share = x[:, self.weight : self.weight + 1]  # z: [N, 1]
        directions = pos if self.scale == 1 else self.scale * pos
        summed = segment_sum(share * self.phi(directions), ptr)  # [J, phi[-1]]
        if self.norm is not None:
            summed = batch_norm(self.norm, summed)
        return self.f(join_observables(summed, jet, self.jet_channels))

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(in_channels={self.in_channels}, weight={self.weight}, "
            f"phi={self.phi.channels}, f={self.f.channels}, out_channels={self.out_channels}, "
            f"dropout={self.dropout}, activation={self.activation!r}"
            f"{'' if self.norm is None else ', norm=True'}"
            f"{'' if self.scale == 1 else f', scale={self.scale}'}"
            f"{'' if self.init == 'he_uniform' else f', init={self.init!r}'}"
            f"{f', jet_channels={self.jet_channels}' if self.jet_channels else ''})"
        )
