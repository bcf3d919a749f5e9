r"""PyG's ``DynamicEdgeConv`` with neighbours from :func:`pyg_jets.ops.knn_graph`.

PyG's own needs ``torch-cluster`` or ``pyg-lib``, which have to be compiled; this one needs neither.
"""

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

    Constructor and output are those of ``torch_geometric.nn.DynamicEdgeConv``, in which each node
    is the nearest of its own neighbours. Its form for two sets of nodes is not supported.
    :class:`EdgeConvBlock` is faster where :math:`h_\Theta` consists of linear layers.

    Args:
        nn: The network :math:`h_\Theta`, from ``[E, 2 · F]`` to ``[E, F']``.
        k: Number of neighbours, the node itself included.
        aggr: Aggregation over the neighbours: ``max``, ``add`` or ``mean``. Default: ``max``.
        num_workers: Part of PyG's signature, not used: the threads are torch's.
        **kwargs: Further arguments of ``torch_geometric.nn.MessagePassing``.

    Shapes:
        - **x:** ``[N, F]``, **batch:** ``[N]`` int64, non-decreasing; without it there is one graph
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
        """Return the new features of each node, ``[N, F']``."""
        return super().forward(x, knn_graph(x, self.k, batch, loop=True))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(nn={self.nn}, k={self.k})"
