r"""Energy-flow polynomials, one for each multigraph (arXiv 1712.07124)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import combinations_with_replacement
from typing import Any

import networkx as nx
import numpy as np
import torch
from torch import Tensor

from pyg_jets.errors import InputError
from pyg_jets.kinematics import delta_phi
from pyg_jets.metrics.inputs import as_numpy

__all__ = ["energy_flow_polynomials", "multigraphs", "prime_multigraphs"]

#: Entries of the distance matrices that are held at once.
_MATRIX_ENTRIES = 1 << 23


@cache
def prime_multigraphs(d: int) -> tuple[nx.MultiGraph, ...]:
    """All connected multigraphs of ``d`` edges without loops, up to isomorphism.

    Args:
        d: Number of edges, at least 1.

    Examples:
        >>> [len(prime_multigraphs(d)) for d in range(1, 5)]
        [1, 2, 5, 12]
    """
    if d < 1:
        raise InputError(f"Expected at least 1 edge, but got {d}.")
    if d == 1:
        return (nx.MultiGraph([(0, 1)]),)
    graphs: list[nx.MultiGraph] = []
    for smaller in prime_multigraphs(d - 1):
        n = len(smaller)
        edges = [(k, m) for k in range(n) for m in range(k + 1, n + 1)]  # n is a new vertex
        for edge in edges:
            graph = nx.MultiGraph(smaller)
            graph.add_edge(*edge)
            simple = _simple(graph)
            if not any(
                nx.is_isomorphic(simple, _simple(other), edge_match=lambda a, b: a == b)
                for other in graphs
                if len(other) == len(graph)
            ):
                graphs.append(graph)
    return tuple(graphs)


def _simple(graph: nx.MultiGraph) -> nx.Graph:
    """The simple graph with the same vertices; ``times`` is the number of edges of each pair."""
    simple = nx.Graph()
    for k, m in graph.edges():
        times = simple.get_edge_data(k, m, {"times": 0})["times"] + 1
        simple.add_edge(k, m, times=times)
    return simple


@cache
def multigraphs(d_max: int) -> tuple[tuple[nx.MultiGraph, ...], ...]:
    """All multigraphs of at most ``d_max`` edges, each as its connected parts, the empty one first.

    Args:
        d_max: Largest number of edges.

    Examples:
        >>> len(multigraphs(4))
        36
    """
    parts = [prime for d in range(1, d_max + 1) for prime in prime_multigraphs(d)]
    graphs = [
        chosen
        for count in range(d_max + 1)
        for chosen in combinations_with_replacement(parts, count)
        if sum(part.number_of_edges() for part in chosen) <= d_max
    ]
    return tuple(sorted(graphs, key=lambda graph: sum(p.number_of_edges() for p in graph)))


def energy_flow_polynomials(
    x: Any, ptr: Any, graphs: Sequence[nx.MultiGraph], beta: float = 1.0
) -> np.ndarray:
    r"""The energy-flow polynomial of each jet for each connected multigraph.

    .. math::
        \mathrm{EFP}_G = \sum_{i_1} \dots \sum_{i_N} z_{i_1} \dots z_{i_N}
        \prod_{(k, m) \in G} \theta_{i_k i_m}^\beta

    with :math:`z = p_T`, absolute or relative as in ``x``, and θ the distance in the plane of the
    two angles. Vertices are summed out one by one by matrix products, which is possible as long as
    some vertex has at most two neighbours: so in all multigraphs of up to five edges. Jets of the
    same multiplicity are computed together, so that nothing is padded. The EnergyFlow package pads
    nothing either but computes jet by jet in Python; the tests compare with the defining sum.

    Args:
        x: pT (absolute or relative), η (or rapidity) and φ of each particle, ``[N, 3]``.
        ptr: Ragged pointer ``[J + 1]``.
        graphs: Connected multigraphs, such as :func:`prime_multigraphs`.
        beta: Exponent β of the distance. Default: 1.

    Returns:
        ``[J, G]`` float64; 0 for an empty jet.

    Raises:
        ValueError: For other columns, or a graph that cannot be summed this way.

    Examples:
        >>> x = [[0.5, 0.1, 0.0], [0.5, -0.1, 0.0]]
        >>> energy_flow_polynomials(x, [0, 2], prime_multigraphs(1)).round(3).tolist()
        [[0.1]]
    """
    particles = torch.from_numpy(np.array(as_numpy(x), np.float64))
    pointer = as_numpy(ptr).astype(np.int64)
    if particles.dim() != 2 or particles.size(1) != 3 or pointer[-1] != len(particles):
        raise InputError(
            f"Expected x [N, 3] = (pt, eta, phi) and ptr from 0 to N, but got "
            f"{list(particles.shape)} and ptr to {pointer[-1]}."
        )
    counts = np.diff(pointer)
    out = np.zeros((len(counts), len(graphs)))
    orders = [_elimination_order(graph) for graph in graphs]
    for n in np.unique(counts[counts > 0]):
        jets = np.flatnonzero(counts == n)
        for chunk in np.array_split(jets, -(-len(jets) * int(n) ** 2 // _MATRIX_ENTRIES)):
            rows = torch.from_numpy(pointer[chunk][:, None] + np.arange(n))
            z, eta, phi = particles[rows].unbind(-1)
            d_eta = eta.unsqueeze(2) - eta.unsqueeze(1)
            d_phi = delta_phi(phi.unsqueeze(2), phi.unsqueeze(1))
            theta = (d_eta.square() + d_phi.square()).pow(beta / 2)
            for column, order in enumerate(orders):
                out[chunk, column] = _sum_out(z, theta, *order).numpy()
    return out


def _elimination_order(graph: nx.MultiGraph) -> tuple[dict[frozenset[int], int], list[int]]:
    """How often each pair of vertices is joined, and an order in which to sum them out."""
    simple = _simple(graph)
    pairs = {frozenset(edge): simple.edges[edge]["times"] for edge in simple.edges}
    left, order = nx.Graph(simple), []
    while len(left) > 1:
        vertex = min(left, key=left.degree)
        ends = list(left[vertex])
        if not 1 <= len(ends) <= 2:
            raise InputError(
                f"Expected a connected multigraph in which vertices can be summed out two "
                f"neighbours at a time, but got {sorted(graph.edges())}."
            )
        order.append(vertex)
        left.remove_node(vertex)
        if len(ends) == 2:
            left.add_edge(*ends)
    return pairs, [*order, *left]


def _sum_out(
    z: Tensor, theta: Tensor, pairs: dict[frozenset[int], int], order: list[int]
) -> Tensor:
    """Sum over one vertex after the other: a leaf into its neighbour, others into a new edge."""
    weight = dict.fromkeys(order, z)
    joined = {pair: theta.pow(times) for pair, times in pairs.items()}  # rows: the lesser vertex
    for vertex in order[:-1]:
        factors = []
        for pair in [pair for pair in joined if vertex in pair]:
            (end,) = pair - {vertex}
            matrix = joined.pop(pair)
            factors.append((end, matrix.transpose(1, 2) if vertex < end else matrix))
        (end, first), *others = factors
        if not others:
            inner = torch.bmm(first, weight[vertex].unsqueeze(2)).squeeze(2)
            weight[end] = weight[end] * inner
            continue
        other, second = others[0]
        product = torch.bmm(first * weight[vertex].unsqueeze(1), second.transpose(1, 2))
        product, pair = product.transpose(1, 2) if end > other else product, frozenset((end, other))
        joined[pair] = joined[pair] * product if pair in joined else product
    return weight[order[-1]].sum(1)
