r"""Edge convolutions on a table of neighbours."""

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
from pyg_jets.ops import edge_conv, edge_sum

__all__ = ["EdgeConvBlock", "node_norm"]

_AGGREGATIONS = ("mean", "max", "sum")


class EdgeConvBlock(nn.Module):
    r"""The edge convolution of ParticleNet (arXiv 1902.08570), after DGCNN (arXiv 1801.07829).

    .. math::
        x'_i = \operatorname{ReLU}\Big(S x_i + \square_{j \in \mathcal{N}(i)}
        h_\Theta(x_i \oplus (x_j - x_i))\Big)

    where :math:`h_\Theta` is linear layers, each with batch norm over the real edges and a ReLU,
    and :math:`S` a linear shortcut with batch norm, or the identity where the widths agree. The
    first linear layer is applied to particles, not to edges, and nothing is made for neighbours
    that are not there.

    Args:
        in_channels: Features of a particle, or -1 to take it from the first batch.
        channels: Widths of the layers.
        aggr: ``mean``, ``max`` or ``sum`` over the neighbours; a particle without any gets 0.
        norm: Whether to normalise; without it layers have a bias.
        shortcut: Whether to add the shortcut, and a last ReLU.

    Shapes:
        - **x:** ``[N, in_channels]``, **index:** ``[N, k]``, **ptr:** ``[J + 1]``
        - **output:** ``[N, channels[-1]]``

    Raises:
        ValueError: For widths that make no block, or another number of features.

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
        """The new features of each particle."""
        u, v = self._first(x)
        if self.norms and self.aggr != "max":
            z = self._block(u, v, index, ptr)
        else:
            z = self._plain(u, v, index, ptr)
        if not self.has_shortcut:
            return z
        if self.shortcut is None:
            return F.relu(z + x)
        return F.relu(z + node_norm(self.shortcut_norm, self.shortcut(x)))

    def _first(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The first layer of each particle, for itself and for those it is a neighbour of."""
        linear: Any = self.linears[0]
        width = x.size(1)
        if not torch.compiler.is_compiling() and is_lazy(linear.weight):
            linear(x.new_empty(0, 2 * width))  # learns its width
        weight: Tensor = linear.weight
        if weight.size(1) != 2 * width:
            raise InputError(
                f"Expected {weight.size(1) // 2} features of a particle, but got {width}."
            )
        own, other = weight[:, :width], weight[:, width:]
        return F.linear(x, own - other, linear.bias), F.linear(x, other)

    def _block(self, u: Tensor, v: Tensor, index: Tensor, ptr: Tensor) -> Tensor:
        """All layers and the mean or sum in one operation."""
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
                _keep(norm, mean, var, (index >= 0).sum())
        return out if self.aggr == "mean" else out * (index >= 0).sum(1, keepdim=True)

    def _plain(self, u: Tensor, v: Tensor, index: Tensor, ptr: Tensor) -> Tensor:
        """The layers one by one."""
        z, real = edge_sum(u, v, index, ptr), (index >= 0).view(-1, 1)
        for i, linear in enumerate(self.linears):
            z = z if i == 0 else linear(z)
            if self.norms:
                z = torch.zeros_like(z).index_put(
                    (real[:, 0],), node_norm(self.norms[i], z[real[:, 0]])
                )
            z = F.relu(z)
        return _aggregate(z, index, self.aggr)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.in_channels}, {self.channels}, aggr={self.aggr!r}, "
            f"norm={bool(self.norms)}, shortcut={self.has_shortcut})"
        )


@torch.no_grad()
def _keep(norm: Any, mean: Tensor, var: Tensor, count: Tensor) -> None:
    """Let the running figures follow those of a batch, if it has two edges or more."""
    unbiased = var * count / (count - 1).clamp(min=1)
    share = (count > 1).to(norm.running_mean) * norm.momentum
    norm.running_mean.lerp_(mean.to(norm.running_mean), share)
    norm.running_var.lerp_(unbiased.to(norm.running_var), share)
    norm.num_batches_tracked.add_(1)


def node_norm(norm: Any, x: Tensor) -> Tensor:
    """Batch norm over particles; of fewer than two there are no statistics: the running ones do."""
    if norm.training and x.size(0) < 2:
        if torch.compiler.is_compiling():
            figures = norm.running_mean, norm.running_var, norm.weight, norm.bias
            return F.batch_norm(x, *figures, eps=norm.eps)
        norm.eval()
        out = norm(x)
        norm.train()
        return out
    return norm(x)


def _aggregate(z: Tensor, index: Tensor, aggr: str) -> Tensor:
    n, k = index.shape
    rows, real = z.view(n, k, z.size(1)), (index >= 0).unsqueeze(-1)
    if aggr == "max":
        # After a ReLU no value is below the zero of a neighbour that is not there.
        return torch.where(real, rows, 0).amax(1) if k else rows.sum(1)
    total = torch.where(real, rows, 0).sum(1)
    return total if aggr == "sum" else total / real.sum(1).clamp(min=1)
