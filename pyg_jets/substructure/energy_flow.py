r"""Energy-flow polynomials, one for each multigraph (arXiv 1712.07124)."""

from __future__ import annotations

from collections import ChainMap, defaultdict
from collections.abc import Iterable, MutableMapping
from functools import cache
from itertools import combinations_with_replacement
from typing import Any

import networkx as nx
import numpy as np
import torch
from torch import Tensor

from pyg_jets import kinematics
from pyg_jets.columns import check_names
from pyg_jets.errors import InputError
from pyg_jets.substructure.inputs import check_exponent

__all__ = ["energy_flow_polynomials", "multigraphs", "prime_multigraphs"]

#: What :func:`energy_flow_polynomials` can take as energies and angles.
MEASURES = ("hadr", "hadrdot", "ee")
#: Entries of a matrix of distances of the jets that are computed together: 2 MB.
_MATRIX_ENTRIES = 1 << 18
_TWO_PI = 2 * np.pi

Edges = Iterable[tuple[int, int]]
#: An expression in the energies and angles of a jet, see :class:`_Sums`.
Key = tuple[Any, ...]
#: The expression of each pair of vertices ``a, b``: rows are the particles at ``a``.
Pairs = dict[tuple[int, int], Key]


@cache
def prime_multigraphs(d: int) -> tuple[nx.MultiGraph, ...]:
    """All connected multigraphs of ``d`` edges without loops, up to isomorphism.

    Args:
        d: Number of edges, at least 1.

    Examples:
        >>> [len(prime_multigraphs(d)) for d in range(1, 6)]
        [1, 2, 5, 12, 33]
    """
    if d < 1:
        raise InputError(f"Expected at least 1 edge, but got {d}.")
    if d == 1:
        return (nx.MultiGraph([(0, 1)]),)
    graphs: list[nx.MultiGraph] = []
    alike: dict[Any, list[nx.Graph]] = defaultdict(list)
    for smaller in prime_multigraphs(d - 1):
        n = len(smaller)
        edges = [(k, m) for k in range(n) for m in range(k + 1, n + 1)]  # n is a new vertex
        for edge in edges:
            graph = nx.MultiGraph(smaller)
            graph.add_edge(*edge)
            simple = _simple(graph)
            others = alike[_surroundings(simple)]
            if not any(
                nx.is_isomorphic(simple, other, edge_match=lambda a, b: a == b) for other in others
            ):
                others.append(simple)
                graphs.append(graph)
    return tuple(graphs)


def _simple(graph: nx.MultiGraph) -> nx.Graph:
    """The simple graph with the same vertices; ``times`` is the number of edges of each pair."""
    simple = nx.Graph()
    simple.add_nodes_from(graph)
    for k, m in graph.edges():
        times = simple.get_edge_data(k, m, {"times": 0})["times"] + 1
        simple.add_edge(k, m, times=times)
    return simple


def _surroundings(simple: nx.Graph) -> Any:
    """The same for isomorphic graphs: the edges about each vertex, and about its neighbours."""
    own = {v: tuple(sorted(e["times"] for e in simple[v].values())) for v in simple}
    around = {v: tuple(sorted((e["times"], own[u]) for u, e in simple[v].items())) for v in simple}
    return tuple(sorted((own[v], around[v]) for v in simple))


@cache
def multigraphs(d_max: int) -> tuple[nx.MultiGraph, ...]:
    """All multigraphs of at most ``d_max`` edges, connected or not, by their number of edges.

    The first one is a single vertex, whose polynomial is the sum of the energies.

    Args:
        d_max: Largest number of edges.

    Examples:
        >>> len(multigraphs(4))
        36
    """
    parts = [prime for d in range(1, d_max + 1) for prime in prime_multigraphs(d)]
    vertex = nx.MultiGraph()
    vertex.add_node(0)
    graphs = [
        nx.disjoint_union_all(chosen)
        for count in range(1, d_max + 1)
        for chosen in combinations_with_replacement(parts, count)
        if sum(part.number_of_edges() for part in chosen) <= d_max
    ]
    return (vertex, *sorted(graphs, key=lambda graph: graph.number_of_edges()))


def energy_flow_polynomials(
    x: Any,
    ptr: Any,
    graphs: Iterable[nx.MultiGraph | Edges],
    beta: float = 1.0,
    measure: str = "hadr",
    normed: bool = False,
    kappa: float = 1.0,
) -> np.ndarray:
    r"""The energy-flow polynomial of each jet for each multigraph.

    .. math:: \mathrm{EFP}_G = \sum_{i_1} \dots \sum_{i_V} z_{i_1} \cdots z_{i_V}
        \prod_{(k, l) \in G} \theta_{i_k i_l}

    for a multigraph G of V vertices. That of a graph in several parts is the product of theirs.

    ============= =============== ================================================================
    ``measure``   energy z        angle θ
    ============= =============== ================================================================
    ``"hadr"``    :math:`p_T`     :math:`\Delta R^\beta` in the plane of the two angles
    ``"hadrdot"`` :math:`p_T`     :math:`(2\, n_i \cdot n_j)^{\beta / 2}`, :math:`n = p / p_T`
    ``"ee"``      E               :math:`(2\, n_i \cdot n_j)^{\beta / 2}`, :math:`n = p / E`
    ============= =============== ================================================================

    Definitions and names are those of the EnergyFlow package, which computes jet by jet in Python.
    Vertices with one or two neighbours are summed out by matrix products. What is left of a graph
    that has none, the complete graph of four vertices among those of up to seven edges, is summed
    one particle of a vertex after the other. What several graphs have in common is computed once.
    Jets of the same multiplicity are computed together, so that nothing is padded.

    Args:
        x: pT (absolute or relative), rapidity (or η) and φ of each particle, and its mass unless
            all are massless, ``[N, 3]`` or ``[N, 4]``.
        ptr: Ragged pointer ``[J + 1]``.
        graphs: Multigraphs, such as :func:`prime_multigraphs`, or their edges, ``[(0, 1), (1, 2)]``
            for a chain of three vertices.
        beta: Exponent β of the angle, above 0. Default: 1.
        measure: ``"hadr"``, ``"hadrdot"`` or ``"ee"``. Default: ``"hadr"``.
        normed: Whether energies are divided by their sum over the jet. Default: ``False``.
        kappa: Exponent of the (normalised) energies, at least 0. Default: 1.

    Returns:
        ``[J, G]`` float64; 0 for an empty jet.

    Raises:
        InputError: For other columns, an unknown measure, an exponent out of range, a graph with a
            loop or without vertices.

    Examples:
        >>> x = [[0.5, 0.1, 0.0], [0.5, -0.1, 0.0]]
        >>> energy_flow_polynomials(x, [0, 2], [[(0, 1)], [(0, 1), (0, 1)]]).round(3).tolist()
        [[0.1, 0.02]]
    """
    check_names((measure,), MEASURES, "measure of energies and angles")
    check_exponent(beta)
    if not 0 <= kappa < np.inf:
        raise InputError(f"Expected kappa of at least 0, but got {kappa!r}.")
    particles, pointer = (_tensor(v).detach().cpu() for v in (x, ptr))
    if particles.dim() != 2 or particles.size(1) not in (3, 4) or pointer[-1] != len(particles):
        raise InputError(
            f"Expected x [N, 3] = (pt, eta, phi) or [N, 4] with the mass, and ptr from 0 to N, but "
            f"got {list(particles.shape)} and ptr to {pointer[-1]}."
        )
    parts = [_parts(graph) for graph in graphs]
    energies, angles = _measured(particles.double(), measure)
    starts, counts = pointer[:-1].numpy(), np.diff(pointer.numpy())
    out = np.zeros((len(counts), len(parts)))
    for n in np.unique(counts[counts > 0]):
        jets = np.flatnonzero(counts == n)
        for chunk in np.array_split(jets, -(-len(jets) * int(n) ** 2 // _MATRIX_ENTRIES)):
            rows = torch.from_numpy(starts[chunk][:, None] + np.arange(n))
            z = energies[rows]
            if normed:
                total = z.sum(1, keepdim=True)
                z = torch.where(total > 0, z / total, torch.zeros_like(z))
            squares = _squared_angles(angles[rows], measure)
            theta = squares.sqrt_() if beta == 1 else squares.pow_(beta / 2)
            sums = _Sums({("energy",): z**kappa, ("power", 1): theta})
            for column, keys in enumerate(parts):
                value = torch.stack([sums[key] for key in keys]).prod(0)
                out[chunk, column] = value.numpy()
    return out


def _tensor(values: Any) -> Tensor:
    return values if isinstance(values, Tensor) else torch.from_numpy(np.array(values))


def _measured(particles: Tensor, measure: str) -> tuple[Tensor, Tensor]:
    """The energy of each particle, ``[N]``, and what its angles are computed from, ``[N, K]``."""
    pt, rapidity, phi, *mass = particles.unbind(-1)
    if measure == "hadr":
        return pt, torch.stack([rapidity, phi.remainder(_TWO_PI)], -1)
    _, pz, energy = kinematics.longitudinal(pt, rapidity, mass[0] if mass else 0 * pt)
    momentum = torch.stack([energy, *kinematics.transverse(pt, phi), pz], -1)
    z = pt if measure == "hadrdot" else energy
    return z, torch.where(z > 0, 1 / z, 0 * z).unsqueeze(-1) * momentum


def _squared_angles(angles: Tensor, measure: str) -> Tensor:
    """θ² for β = 2 of every pair, ``[J, n, n]``."""
    if measure == "hadr":
        y, phi = (angle.contiguous() for angle in angles.unbind(-1))
        delta_phi = (phi.unsqueeze(2) - phi.unsqueeze(1)).abs_()
        delta_phi = torch.minimum(delta_phi, _TWO_PI - delta_phi)
        return (y.unsqueeze(2) - y.unsqueeze(1)).square_().addcmul_(delta_phi, delta_phi)
    metric = torch.tensor([2.0, -2.0, -2.0, -2.0], dtype=angles.dtype)
    # Rounding may leave a product of collinear momenta just below 0; EnergyFlow takes |…| too.
    return ((angles * metric) @ angles.transpose(1, 2)).abs()


class _Sums:
    """Expressions in the energies and angles of jets of one multiplicity, each computed once.

    ==================================== ==========================================================
    key                                  value
    ==================================== ==========================================================
    ``("power", k)``                     θ to the power k, ``[J, n, n]``
    ``("energy",)``                      z, ``[J, n]``
    ``("row", M, i)``                    the row of particle i of a matrix, ``[J, n]``
    ``("product", a, b, …)``             the product, entry by entry, of matrices or of vectors
    ``("leaf", M, w)``                   Σ_j M_ij w_j, ``[J, n]``
    ``("path", M, w, L)``                Σ_j M_ij w_j L_jk, ``[J, n, n]``
    ``("sum", w)``                       Σ_i w_i, ``[J]``
    ``("fix", v, w, M)``       the sum over the particle of the vertex v of what is left
                                         of a graph once that particle is chosen, ``[J]``
    ==================================== ==========================================================

    Args:
        values: What is known by its key: at first the energies and the first power of θ.
    """

    def __init__(self, values: MutableMapping[Key, Tensor]):
        self._values = values

    def __getitem__(self, key: Key) -> Tensor:
        if key not in self._values:
            self._values[key] = self._compute(*key)
        return self._values[key]

    def _compute(self, kind: str, *operands: Any) -> Tensor:
        if kind == "fix":
            return self._fix(*operands)
        if kind == "power":
            return self["power", operands[0] - 1] * self["power", 1]
        if kind == "row":
            matrix, particle = operands
            return self[matrix][:, particle]
        if kind == "path" and (mirrored := _transpose((kind, *operands))) in self._values:
            return self._values[mirrored].transpose(1, 2)
        terms = [self[operand] for operand in operands]
        if kind == "product":
            first, *others = terms
            for other in others:
                first = first * other
            return first
        if kind == "leaf":
            return torch.bmm(terms[0], terms[1].unsqueeze(2)).squeeze(2)
        if kind == "path":
            return torch.bmm(terms[0] * terms[1].unsqueeze(1), terms[2])
        return terms[0].sum(1)

    def _fix(
        self, vertex: int, weighted: tuple[tuple[int, Key], ...], joined: tuple[Any, ...]
    ) -> Tensor:
        weights, pairs = dict(weighted), dict(joined)
        for key in (*weights.values(), *pairs.values()):
            self[key]
        energies = self[weights[vertex]]
        total = torch.zeros_like(energies[:, 0])
        for particle in range(energies.size(1)):
            # What depends on the particle is of no use to other graphs, and is forgotten.
            rest = _Sums(ChainMap({}, self._values))
            left = {v: weight for v, weight in weights.items() if v != vertex}
            for (a, b), matrix in pairs.items():
                if vertex in (a, b):
                    other, rows = (b, matrix) if a == vertex else (a, _transpose(matrix))
                    left[other] = _product(left[other], ("row", rows, particle))
            others = {pair: matrix for pair, matrix in pairs.items() if vertex not in pair}
            total += energies[:, particle] * rest[_sum_out(left, others)]
        return total


def _parts(graph: nx.MultiGraph | Edges) -> list[Key]:
    """The expression of the polynomial of each connected part of a graph."""
    if not isinstance(graph, nx.Graph):
        graph = nx.MultiGraph(list(graph))
    if not len(graph) or nx.number_of_selfloops(graph):
        raise InputError(
            "Expected a multigraph with vertices and without loops, but got the edges "
            f"{sorted(graph.edges())}."
        )
    simple, keys = _simple(graph), []
    for part in nx.connected_components(simple):
        inner = simple.subgraph(part)
        pairs = {(a, b): ("power", inner.edges[a, b]["times"]) for a, b in inner.edges}
        keys.append(_sum_out(dict.fromkeys(sorted(part), ("energy",)), pairs))
    return keys


def _sum_out(weights: dict[int, Key], pairs: Pairs) -> Key:
    """The expression of the sum over the particles of all vertices of a connected graph.

    One vertex after the other is summed out: a leaf into a weight of its neighbour, a vertex with
    two neighbours into a new edge between them.

    Args:
        weights: The expression of a vector for each vertex.
        pairs: That of a matrix for each edge.
    """
    weights, pairs = dict(weights), dict(pairs)
    while pairs:
        ends: dict[int, list[int]] = {v: [] for v in weights}
        for a, b in pairs:
            ends[a].append(b)
            ends[b].append(a)
        vertex = min(ends, key=lambda v: len(ends[v]))
        if len(ends[vertex]) > 2:
            center = max(ends, key=lambda v: len(ends[v]))
            return "fix", center, tuple(weights.items()), tuple(pairs.items())
        weight = weights.pop(vertex)
        matrices = []  # the rows are those of the neighbour
        for end in ends[vertex]:
            forward = pairs.pop((end, vertex), None)
            matrices.append(forward or _transpose(pairs.pop((vertex, end))))
        if len(matrices) == 1:
            (end,) = ends[vertex]
            weights[end] = _product(weights[end], ("leaf", matrices[0], weight))
            continue
        a, b = ends[vertex]
        path = "path", matrices[0], weight, _transpose(matrices[1])
        if (b, a) in pairs:
            a, b, path = b, a, _transpose(path)
        pairs[a, b] = _product(pairs[a, b], path) if (a, b) in pairs else path
    (weight,) = weights.values()
    return "sum", weight


def _product(*factors: Key) -> Key:
    """The product of expressions, the same whatever their order."""
    single = [f for factor in factors for f in (factor[1:] if factor[0] == "product" else [factor])]
    return "product", *sorted(single, key=repr)


def _transpose(matrix: Key) -> Key:
    if matrix[0] == "path":
        _, left, weight, right = matrix
        return "path", _transpose(right), weight, _transpose(left)
    if matrix[0] == "product":
        return _product(*map(_transpose, matrix[1:]))
    return matrix
