"""Edges between near particles: PyG's ``KNNGraph`` and ``RadiusGraph``, for a whole batch at once.

They have the arguments and give the edges of PyG's own classes, which need the compiled pyg-lib and
leave a batch without the slices of its edges, so that ``to_data_list()`` fails.
"""

from __future__ import annotations

import copy
from abc import abstractmethod

import torch
from torch import Tensor
from torch_geometric.data import Batch, Data
from torch_geometric.utils import to_undirected

from pyg_jets.errors import InputError
from pyg_jets.ops import counts_to_ptr, knn_graph, radius_graph
from pyg_jets.transforms.base import BatchTransform

__all__ = ["KNNGraph", "RadiusGraph"]


class _NeighbourGraph(BatchTransform):
    """A transform that adds ``edge_index`` from ``pos``; a subclass finds the edges."""

    force_undirected: bool

    @abstractmethod
    def edges(self, pos: Tensor, batch: Tensor | None, n_graphs: int | None) -> Tensor:
        """The edges ``[2, E]`` between positions ``[N, D]`` of the same graph."""

    def forward(self, data: Data) -> Data:
        """Return a copy of ``data`` (one graph or a batch) with ``edge_index`` from its ``pos``."""
        pos = getattr(data, "pos", None)
        if not isinstance(pos, Tensor):
            raise InputError(f"Expected positions pos of shape [N, D], but got {data}: add them.")
        is_batch = isinstance(data, Batch)
        out, batch = copy.copy(data), data.batch if is_batch else None
        edges = self.edges(pos, batch, data.num_graphs if is_batch else None)
        if self.force_undirected:
            edges = to_undirected(edges, num_nodes=len(pos))
        out.edge_index, out.edge_attr = edges, None
        if is_batch:  # which edges belong to which graph, so that to_data_list() returns them
            counts = torch.bincount(data.batch[edges[1]], minlength=data.num_graphs)
            edge_ptr = counts_to_ptr(counts).cpu()
            out._slice_dict = {**out._slice_dict, "edge_index": edge_ptr}
            out._inc_dict = {**out._inc_dict, "edge_index": data.ptr[:-1].cpu()}
        return out


class KNNGraph(_NeighbourGraph):
    r"""Edges from the ``k`` nearest neighbours in ``pos``: ``torch_geometric.transforms.KNNGraph``.

    Args:
        k: Number of neighbours.
        loop: Whether a node is its own nearest neighbour.
        force_undirected: Whether edges go both ways.
        flow: ``"source_to_target"`` or ``"target_to_source"``.
        cosine: Whether the angle is the distance.
        num_workers: Not used, as threads are torch's; it is there because PyG's class has it.

    Examples:
        >>> KNNGraph(k=1)(Data(pos=torch.tensor([[0.0, 0], [1, 0], [3, 0]]))).edge_index
        tensor([[1, 0, 1],
                [0, 1, 2]])
    """

    def __init__(
        self,
        k: int = 6,
        loop: bool = False,
        force_undirected: bool = False,
        flow: str = "source_to_target",
        cosine: bool = False,
        num_workers: int = 1,
    ) -> None:
        self.k, self.loop, self.force_undirected = k, loop, force_undirected
        self.flow, self.cosine, self.num_workers = flow, cosine, num_workers

    def edges(self, pos: Tensor, batch: Tensor | None, n_graphs: int | None) -> Tensor:
        """The edges ``[2, E]``."""
        return knn_graph(pos, self.k, batch, self.loop, self.flow, self.cosine, batch_size=n_graphs)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(k={self.k})"


class RadiusGraph(_NeighbourGraph):
    r"""Edges between nodes within ``r`` in ``pos``: ``torch_geometric.transforms.RadiusGraph``.

    Args:
        r: The largest distance.
        loop: Whether a node is its own neighbour.
        max_num_neighbors: Largest number of neighbours of a node; the first ones are taken.
        flow: ``"source_to_target"`` or ``"target_to_source"``.
        num_workers: Not used, as threads are torch's; it is there because PyG's class has it.

    Examples:
        >>> RadiusGraph(r=1.5)(Data(pos=torch.tensor([[0.0, 0], [1, 0], [3, 0]]))).edge_index
        tensor([[1, 0],
                [0, 1]])
    """

    def __init__(
        self,
        r: float,
        loop: bool = False,
        max_num_neighbors: int = 32,
        flow: str = "source_to_target",
        num_workers: int = 1,
    ) -> None:
        self.r, self.loop, self.max_num_neighbors = r, loop, max_num_neighbors
        self.flow, self.num_workers, self.force_undirected = flow, num_workers, False

    def edges(self, pos: Tensor, batch: Tensor | None, n_graphs: int | None) -> Tensor:
        """The edges ``[2, E]``."""
        return radius_graph(
            pos, self.r, batch, self.loop, self.max_num_neighbors, self.flow, batch_size=n_graphs
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}(r={self.r})"
