r"""The edge convolution of ParticleNet as a module, on a table of neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch_geometric.nn import Linear

from pyg_jets.errors import InputError
from pyg_jets.nn.layers.mlp import check_widths
from pyg_jets.nn.layers.norm import batch_norm
from pyg_jets.ops import edge_conv, edge_sum

__all__ = ["EdgeConvBlock"]

_AGGREGATIONS = ("mean", "max", "sum")


class EdgeConvBlock(nn.Module):
    r"""The edge convolution of ParticleNet (arXiv 1902.08570), after DGCNN (arXiv 1801.07829).

    .. math::
        x'_i = \operatorname{ReLU}\Big(S x_i + \square_{j \in \mathcal{N}(i)}
        h_\Theta(x_i \oplus (x_j - x_i))\Big)

    where :math:`h_\Theta` is a sequence of linear layers, each followed by batch norm over the real
    edges and a ReLU, :math:`\square` the aggregation, and :math:`S` a linear shortcut with batch
    norm, or the identity where the widths agree. It is weaver's ``EdgeConvBlock`` for ragged jets:
    nothing is computed for padding, and the first linear layer is applied to particles instead of
    edges. With ``mean`` and ``sum`` the layers are one operation, :func:`pyg_jets.ops.edge_conv`.

    Args:
        in_channels: Number of features of a particle, or -1 to take it from the first batch.
        channels: Widths of the layers.
        aggr: Aggregation over the neighbours: ``mean``, ``max`` or ``sum``. A particle without
            neighbours gets 0. Default: ``mean``.
        norm: Whether layers have a batch norm; without it they have a bias. Default: True.
        shortcut: Whether to add the shortcut, followed by a ReLU. Default: True.

    Shapes:
        - **x:** ``[N, in_channels]``, the particles of all jets, one jet after the other
        - **index:** ``[N, k]`` int64, rows of neighbours in the same jet, or -1 for none
        - **ptr:** ``[J + 1]`` int64; jet ``j`` holds the particles ``ptr[j]`` to ``ptr[j + 1] - 1``
        - **output:** ``[N, channels[-1]]``

    Raises:
        InputError: If a width is below 1, ``aggr`` is unknown, or ``x`` has another number of
            features.

    Examples:
        >>> from pyg_jets.ops import knn
        >>> x, ptr = torch.randn(7, 3), torch.tensor([0, 3, 7])
        >>> EdgeConvBlock(3, (8, 8))(x, knn(x, ptr, 2), ptr).shape
        torch.Size([7, 8])
    """

    def __init__(
        self,
        in_channels: int,
        channels: Sequence[int],
        aggr: str = "mean",
        norm: bool = True,
        shortcut: bool = True,
    ) -> None:
        super().__init__()
        channels = tuple(channels)
        check_widths(in_channels, channels)
        if aggr not in _AGGREGATIONS:
            raise InputError(f"Unknown aggr {aggr!r}: choose from {', '.join(_AGGREGATIONS)}.")
        self.in_channels, self.channels, self.aggr = in_channels, channels, aggr
        widths = (2 * in_channels if in_channels > 0 else -1, *channels)
        self.linears = nn.ModuleList(
            Linear(before, width, bias=not norm)
            for before, width in zip(widths, channels, strict=False)
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for width in channels * norm)
        self.has_shortcut, self.shortcut, self.shortcut_norm = shortcut, None, None
        if shortcut and in_channels != channels[-1]:
            self.shortcut = Linear(in_channels, channels[-1], bias=False)
            self.shortcut_norm = nn.BatchNorm1d(channels[-1])

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        for module in (*self.linears, *self.norms, self.shortcut, self.shortcut_norm):
            if module is not None:
                module.reset_parameters()

    def forward(self, x: Tensor, index: Tensor, ptr: Tensor) -> Tensor:
        """Return the new features of each particle, ``[N, channels[-1]]``."""
        u, v = self._first_layer(x)
        if self.norms and self.aggr != "max":
            z = self._normalized_layers(u, v, index, ptr)
        else:
            z = self._layers(u, v, index, ptr)
        if not self.has_shortcut:
            return z
        if self.shortcut is None:
            return F.relu(z + x)
        return F.relu(z + batch_norm(self.shortcut_norm, self.shortcut(x)))

    def _first_layer(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """``W (x_i ⊕ (x_j - x_i))`` as ``u_i + v_j``, both of which are linear in particles."""
        linear: Any = self.linears[0]
        width = x.size(1)
        if not torch.compiler.is_compiling() and is_lazy(linear.weight):
            linear(x.new_empty(0, 2 * width))  # a lazy layer takes its width from a first call
        weight: Tensor = linear.weight
        if weight.size(1) != 2 * width:
            raise InputError(
                f"Expected {weight.size(1) // 2} features of a particle, but got {width}."
            )
        of_particle, of_difference = weight[:, :width], weight[:, width:]
        u = F.linear(x, of_particle - of_difference, linear.bias)
        return u, F.linear(x, of_difference)

    def _normalized_layers(self, u: Tensor, v: Tensor, index: Tensor, ptr: Tensor) -> Tensor:
        """All layers and the mean or sum over the neighbours, in one operation."""
        norms: list[Any] = list(self.norms)
        linears: list[Any] = list(self.linears)
        weight, bias, mean, var = (
            torch.cat([getattr(norm, name) for norm in norms])
            for name in ("weight", "bias", "running_mean", "running_var")
        )
        matrices, training = [linear.weight for linear in linears[1:]], norms[0].training
        out, mean, var = edge_conv(
            u, v, index, ptr, matrices, weight, bias, mean, var, norms[0].eps, training
        )
        if training:
            split = mean.split(self.channels), var.split(self.channels)
            for norm, mean, var in zip(norms, *split, strict=True):
                _update_running_statistics(norm, mean, var, (index >= 0).sum())
        return out if self.aggr == "mean" else out * (index >= 0).sum(1, keepdim=True)

    def _layers(self, u: Tensor, v: Tensor, index: Tensor, ptr: Tensor) -> Tensor:
        """The layers one by one, and the aggregation over the neighbours."""
        z, real = edge_sum(u, v, index, ptr), index.flatten() >= 0
        for i, linear in enumerate(self.linears):
            z = z if i == 0 else linear(z)
            if self.norms:
                z = torch.zeros_like(z).index_put((real,), batch_norm(self.norms[i], z[real]))
            z = F.relu(z)
        n, k = index.shape
        z = torch.where(real.unsqueeze(-1), z, 0).view(n, k, z.size(1))
        if self.aggr == "max":  # after a ReLU no value is below the 0 of a missing neighbour
            return z.amax(1) if k else z.sum(1)
        total = z.sum(1)
        if self.aggr == "sum":
            return total
        return total / (index >= 0).sum(1, keepdim=True).clamp(min=1)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.in_channels}, {self.channels}, aggr={self.aggr!r}, "
            f"norm={bool(self.norms)}, shortcut={self.has_shortcut})"
        )


@torch.no_grad()
def _update_running_statistics(norm: Any, mean: Tensor, var: Tensor, count: Tensor) -> None:
    """Update a batch norm's running statistics as torch does, if the batch has two edges or more.

    Args:
        norm: The batch norm.
        mean: Mean of the batch, ``[F]``.
        var: Biased variance of the batch, ``[F]``.
        count: Number of edges of the batch.
    """
    unbiased = var * count / (count - 1).clamp(min=1)
    momentum = (count > 1).to(norm.running_mean) * norm.momentum
    norm.running_mean.lerp_(mean.to(norm.running_mean), momentum)
    norm.running_var.lerp_(unbiased.to(norm.running_var), momentum)
    norm.num_batches_tracked.add_(1)
