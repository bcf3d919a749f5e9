r"""PyG's ``DynamicEdgeConv`` with neighbours from :func:`pyg_jets.ops.knn_graph`.

PyG's own needs ``torch-cluster`` or ``pyg-lib``, which have to be compiled; this one needs neither.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch_geometric.nn import EdgeConv

from pyg_jets.errors import InputError
from pyg_jets.ops import batch_to_ptr, counts_to_ptr, knn_graph, ptr_to_batch
from pyg_jets.ops.kernel import split_jets

__all__ = ["DynamicEdgeConv"]

#: Numbers that are held at a time where the nearest of another set are sought.
_MAX_NUMBERS = 1 << 24


class DynamicEdgeConv(EdgeConv):
    r"""The dynamic edge convolution of `arXiv:1801.07829 <https://arxiv.org/abs/1801.07829>`_.

    .. math::
        x'_i = \square_{j \in \text{kNN}(x_i)} h_\Theta(x_i \oplus (x_j - x_i))

    Constructor, input and output are those of ``torch_geometric.nn.DynamicEdgeConv``: each node is
    the nearest of its own neighbours, or, of a pair of sets, the neighbours of the nodes of the
    second set are taken from the first. :class:`EdgeConvBlock` is faster where :math:`h_\Theta`
    consists of linear layers.

    Args:
        nn: The network :math:`h_\Theta`, from ``[E, 2 · F]`` to ``[E, F']``.
        k: Number of neighbours; in one set, the node itself included.
        aggr: Aggregation over the neighbours: ``max``, ``add`` or ``mean``. Default: ``max``.
        num_workers: Part of PyG's signature, not used: the threads are torch's.
        **kwargs: Further arguments of ``torch_geometric.nn.MessagePassing``.

    Shapes:
        - **x:** ``[N, F]``, or a pair ``([N, F], [M, F])``
        - **batch:** ``[N]`` int64, non-decreasing, or a pair ``([N], [M])``; without it there is
          one graph
        - **output:** ``[N, F']``, of a pair ``[M, F']``

    Raises:
        InputError: For something other than a tensor or a pair of them, or batch vectors of other
            lengths than the sets have.

    Examples:
        >>> import torch
        >>> conv = DynamicEdgeConv(torch.nn.Linear(6, 8), k=2)
        >>> conv(torch.randn(5, 3), torch.tensor([0, 0, 0, 1, 1])).shape
        torch.Size([5, 8])
        >>> conv((torch.randn(5, 3), torch.randn(2, 3))).shape
        torch.Size([2, 8])
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

    def forward(
        self,
        x: Tensor | tuple[Tensor, Tensor],
        batch: Tensor | tuple[Tensor | None, Tensor | None] | None = None,
    ) -> Tensor:
        """Return the new features of each node, ``[N, F']``, or of the second set, ``[M, F']``."""
        source, target = _pair("x", x)
        of_source, of_target = _pair("batch", batch)
        if source is target and of_source is of_target:
            return super().forward(source, knn_graph(source, self.k, of_source, loop=True))
        if source.dim() != 2 or target.dim() != 2 or source.size(1) != target.size(1):
            raise InputError(
                "Expected x as a pair of tensors [N, F] and [M, F], but got the shapes "
                f"{list(source.shape)} and {list(target.shape)}."
            )
        ptrs = _pointers((source, target), (of_source, of_target))
        with torch.no_grad():
            edges = _nearest_of_other(source, target, *ptrs, self.k)
        return super().forward((source, target), edges)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(nn={self.nn}, k={self.k})"


def _pair(name: str, value: Any) -> tuple[Any, Any]:
    """A pair as it is; a tensor, or none, twice."""
    if value is None or isinstance(value, Tensor):
        if value is None and name == "x":
            raise InputError("Expected x as a tensor [N, F] or a pair of them, but got None.")
        return value, value
    kinds = (Tensor,) if name == "x" else (Tensor, type(None))
    got = type(value).__name__
    if isinstance(value, tuple | list):
        if len(value) == 2 and all(isinstance(each, kinds) for each in value):
            return value[0], value[1]
        got += f" of {', '.join(type(each).__name__ for each in value) or 'nothing'}"
    raise InputError(f"Expected {name} as a tensor or a pair of them, but got a {got}.")


def _pointers(
    sets: tuple[Tensor, Tensor], batches: tuple[Tensor | None, Tensor | None]
) -> tuple[Tensor, Tensor]:
    """The pointers of two sets of nodes of the same graphs; a set without a batch is one graph."""
    vectors = []
    for which, nodes, batch in zip(("first", "second"), sets, batches, strict=True):
        batch = nodes.new_zeros(len(nodes), dtype=torch.int64) if batch is None else batch
        if batch.shape != (len(nodes),):
            raise InputError(
                f"Expected a batch vector [{len(nodes)}] of the {which} set, but got "
                f"{list(batch.shape)}: give a pair of them, as of x."
            )
        vectors.append(batch)
    n_graphs = max((int(batch[-1]) + 1 for batch in vectors if len(batch)), default=0)
    first, second = (batch_to_ptr(batch, n_graphs) for batch in vectors)
    return first, second


def _nearest_of_other(
    source: Tensor, target: Tensor, source_ptr: Tensor, target_ptr: Tensor, k: int
) -> Tensor:
    """Edges ``[2, E]`` from the ``k`` nearest sources of each target in its graph, in plain torch.

    Some graphs are taken at a time, with all pairs of a target and a source of the same graph.
    """
    if isinstance(k, bool) or k < 1:
        raise InputError(f"Expected k of at least 1, but got {k}.")
    n_sources = source_ptr.diff()
    pair_ptr = counts_to_ptr(n_sources * target_ptr.diff())
    edges = [source_ptr.new_empty(2, 0)]
    for start, stop in split_jets(pair_ptr.cpu(), _MAX_NUMBERS // max(source.size(1), 1)):
        rows = torch.arange(int(target_ptr[start]), int(target_ptr[stop]), device=target.device)
        graph = start + ptr_to_batch(target_ptr[start : stop + 1] - target_ptr[start])
        n = n_sources[graph]
        centre, first = rows.repeat_interleave(n), (n.cumsum(0) - n).repeat_interleave(n)
        number = torch.arange(len(centre), device=target.device)
        other = source_ptr[graph].repeat_interleave(n) + number - first
        by_distance = (source[other] - target[centre]).square().sum(1).argsort(stable=True)
        order = by_distance[centre[by_distance].argsort(stable=True)]  # and first by target
        is_near = number - first < k
        edges.append(torch.stack((other[order][is_near], centre[is_near])))
    return torch.cat(edges, 1)
