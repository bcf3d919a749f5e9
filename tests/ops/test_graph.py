"""Neighbours as PyG's edge_index: its signature, order of edges, and what the trees say."""

import inspect

import pytest
import torch
import torch_geometric.nn as pyg
from sklearn.neighbors import kneighbors_graph, radius_neighbors_graph
from torch_geometric.data import Batch, Data

from pyg_jets.ops import knn, knn_graph, radius_graph
from pyg_jets.transforms import KNNGraph, RadiusGraph

COUNTS = (9, 0, 4, 1, 30)


def points(seed=0):
    torch.manual_seed(seed)
    batch = torch.arange(len(COUNTS)).repeat_interleave(torch.tensor(COUNTS))
    return torch.randn(len(batch), 3), batch


def by_graph(x, batch, find):
    """Edges of each graph alone by scikit-learn, as a set of (neighbour, node)."""
    found = set()
    for jet, n in enumerate(COUNTS):
        first = int((batch < jet).sum())
        if n > 1:
            matrix = find(x[first : first + n].double().numpy(), n).tocoo()
            found |= {(first + c, first + r) for r, c in zip(matrix.row, matrix.col, strict=True)}
    return found


def pairs(edge_index):
    return set(zip(*edge_index.tolist(), strict=True))


@pytest.mark.parametrize("loop", [True, False])
@pytest.mark.parametrize("k", [1, 3, 8])
def test_knn_graph(k, loop):
    x, batch = points()
    edges = knn_graph(x, k, batch, loop=loop)
    want = by_graph(
        x, batch, lambda p, n: kneighbors_graph(p, min(k, n - 1 + loop), include_self=loop)
    )
    if loop:
        want |= {(13, 13)}  # the graph of one node
    assert pairs(edges) == want
    assert len(edges[0]) == len(want)
    assert (edges[1].diff() >= 0).all()
    distance = (x[edges[0]] - x[edges[1]]).norm(dim=1)
    same = edges[1][1:] == edges[1][:-1]
    assert (distance.diff()[same] >= 0).all()  # nearest first
    turned = knn_graph(x, k, batch, loop=loop, flow="target_to_source")
    assert torch.equal(turned, edges.flip(0))


@pytest.mark.parametrize("loop", [True, False])
def test_radius_graph(loop):
    x, batch = points()
    edges = radius_graph(x, 1.5, batch, loop=loop)
    want = by_graph(x, batch, lambda p, n: radius_neighbors_graph(p, 1.5, include_self=loop))
    if loop:
        want |= {(13, 13)}
    assert pairs(edges) == want
    assert (edges[1].diff() >= 0).all()
    few = radius_graph(x, 10.0, batch, loop=loop, max_num_neighbors=3)
    assert torch.bincount(few[1]).max() == 3
    assert few[0][few[1] == 20].tolist() == [14, 15, 16]


def test_cosine_is_the_angle():
    x, batch = points()
    near = knn_graph(x, 1, batch, cosine=True)
    similar = torch.nn.functional.cosine_similarity(x[:, None], x[None], dim=-1)
    similar[batch[:, None] != batch[None]] = -9
    similar.fill_diagonal_(-9)
    best = similar[near[1]].argmax(1)
    assert torch.equal(best, near[0])


def test_without_batch_and_in_one_dimension():
    x = torch.tensor([0.0, 1.0, 3.0])
    assert knn_graph(x, 1).tolist() == [[1, 0, 1], [0, 1, 2]]
    assert knn_graph(x, 1, loop=True).tolist() == [[0, 1, 2], [0, 1, 2]]
    assert knn_graph(x[:0], 2).shape == (2, 0)
    assert radius_graph(x[:0], 2.0).shape == (2, 0)


@pytest.mark.parametrize("name", ["knn_graph", "radius_graph"])
def test_signatures_are_pygs(name):
    theirs = inspect.signature(getattr(pyg, name)).parameters
    ours = inspect.signature(
        {"knn_graph": knn_graph, "radius_graph": radius_graph}[name]
    ).parameters
    assert list(ours) == list(theirs)
    assert [p.default for p in ours.values()] == [p.default for p in theirs.values()]


def test_bad_input():
    x, batch = points()
    with pytest.raises(ValueError, match="k of at least 1"):
        knn_graph(x, 0, batch)
    with pytest.raises(ValueError, match="k of at least 1"):
        knn_graph(x, 0, batch, loop=True)
    with pytest.raises(ValueError, match="Unknown flow 'sideways': choose from source_to_target"):
        knn_graph(x, 2, batch, flow="sideways")
    with pytest.raises(ValueError, match="sorted batch vector"):
        knn_graph(x, 2, batch.flip(0))
    assert knn(x, torch.tensor([0, len(x)]), 100).shape == (len(x), 100)


@pytest.mark.parametrize("make", [lambda: KNNGraph(3), lambda: RadiusGraph(1.2)])
def test_transforms_of_a_batch_are_those_of_its_graphs(make):
    x, _ = points()
    graphs = [Data(pos=part) for part in x.split(COUNTS)]
    batch = make()(Batch.from_data_list(graphs))
    for mine, graph in zip(batch.to_data_list(), graphs, strict=True):
        assert torch.equal(mine.edge_index, make()(graph).edge_index)
        assert "edge_index" not in graph
    both = KNNGraph(2, force_undirected=True)(graphs[-1])
    assert both.is_undirected()
    with pytest.raises(ValueError, match="Expected positions pos"):
        make()(Data(x=x))
    assert repr(make()) in ("KNNGraph(k=3)", "RadiusGraph(r=1.2)")
