r"""PyG's ``DynamicEdgeConv``, which finds its neighbours without further packages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch_geometric.nn import EdgeConv

from pyg_jets.ops import knn_graph

__all__ = ["DynamicEdgeConv"]


class DynamicEdgeConv(EdgeConv):
    r"""The dynamic edge convolution of `arXiv:1801.07829 <https://arxiv.org/abs/1801.07829>`_.

    .. math::
        x'_i = \square_{j \in \text{kNN}(x_i)} h_\Theta(x_i \oplus (x_j - x_i))

    Constructor and output are those of ``torch_geometric.nn.DynamicEdgeConv``, which counts a node
    as the nearest of its own neighbours; it needs neither ``pyg-lib`` nor ``torch-cluster``.
    :class:`EdgeConvBlock` is faster where :math:`h` is linear layers.

    Args:
        nn: The network :math:`h_\Theta`, from ``[E, 2 · F]`` to ``[E, F']``.
        k: Number of neighbours.
        aggr: How messages are joined, ``max``, ``add``, ``mean``.
        num_workers: Taken for PyG's sake; threads are torch's.
        **kwargs: What ``torch_geometric.nn.MessagePassing`` takes.

    Shapes:
        - **x:** ``[N, F]``, **batch:** ``[N]``
        - **output:** ``[N, F']``

    Examples:
        >>> import torch
        >>> conv = DynamicEdgeConv(torch.nn.Linear(6, 8), k=2)
        >>> conv(torch.randn(5, 3), torch.tensor([0, 0, 0, 1, 1])).shape
        torch.Size([5, 8])
    """

    def __init__(
        self,
        nn: Callable,
        k: int,
        aggr: str = "max",
        num_workers: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(nn, aggr, **kwargs)
        self.k, self.num_workers = k, num_workers

    def forward(self, x: Tensor, batch: Tensor | None = None) -> Tensor:
        """The new features of each node; ``batch`` must not fall."""
        return super().forward(x, knn_graph(x, self.k, batch, loop=True))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(nn={self.nn}, k={self.k})"
