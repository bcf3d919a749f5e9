r"""A fully connected network on the zero-padded list of particles."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pyg_jets.errors import InputError
from pyg_jets.nn.layers import MLP
from pyg_jets.nn.layers.jet_inputs import join_observables, joined_width
from pyg_jets.ops import check_pointer, check_ragged, ptr_to_batch, segment_argsort

__all__ = ["FCN"]


class FCN(nn.Module):
    r"""A fully connected network on a jet's particles, flattened to one vector of fixed length.

    .. math::
        o_j = \operatorname{MLP}(x_1 \oplus x_2 \oplus \dots \oplus x_P)

    Each jet becomes a list of ``P = max_particles`` particles: longer jets are cut, shorter ones
    are padded with zeros. The padding is made inside the model, as its input is ragged like that
    of every other model.

    Args:
        in_channels: Number of features of a particle, or -1 to take it from the first batch.
        max_particles: Length ``P`` of the list.
        hidden: Widths of the hidden layers.
        out_channels: Number of logits: 1 for two classes, else one for each class.
        dropout: Probability of zeroing an activation in training.
        activation: ``relu``, ``leaky_relu``, ``gelu``, ``elu`` or ``silu``.
        order_by: Column of ``x`` by which particles are sorted in descending order before the list
            is cut, such as that of the pT (hardest first). Default: the order of the input.
        jet_channels: Number K of observables of a jet that are joined to the vector, or
            -1 to take it from the first batch. Default: none.

    Shapes:
        - **x:** ``[N, in_channels]``, the particles of all jets, one jet after the other
        - **ptr:** ``[J + 1]`` int64; jet ``j`` holds the particles ``ptr[j]`` to ``ptr[j + 1] - 1``
        - **pos:** ignored; directions are seen if they are among the features
        - **jet:** ``[J, jet_channels]``, observables of unit size, such as standardised masses;
          left out where ``jet_channels`` is 0
        - **output:** logits ``[J, out_channels]``

    Raises:
        InputError: If ``max_particles`` or a width is below 1, ``order_by`` is no column, or the
            observables are not as many as expected.

    Examples:
        >>> model = FCN(in_channels=3, max_particles=4, hidden=(16,))
        >>> model(torch.randn(7, 3), torch.tensor([0, 1, 7])).shape
        torch.Size([2, 1])
    """

    def __init__(
        self,
        in_channels: int = -1,
        max_particles: int = 128,
        hidden: Sequence[int] = (256, 256, 256),
        out_channels: int = 1,
        dropout: float = 0.0,
        activation: str = "leaky_relu",
        order_by: int | None = None,
        jet_channels: int = 0,
    ) -> None:
        super().__init__()
        if max_particles < 1:
            raise InputError(f"Expected max_particles of at least 1, but got {max_particles}.")
        if order_by is not None and not 0 <= order_by < (in_channels if in_channels > 0 else 2**31):
            raise InputError(
                f"Expected order_by as a column from 0 to {in_channels - 1}, but got {order_by}."
            )
        self.in_channels, self.max_particles = in_channels, max_particles
        self.out_channels, self.dropout = out_channels, dropout
        self.activation, self.order_by = activation, order_by
        self.jet_channels = jet_channels
        width = in_channels * max_particles if in_channels > 0 else in_channels
        self.mlp = MLP(
            joined_width(width, jet_channels), tuple(hidden), out_channels, activation, dropout
        )

    def reset_parameters(self) -> None:
        """Draw all weights again."""
        self.mlp.reset_parameters()

    def forward(
        self, x: Tensor, ptr: Tensor, pos: Tensor | None = None, jet: Tensor | None = None
    ) -> Tensor:
        """Return the logits of each jet."""
        check_ragged(x, ptr)
        if not torch.compiler.is_compiling():
            check_pointer(ptr, len(x))
        return self.mlp(join_observables(self.pad(x, ptr), jet, self.jet_channels))

    def pad(self, x: Tensor, ptr: Tensor) -> Tensor:
        """Return each jet's list of particles, padded and cut, ``[J, max_particles * F]``."""
        n_jets, jet = len(ptr) - 1, ptr_to_batch(ptr)
        if self.order_by is not None:
            x = x[segment_argsort(x[:, self.order_by], ptr, descending=True)]
        place = torch.arange(len(x), device=x.device) - ptr[jet]
        # One row beyond the end of each list takes the particles that are cut off.
        cell = jet * (self.max_particles + 1) + place.clamp(max=self.max_particles)
        padded = x.new_zeros(n_jets * (self.max_particles + 1), x.size(1)).index_copy(0, cell, x)
        return padded.view(n_jets, self.max_particles + 1, -1)[:, :-1].flatten(1)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(in_channels={self.in_channels}, "
            f"max_particles={self.max_particles}, hidden={self.mlp.channels}, "
            f"out_channels={self.out_channels}, dropout={self.dropout}, "
            f"activation={self.activation!r}, order_by={self.order_by}"
            f"{f', jet_channels={self.jet_channels}' if self.jet_channels else ''})"
        )
