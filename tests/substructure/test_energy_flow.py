"""Energy-flow polynomials against EnergyFlow's values and against their defining sums."""

import json
from itertools import pairwise
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
import torch

from pyg_jets.substructure.energy_flow import (
    energy_flow_polynomials,
    multigraphs,
    prime_multigraphs,
)

VALUES = json.loads(Path(__file__).with_name("energyflow.json").read_text())


def edges(text):
    return [(int(a), int(b)) for a, b in text.split()]


def test_as_many_polynomials_as_published():
    # arXiv 1712.07124, table of connected and of all multigraphs by their number of edges
    assert [len(prime_multigraphs(d)) for d in range(1, 8)] == [1, 2, 5, 12, 33, 103, 333]
    assert [len(multigraphs(d)) for d in range(5)] == [1, 2, 5, 13, 36]
    assert sum(len(graph) == 4 for graph in prime_multigraphs(4)) == 5


@pytest.mark.parametrize("table", VALUES["tables"], ids=lambda t: f"{t['measure']}-{t['beta']}")
def test_against_energyflow(table):
    jets = [np.array(VALUES["jets"][i]) for i in table["jets"]]
    options = {name: table[name] for name in ("beta", "measure", "normed", "kappa")}
    values = energy_flow_polynomials(
        np.concatenate(jets), np.cumsum([0, *map(len, jets)]), map(edges, table["efps"]), **options
    )
    # A particle has no angle to itself, but twelve digits of its energy and mass leave it one.
    rounding = 0 if table["measure"] == "hadr" else 1e-7
    want = np.array(list(table["efps"].values())).T
    np.testing.assert_allclose(values, want, rtol=1e-9, atol=rounding)


def by_hand(x, graph, beta):
    angles = np.hypot(*(x[:, None, 1:] - x[None, :, 1:]).T) ** beta
    at = {vertex: "abcdefgh"[i] for i, vertex in enumerate(graph)}
    terms = [*at.values(), *(at[k] + at[m] for k, m in graph.edges())]
    energies = [x[:, 0]] * len(graph)
    return np.einsum(f"{','.join(terms)}->", *energies, *[angles] * graph.number_of_edges())


# The wheel of four spokes and the complete graph of five vertices need more than seven edges.
GRAPHS = [nx.MultiGraph(graph) for graph in (nx.wheel_graph(5), nx.complete_graph(5))]


@pytest.mark.parametrize("beta", [1.0, 0.5, 2.0])
def test_polynomials_are_their_sums(beta):
    rng = np.random.default_rng(0)
    ptr, x = [0, 3, 3, 4, 8], rng.uniform(0.1, 1, (8, 3))
    graphs = [graph for d in range(1, 5) for graph in prime_multigraphs(d)] + GRAPHS
    want = [[by_hand(x[a:b], graph, beta) for graph in graphs] for a, b in pairwise(ptr)]
    np.testing.assert_allclose(energy_flow_polynomials(x, ptr, graphs, beta), want, rtol=1e-10)
    tensors = energy_flow_polynomials(torch.tensor(x), torch.tensor(ptr), graphs, beta)
    np.testing.assert_allclose(tensors, want, rtol=1e-10)


def test_a_jet_does_not_depend_on_others_nor_on_the_order_of_its_particles():
    rng = np.random.default_rng(1)
    ptr, x = np.array([0, 4, 4, 8, 13]), rng.uniform(0.1, 1, (13, 3))
    graphs = [*prime_multigraphs(3), nx.complete_graph(4)]
    alone = [energy_flow_polynomials(x[a:b], [0, b - a], graphs)[0] for a, b in pairwise(ptr)]
    together = energy_flow_polynomials(x, ptr, graphs)
    np.testing.assert_allclose(together, alone, rtol=1e-12)
    assert not together[1].any()
    order = np.concatenate([a + rng.permutation(b - a) for a, b in pairwise(ptr)])
    np.testing.assert_allclose(energy_flow_polynomials(x[order], ptr, graphs), alone, rtol=1e-12)


def test_across_the_azimuth_of_pi():
    x = [[1.0, 0.0, np.pi - 0.1], [2.0, 0.0, 0.1 - np.pi]]
    assert energy_flow_polynomials(x, [0, 2], [[(0, 1)]])[0, 0] == pytest.approx(4 * 0.2)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"x": np.zeros((2, 2))}, r"x \[N, 3\]"),
        ({"ptr": [0, 3]}, "ptr to 3"),
        ({"graphs": [[(0, 0)]]}, r"without loops, but got the edges \[\(0, 0\)\]"),
        ({"graphs": [[]]}, "with vertices"),
        ({"beta": 0}, "beta above 0"),
        ({"kappa": -1}, "kappa of at least 0"),
        ({"measure": "hard"}, "Did you mean 'hadr'"),
    ],
)
def test_bad_input(change, said):
    good = {"x": np.zeros((2, 3)), "ptr": [0, 2], "graphs": [[(0, 1)]]}
    with pytest.raises(ValueError, match=said):
        energy_flow_polynomials(**(good | change))
    with pytest.raises(ValueError, match="at least 1 edge"):
        prime_multigraphs(0)
