"""Fully connected networks on each particle, and their sum over each jet (deep sets)."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch_geometric.nn import Linear

from pyg_jets.columns import check_names
from pyg_jets.errors import InputError
from pyg_jets.ops import segment_sum, segment_sum_relu

__all__ = ["ACTIVATIONS", "INITS", "MLP", "DeepSum", "check_widths"]

ACTIVATIONS = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "gelu": nn.GELU,
    "elu": nn.ELU,
    "silu": nn.SiLU,
}
#: Activations whose gradient follows from their output. They may overwrite their input, as a linear
#: layer does not need its own output for its gradient.
_IN_PLACE = ("relu", "leaky_relu", "elu")
#: Distributions of the initial weights.
INITS = ("torch", "he_uniform")


#: The last layer of a network of Keras: PyG's arguments for Glorot's weights, and no bias at first.
_GLOROT = {"weight_initializer": "glorot", "bias_initializer": "zeros"}


class _HeLinear(Linear):
    """A linear layer whose weights keep the variance of ReLUs when they are drawn."""

    def reset_parameters(self) -> None:
        if not is_lazy(self.weight):
            nn.init.kaiming_uniform_(self.weight, nonlinearity="relu")
            nn.init.zeros_(self.bias)


class MLP(nn.Module):
    r"""Linear layers, each followed by an activation and by dropout.

    .. math::
        h_{k+1} = \operatorname{dropout}(\sigma(W_k h_k + b_k))

    ``torch_geometric.nn.MLP`` normalises between its layers and takes all widths as one list; this
    one allows a first width that is unknown until the first batch, and overwrites what it can.

    Args:
        in_channels: Number of inputs, or -1 to take it from the first batch.
        channels: Width of each hidden layer.
        out_channels: Width of a last linear layer without activation. Default: no such layer.
        activation: ``relu``, ``leaky_relu``, ``gelu``, ``elu`` or ``silu``. Default: ``relu``.
        dropout: Probability of zeroing an activation in training. Default: 0.
        init: The initial weights and biases: ``"torch"``, both uniform within
            :math:`\pm 1/\sqrt{n}` of a layer with n inputs; or ``"he_uniform"``, weights within
            :math:`\pm\sqrt{6/n}` (`arXiv:1502.01852 <https://arxiv.org/abs/1502.01852>`_), those
            of the last layer without activation within :math:`\pm\sqrt{6/(n + m)}` with m outputs,
            and biases of zero. Default: ``"torch"``.

    Shapes:
        - **input:** ``[N, in_channels]``
        - **output:** ``[N, channels[-1]]``, or ``[N, out_channels]``

    Raises:
        InputError: If a width is below 1, ``dropout`` is outside of [0, 1), or the activation or
            the initialisation is unknown.

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
        init: str = "torch",
    ) -> None:
        super().__init__()
        (self.init,) = check_names((init,), INITS, "init")
        check_widths(in_channels, (*channels, *(() if out_channels is None else (out_channels,))))
        if activation not in ACTIVATIONS:
            raise InputError(
                f"Unknown activation {activation!r}: choose from {', '.join(ACTIVATIONS)}."
            )
        if not 0 <= dropout < 1:
            raise InputError(f"Expected dropout from 0 to below 1, but got {dropout}.")
        self.in_channels, self.channels, self.out_channels = in_channels, channels, out_channels
        self.activation, self.dropout = activation, dropout
        options = {"inplace": True} if activation in _IN_PLACE else {}
        layers: list[nn.Module] = []
        for before, width in zip((in_channels, *channels), channels, strict=False):
            layer = Linear(before, width) if init == "torch" else _HeLinear(before, width)
            layers += [layer, ACTIVATIONS[activation](**options)]
            layers += [nn.Dropout(dropout)] if dropout else []
        if out_channels is not None:
            starts = {} if init == "torch" else _GLOROT
            before = channels[-1] if channels else in_channels
            layers.append(Linear(before, out_channels, **starts))
        self.layers = nn.Sequential(*layers)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights again."""
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
            f"activation={self.activation!r}{dropout}"
            f"{'' if self.init == 'torch' else f', init={self.init!r}'})"
        )


class DeepSum(MLP):
    r"""An :class:`MLP` on each particle, summed over the particles of each jet.

    .. math::
        s_j = \sum_{i \in j} \Phi(x_i)

    This is the permutation-invariant layer of Deep Sets
    (`arXiv:1703.06114 <https://arxiv.org/abs/1703.06114>`_); an empty jet sums to zero. With ReLU
    the last activation and the sum are one pass over memory, so that the widest tensor,
    ``[N, channels[-1]]`` after its activation, is never stored.

    Args:
        in_channels: Number of inputs, or -1 to take it from the first batch.
        channels: Width of each hidden layer.
        out_channels: Width of a last linear layer without activation. Default: no such layer.
        activation: ``relu``, ``leaky_relu``, ``gelu``, ``elu`` or ``silu``. Default: ``relu``.
        dropout: Probability of zeroing an activation in training. Default: 0.
        init: The initial weights, ``"torch"`` or ``"he_uniform"``. Default: ``"torch"``.

    Shapes:
        - **x:** ``[N, in_channels]``, **ptr:** ``[J + 1]``
        - **output:** ``[J, channels[-1]]``, or ``[J, out_channels]``

    Examples:
        >>> import torch
        >>> DeepSum(3, (8, 4))(torch.ones(5, 3), torch.tensor([0, 2, 2, 5])).shape
        torch.Size([3, 4])
    """

    def forward(self, x: Tensor, ptr: Tensor) -> Tensor:  # type: ignore[override]
        """Sum the network's output over each jet."""
        # A single layer may still have to learn its input's width, which only its own call does.
        fused = self.activation == "relu" and not self.dropout and len(self.channels) > 1
        if not fused or self.out_channels is not None:
            return segment_sum(super().forward(x), ptr)
        *body, last, _ = self.layers
        for layer in body:
            x = layer(x)
        return segment_sum_relu(F.linear(x, last.weight), last.bias, ptr)  # type: ignore[arg-type]


def check_widths(in_channels: int, widths: Sequence[int]) -> None:
    """Refuse numbers of inputs and widths that make no layers.

    Args:
        in_channels: Number of inputs, or -1 if it is taken from the first batch.
        widths: Width of each layer.

    Raises:
        InputError: If there is no layer, or a number is below 1.
    """
    if in_channels != -1 and in_channels < 1:
        raise InputError(
            f"Expected in_channels of at least 1, or -1 to take it from the first batch, "
            f"but got {in_channels}."
        )
    if not widths or min(widths) < 1:
        raise InputError(f"Expected one or more layers of width 1 or more, but got {widths}.")
