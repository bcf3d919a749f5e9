r"""Neighbours as PyG's ``edge_index``, with the signatures of PyG's own functions."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_jets.ops.knn import knn
from pyg_jets.ops.pointer import batch_to_ptr, counts_to_ptr
from pyg_jets.ops.radius import radius

__all__ = ["knn_graph", "radius_graph"]

_FLOWS = ("source_to_target", "target_to_source")


def knn_graph(
    x: Tensor,
    k: int,
    batch: Tensor | None = None,
    loop: bool = False,
    flow: str = "source_to_target",
    cosine: bool = False,
    num_workers: int = 1,
    batch_size: int | None = None,
) -> Tensor:
    r"""Edges from the ``k`` nearest neighbours of each node to it, as PyG's ``knn_graph``.

    Signature, ``edge_index`` and order of edges (by node, nearest first) are PyG's; it needs
    neither ``pyg-lib`` nor ``torch-cluster``. Of nodes at the same distance the one
    with the smaller number comes first.

    Args:
        x: Coordinates, ``[N, D]`` or ``[N]``.
        k: Number of neighbours; fewer where a graph has no more.
        batch: The graph of each node ``[N]``, non-decreasing. Default: one graph.
        loop: Whether a node is its own nearest neighbour.
        flow: ``"source_to_target"``, or ``"target_to_source"`` for reversed edges.
        cosine: Whether the angle between ``x`` is the distance.
        num_workers: Part of PyG's signature, not used: the threads are torch's.
        batch_size: Number of graphs, needed only where the last ones are empty.

    Shapes:
        - **output:** ``[2, E]`` int64

    Raises:
        ValueError: If ``batch`` is not sorted, ``k`` is below 1, or a coordinate is not finite.

    Examples:
        >>> x = torch.tensor([[0.0], [1.0], [3.0]])
        >>> knn_graph(x, k=1)
        tensor([[1, 0, 1],
                [0, 1, 2]])
    """
    x, ptr = _ragged(x, batch, batch_size)
    if cosine:
        x = torch.nn.functional.normalize(x, dim=1)
    nodes = torch.arange(len(x), device=x.device)
    neighbours = knn(x, ptr, k)
    if loop:
        neighbours = torch.cat((nodes[:, None], neighbours[:, :-1]), 1)
    real = neighbours >= 0
    return _directed(neighbours[real], nodes.repeat_interleave(real.sum(1)), flow)


def radius_graph(
    x: Tensor,
    r: float,
    batch: Tensor | None = None,
    loop: bool = False,
    max_num_neighbors: int = 32,
    flow: str = "source_to_target",
    num_workers: int = 1,
    batch_size: int | None = None,
) -> Tensor:
    r"""Edges from all nodes within ``r`` of a node to it, as PyG's ``radius_graph``.

    Args:
        x: Coordinates, ``[N, D]`` or ``[N]``.
        r: The largest distance.
        batch: The graph of each node ``[N]``, non-decreasing. Default: one graph.
        loop: Whether a node is its own neighbour.
        max_num_neighbors: The largest number of neighbours of a node; those with the smallest
            numbers are kept.
        flow: ``"source_to_target"``, or ``"target_to_source"`` for reversed edges.
        num_workers: Part of PyG's signature, not used: the threads are torch's.
        batch_size: Number of graphs, needed only where the last ones are empty.

    Shapes:
        - **output:** ``[2, E]`` int64

    Raises:
        ValueError: If ``batch`` is not sorted, ``r`` is negative, or a coordinate is not finite.

    Examples:
        >>> radius_graph(torch.tensor([[0.0], [1.0], [3.0]]), r=1.5)
        tensor([[1, 0],
                [0, 1]])
    """
    x, ptr = _ragged(x, batch, batch_size)
    neighbours, out_ptr = radius(x, ptr, r)
    counts = out_ptr.diff()
    nodes = torch.arange(len(x), device=x.device)
    centre = nodes.repeat_interleave(counts)
    if loop:
        neighbours, centre = torch.cat((neighbours, nodes)), torch.cat((centre, nodes))
        order = (centre * len(x) + neighbours).argsort()  # the loop is sorted in by its number
        neighbours, centre, counts = neighbours[order], centre[order], counts + 1
    first = counts_to_ptr(counts)[:-1].repeat_interleave(counts)
    kept = torch.arange(len(neighbours), device=x.device) - first < max_num_neighbors
    return _directed(neighbours[kept], centre[kept], flow)


def _ragged(x: Tensor, batch: Tensor | None, batch_size: int | None) -> tuple[Tensor, Tensor]:
    x = x[:, None] if x.dim() == 1 else x
    if batch is None:
        return x, torch.tensor([0, len(x)], device=x.device)
    return x, batch_to_ptr(batch, batch_size)


def _directed(neighbour: Tensor, node: Tensor, flow: str) -> Tensor:
    if flow not in _FLOWS:
        raise ValueError(f"Unknown flow {flow!r}: choose from {', '.join(_FLOWS)}.")
    return torch.stack((neighbour, node) if flow == _FLOWS[0] else (node, neighbour))
