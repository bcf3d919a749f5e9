"""The sum over each jet of what a network makes of each particle."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from pyg_jets.nn.layers.mlp import MLP
from pyg_jets.ops import segment_sum, segment_sum_relu

__all__ = ["DeepSum"]


class DeepSum(MLP):
    r"""Linear layers on each particle, each with its activation, summed over each jet.

    .. math::
        s_j = \sum_{i \in j} \Phi(x_i)

    With ReLU the last activation and the sum are one pass over memory, and the widest tensor is
    never stored. It is the deep set of
    `arXiv:1703.06114 <https://arxiv.org/abs/1703.06114>`_. Arguments are those of :class:`MLP`.

    Shapes:
        - **x:** ``[N, in_channels]``, **ptr:** ``[J + 1]``
        - **output:** ``[J, channels[-1]]``

    Examples:
        >>> import torch
        >>> DeepSum(3, (8, 4))(torch.ones(5, 3), torch.tensor([0, 2, 2, 5])).shape
        torch.Size([3, 4])
    """

    def forward(self, x: Tensor, ptr: Tensor) -> Tensor:  # type: ignore[override]
        """The sum of each jet."""
        # A single layer may still have to learn its input's width, which only its own call does.
        fused = self.activation == "relu" and not self.dropout and len(self.channels) > 1
        if not fused or self.out_channels is not None:
            return segment_sum(super().forward(x), ptr)
        *body, last, _ = self.layers
        for layer in body:
            x = layer(x)
        return segment_sum_relu(F.linear(x, last.weight), last.bias, ptr)  # type: ignore[arg-type]
