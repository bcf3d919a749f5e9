"""A stack of linear layers with an activation after each."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch_geometric.nn import Linear

from pyg_jets.errors import InputError

__all__ = ["ACTIVATIONS", "MLP", "check_widths"]

ACTIVATIONS = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "gelu": nn.GELU,
    "elu": nn.ELU,
    "silu": nn.SiLU,
}
_IN_PLACE = ("relu", "leaky_relu", "elu")


class MLP(nn.Module):
    r"""Linear layers, each followed by the activation and by dropout.

    .. math::
        h_{k+1} = \operatorname{dropout}(\sigma(W_k h_k + b_k))

    Args:
        in_channels: Number of inputs, or -1 to take it from the first batch.
        channels: Width of each layer.
        out_channels: If given, a last linear layer of that width without activation follows.
        activation: ``relu``, ``leaky_relu``, ``gelu``, ``elu`` or ``silu``.
        dropout: Probability of dropping an activation in training.

    Shapes:
        - **input:** ``[N, in_channels]``
        - **output:** ``[N, channels[-1]]``, or ``[N, out_channels]``

    Raises:
        ValueError: For widths or a dropout that make no network, or an unknown activation.

    Examples:
        >>> import torch
        >>> MLP(3, (8, 8), out_channels=2)(torch.ones(5, 3)).shape
        torch.Size([5, 2])
    """

    def __init__(
        self,
        in_channels: int,
        channels: Sequence[int],
        out_channels: int | None = None,
        activation: str = "relu",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        outputs = () if out_channels is None else (out_channels,)
        _check(in_channels, (*channels, *outputs), activation, dropout)
        self.in_channels, self.channels, self.out_channels = in_channels, channels, out_channels
        self.activation, self.dropout = activation, dropout
        layers: list[nn.Module] = []
        for before, width in zip((in_channels, *channels), channels, strict=False):
            layers.append(Linear(before, width))
            layers.append(_activation(activation))
            layers += [nn.Dropout(dropout)] if dropout else []
        if out_channels is not None:
            layers.append(Linear(channels[-1] if channels else in_channels, out_channels))
        self.layers = nn.Sequential(*layers)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        for layer in self.layers:
            if isinstance(layer, Linear):
                layer.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layers to each row."""
        return self.layers(x)

    def __repr__(self) -> str:
        outputs = "" if self.out_channels is None else f", out_channels={self.out_channels}"
        dropout = f", dropout={self.dropout}" if self.dropout else ""
        return (
            f"{type(self).__name__}({self.in_channels}, {tuple(self.channels)}{outputs}, "
            f"activation={self.activation!r}{dropout})"
        )


def _activation(name: str) -> nn.Module:
    # A linear layer does not need its own output for its gradient, so it may be overwritten.
    return ACTIVATIONS[name](inplace=True) if name in _IN_PLACE else ACTIVATIONS[name]()


def check_widths(in_channels: int, widths: Sequence[int]) -> None:
    """Refuse numbers of inputs and widths that make no layers.

    Raises:
        ValueError: For such a number.
    """
    if in_channels != -1 and in_channels < 1:
        raise InputError(
            f"Expected in_channels of at least 1, or -1 to take it from the first batch, "
            f"but got {in_channels}."
        )
    if not widths or min(widths) < 1:
        raise InputError(f"Expected one or more layers of width 1 or more, but got {widths}.")


def _check(in_channels: int, widths: Sequence[int], activation: str, dropout: float) -> None:
    check_widths(in_channels, widths)
    if activation not in ACTIVATIONS:
        raise InputError(
            f"Unknown activation {activation!r}: choose from {', '.join(ACTIVATIONS)}."
        )
    if not 0 <= dropout < 1:
        raise InputError(f"Expected dropout from 0 to below 1, but got {dropout}.")
