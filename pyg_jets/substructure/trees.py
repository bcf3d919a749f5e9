"""Binary trees over the particles of jets, for recursive networks and for graphs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pyg_jets.errors import InputError, did_you_mean
from pyg_jets.ops.kernel import kernel, over_jets
from pyg_jets.substructure.clustering import cluster
from pyg_jets.substructure.inputs import check_momenta
from pyg_jets.substructure.sequential import ALGORITHMS, direction, exponent

if TYPE_CHECKING:
    import networkx
    from torch_geometric.data import Data

__all__ = ["TREES", "Trees", "clustering_trees"]

#: Kinds of trees, besides those of the algorithms of :func:`~pyg_jets.substructure.cluster`.
TREES = ("pt", "pt_ascending", "random")


@dataclass(frozen=True, eq=False)
class Trees:
    """A binary tree for each jet: n particles, in their order, then n − 1 merged nodes, root last.

    Nodes are rows of the arrays below; a jet of n particles has 2n − 1 of them, an empty jet none.
    Each node comes after its children.

    Args:
        momenta: ``(px, py, pz, E)`` of each node, the sum of its particles, ``[M, 4]`` float64
            (GeV).
        children: The rows of the two children of each node, ``[M, 2]`` int64; −1 for particles.
        parent: The row of the parent of each node, ``[M]`` int64; −1 for roots.
        delta_r: Distance of the children of each node, ``[M]``; 0 for particles.
        ptr: Ragged pointer of the nodes, ``[J + 1]``.
    """

    momenta: np.ndarray
    children: np.ndarray
    parent: np.ndarray
    delta_r: np.ndarray
    ptr: np.ndarray

    def __len__(self) -> int:
        return len(self.ptr) - 1

    def __repr__(self) -> str:
        return f"Trees({len(self)} jets, {len(self.momenta)} nodes)"

    @property
    def roots(self) -> np.ndarray:
        """The row of the root of each jet, ``[J]`` int64; −1 for an empty jet."""
        return np.where(np.diff(self.ptr) > 0, self.ptr[1:] - 1, -1)

    @property
    def edge_index(self) -> np.ndarray:
        """The edges from children to parents as pairs of rows, ``[2, M - J]`` int64."""
        inner = np.flatnonzero(self.parent >= 0)
        return np.stack((inner, self.parent[inner]))

    def levels(self) -> list[np.ndarray]:
        """The rows of the nodes by height, for networks that go through many trees at once.

        The first are all particles; nodes of a later one have their children in those before it.

        Examples:
            >>> trees = clustering_trees([[3, 0, 0, 3], [2, 0, 1, 3], [0, 1, 0, 1]], [0, 3], "pt")
            >>> [level.tolist() for level in trees.levels()]
            [[0, 1, 2], [3], [4]]
        """
        height = np.zeros(len(self.momenta), np.int64)
        _heights(self.children, height)
        order = np.argsort(height, kind="stable")
        return np.split(order, np.cumsum(np.bincount(height))[:-1]) if len(order) else []

    def to_networkx(self, jet: int) -> networkx.DiGraph:
        """The tree of one jet, with edges from parents to children.

        Nodes are numbered 0 … 2n − 2, particles first and the root last, and have ``momentum`` and
        ``delta_r``.

        Args:
            jet: The number of the jet.

        Examples:
            >>> trees = clustering_trees([[3, 0, 0, 3], [2, 0, 1, 3], [0, 1, 0, 1]], [0, 3], "kt")
            >>> list(trees.to_networkx(0).edges)
            [(3, 0), (3, 1), (4, 2), (4, 3)]
        """
        import networkx as nx

        own, first = self._rows(jet), int(self.ptr[jet])
        graph = nx.DiGraph()
        for node, (p, delta_r) in enumerate(
            zip(self.momenta[own].tolist(), self.delta_r[own].tolist(), strict=True)
        ):
            graph.add_node(node, momentum=tuple(p), delta_r=delta_r)
        for node, children in enumerate((self.children[own] - first).tolist()):
            graph.add_edges_from((node, child) for child in children if child >= 0)
        return graph

    def to_pyg(self, jet: int) -> Data:
        """The tree of one jet as PyG's ``Data``.

        ``x [2n - 1, 4]`` are the momenta of the nodes (GeV, float32), ``edge_index`` goes from
        children to parents, ``delta_r [2n - 1]`` is the distance of the children, and ``is_root``
        marks the last node.

        Args:
            jet: The number of the jet.

        Examples:
            >>> trees = clustering_trees([[3, 0, 0, 3], [2, 0, 1, 3], [0, 1, 0, 1]], [0, 3], "kt")
            >>> data = trees.to_pyg(0)
            >>> data.edge_index
            tensor([[0, 1, 2, 3],
                    [3, 3, 4, 4]])
            >>> data.x[data.is_root]
            tensor([[5., 1., 1., 7.]])
        """
        from torch_geometric.data import Data

        own, first = self._rows(jet), int(self.ptr[jet])
        parent = self.parent[own] - first
        inner = np.flatnonzero(parent >= 0)
        edges = np.stack((inner, parent[inner]))
        is_root = np.arange(own.start, own.stop) == self.roots[jet]
        return Data(
            x=torch.from_numpy(self.momenta[own].astype(np.float32)),
            edge_index=torch.from_numpy(edges),
            delta_r=torch.from_numpy(self.delta_r[own].astype(np.float32)),
            is_root=torch.from_numpy(is_root),
        )

    def _rows(self, jet: int) -> slice:
        if not 0 <= jet < len(self):
            raise IndexError(f"There is no jet {jet} in {self!r}.")
        return slice(int(self.ptr[jet]), int(self.ptr[jet + 1]))


def clustering_trees(
    momenta: Any,
    ptr: Any,
    kind: str | float = "kt",
    ids: Any = None,
    seed: int = 0,
    threads: int | None = None,
) -> Trees:
    """A binary tree over the particles of each jet (arXiv 1702.00748).

    Args:
        momenta: ``(px, py, pz, E)`` of every particle, ``[N, 4]`` (GeV).
        ptr: Ragged pointer ``[J + 1]``.
        kind: ``"kt"``, ``"ca"``, ``"antikt"`` or an exponent p, as in
            :func:`~pyg_jets.substructure.cluster`. ``"pt"``: a chain that begins with the two
            hardest particles, to which the others are added by falling pT; ``"pt_ascending"``: one
            that begins with the two softest. ``"random"``: two nodes drawn at random are merged
            until one is left. Default: ``"kt"``.
        ids: Numbers of the jets, ``[J]``, by which random trees are drawn: a jet has the same tree
            in any selection of jets and any order of its particles. Default: ``0 … J - 1``.
        seed: Of random trees. Default: 0.
        threads: Largest number of threads. Default: torch's, and 1 in a loader's worker.

    Raises:
        ValueError: For an unknown kind, or momenta and pointer that do not fit together.

    Examples:
        >>> trees = clustering_trees([[3, 0, 0, 3], [2, 0, 1, 3], [0, 1, 0, 1]], [0, 3, 3], "kt")
        >>> trees
        Trees(2 jets, 5 nodes)
        >>> trees.children.tolist()
        [[-1, -1], [-1, -1], [-1, -1], [0, 1], [2, 3]]
        >>> trees.momenta[trees.roots[0]].tolist(), trees.parent.tolist()
        ([5.0, 1.0, 1.0, 7.0], [3, 3, 4, 4, -1])
    """
    if isinstance(kind, str) and kind in TREES:
        momenta, ptr = check_momenta(momenta, ptr)
        nodes, merged, delta_r = _ordered_trees(momenta, ptr, kind, ids, seed, threads)
    else:
        _check_kind(kind)
        clustering = cluster(momenta, ptr, kind, threads=threads)
        ptr, nodes = clustering.ptr, clustering.momenta
        merged, delta_r = clustering.merged, clustering.delta_r
    counts = np.diff(ptr)
    node_ptr = np.concatenate(([0], np.cumsum(np.maximum(2 * counts - 1, 0))))
    jet = np.repeat(np.arange(len(counts)), counts)
    place = np.arange(len(merged)) - ptr[:-1][jet]  # of a particle or a step in its jet
    merging = place < counts[jet] - 1  # the last step of a jet merges nothing
    made = (node_ptr[:-1][jet] + counts[jet] + place)[merging]
    children = np.full((node_ptr[-1], 2), -1)
    children[made] = merged[merging] + node_ptr[:-1][jet][merging][:, None]
    parent = np.full(node_ptr[-1], -1)
    parent[children[made].ravel()] = np.repeat(made, 2)
    distance = np.zeros(node_ptr[-1])
    distance[made] = delta_r[merging]
    is_node = np.ones(len(nodes), bool)
    is_node[2 * ptr[1:][counts > 0] - 1] = False
    return Trees(nodes[is_node], children, parent, distance, node_ptr)


def _check_kind(kind: Any) -> None:
    try:
        exponent(kind)
    except InputError:
        known = (*ALGORITHMS, *TREES)
        raise InputError(
            f"Unknown kind of trees {kind!r}: expected {', '.join(map(repr, known))}, or the "
            f"exponent p of generalized kt as a number.{did_you_mean(str(kind), known)}"
        ) from None


def _ordered_trees(
    momenta: np.ndarray, ptr: np.ndarray, kind: str, ids: Any, seed: int, threads: int | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Chains and random trees: ``momenta``, ``merged`` and ``delta_r`` as in a `Clustering`."""
    counts, n = np.diff(ptr), len(momenta)
    numbers = np.arange(len(counts)) if ids is None else np.asarray(ids)
    if numbers.shape != counts.shape or numbers.dtype.kind not in "iu":
        raise InputError(
            f"Expected ids as one whole number for each of the {len(counts)} jets, but got "
            f"{numbers.dtype} of shape {list(numbers.shape)}."
        )
    jet = np.repeat(np.arange(len(counts)), counts)
    # By falling pT; ties by momentum, so that the order of the particles never matters.
    pt2 = (momenta[:, :2] ** 2).sum(1) * (-1 if kind == "pt_ascending" else 1)
    order = np.lexsort((*momenta.T, -pt2, jet)) - ptr[:-1][jet]
    nodes, delta_r = np.empty((2 * n, 4)), np.empty(n)
    merged = np.empty((n, 2), np.int64)
    own_ids, seed = numbers.astype(np.int64), int(seed) & (2**63 - 1)

    def run(start: int, stop: int) -> None:
        _merge_in_order(
            momenta, ptr, start, stop, order, kind == "random", own_ids, seed,
            nodes, merged, delta_r,
        )  # fmt: skip

    over_jets(run, ptr, threads)
    return nodes, merged, delta_r


@kernel
def _merge_in_order(momenta, ptr, start, stop, order, at_random, ids, seed, nodes, merged, delta_r):
    """Merge the first two of the ordered particles, or two at random, until one is left."""
    for jet in range(start, stop):
        first, n = ptr[jet], ptr[jet + 1] - ptr[jet]
        active = order[first : first + n].copy()
        own = nodes[2 * first : 2 * (first + n)]
        own[:n] = momenta[first : first + n]
        state = _scrambled(np.uint64(_scrambled(np.uint64(seed))) ^ np.uint64(ids[jet]))
        for step in range(n - 1):
            left, i, j = n - step, np.int64(0), np.int64(step + 1)
            if at_random:
                state = np.uint64(_scrambled(np.uint64(state)))
                i = np.int64(state % np.uint64(left))
                state = np.uint64(_scrambled(state))
                j = np.int64(state % np.uint64(left - 1))
                if j >= i:
                    j += 1
            a, b = min(active[i], active[j]), max(active[i], active[j])
            merged[first + step, 0], merged[first + step, 1] = a, b
            for c in range(4):
                own[n + step, c] = own[a, c] + own[b, c]
            y_a, phi_a, _ = direction(own[a])
            y_b, phi_b, _ = direction(own[b])
            delta_phi = abs(phi_a - phi_b)
            delta_phi = min(delta_phi, 2 * np.pi - delta_phi)
            delta_r[first + step] = np.sqrt((y_a - y_b) ** 2 + delta_phi * delta_phi)
            active[i] = n + step
            if at_random:
                active[j] = active[left - 1]
        if n > 0:
            own[2 * n - 1] = 0.0
            merged[first + n - 1, 0], merged[first + n - 1, 1] = 2 * n - 2, -1
            delta_r[first + n - 1] = np.inf


@kernel
def _scrambled(state):
    """The next number of SplitMix64 (doi 10.1145/2660193.2660195), a bijection of 64 bits."""
    z = state + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@kernel
def _heights(children, height):
    """Write the length of the longest way down from each node."""
    for row in range(len(children)):
        if children[row, 0] >= 0:
            height[row] = 1 + max(height[children[row, 0]], height[children[row, 1]])
