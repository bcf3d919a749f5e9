"""Clustering trees: children, sums, levels, networkx, PyG; chains and random trees."""

from itertools import pairwise

import networkx as nx
import numpy as np
import pytest

from pyg_jets.substructure import clustering_trees, four_momenta
from pyg_jets.substructure.trees import TREES, _merge_in_order
from tests.conftest import random_jets
from tests.substructure.oracle import each, hard_jets, ragged, sequence

KINDS = ("kt", "ca", "antikt", 0.5, *TREES)


@pytest.fixture(scope="module")
def hard(chunks):
    return hard_jets(chunks, per_process=2)


@pytest.mark.parametrize("kind", KINDS)
def test_every_node_is_the_sum_of_its_children_and_every_particle_is_once_in_the_root(hard, kind):
    momenta, ptr = hard
    trees = clustering_trees(momenta, ptr, kind)
    counts = np.diff(ptr)
    np.testing.assert_array_equal(np.diff(trees.ptr), np.maximum(2 * counts - 1, 0))
    merged = trees.children[:, 0] >= 0
    np.testing.assert_array_equal(
        trees.momenta[merged], trees.momenta[trees.children[merged]].sum(1)
    )
    rows = np.arange(len(merged))
    assert (trees.children[merged] < rows[merged, None]).all()
    np.testing.assert_array_equal(trees.parent[trees.children[merged]], rows[merged, None] * [1, 1])
    has_parent = np.isin(rows, trees.roots, invert=True)
    np.testing.assert_array_equal(trees.parent >= 0, has_parent)
    assert np.bincount(trees.parent[has_parent]).max() == 2
    for jet, own in each(momenta, ptr):
        first = trees.ptr[jet]
        np.testing.assert_array_equal(trees.momenta[first : first + len(own)], own)
        np.testing.assert_allclose(trees.momenta[trees.roots[jet]], own.sum(0), rtol=1e-9)
        graph = trees.to_networkx(jet)
        assert nx.is_arborescence(graph)
        assert sorted(n for n in graph if graph.out_degree(n) == 0) == list(range(len(own)))
    assert (trees.roots[counts == 0] == -1).all()


@pytest.mark.parametrize("algorithm", ["kt", "ca", "antikt"])
def test_trees_are_those_of_fastjet(hard, algorithm):
    import fastjet._swig as fastjet

    momenta, ptr = hard
    trees = clustering_trees(momenta, ptr, algorithm)

    def check(row, jet):
        one, two = fastjet.PseudoJet(), fastjet.PseudoJet()
        p = [jet.px(), jet.py(), jet.pz(), jet.E()]
        np.testing.assert_allclose(trees.momenta[row], p, rtol=1e-12)
        if not jet.has_parents(one, two):
            assert (trees.children[row] == -1).all()
            return
        np.testing.assert_allclose(trees.delta_r[row], one.delta_R(two), rtol=1e-12)
        children = sorted(trees.children[row], key=lambda r: -(trees.momenta[r, :2] ** 2).sum())
        check(children[0], fastjet.PseudoJet(one))
        check(children[1], fastjet.PseudoJet(two))

    for jet, own in each(momenta, ptr):
        pairs = set(map(tuple, own[:, :2]))
        if 2 < len(own) < 100 and len(pairs) == len(own):  # two of one pT are in any order
            tree = sequence(own, algorithm)
            check(trees.roots[jet], tree.exclusive_jets(1)[0])


@pytest.mark.parametrize("kind", ["kt", "pt", "random"])
def test_levels_do_many_trees_at_once(kind):
    momenta, ptr = four_momenta(random_jets(12))
    trees = clustering_trees(momenta, ptr, kind)
    levels = trees.levels()
    assert sorted(np.concatenate(levels)) == list(range(len(trees.momenta)))
    np.testing.assert_array_equal(levels[0], np.flatnonzero(trees.children[:, 0] < 0))
    sums, done = np.zeros_like(trees.momenta), np.zeros(len(trees.momenta), bool)
    sums[levels[0]], done[levels[0]] = trees.momenta[levels[0]], True
    for level in levels[1:]:
        assert done[trees.children[level]].all()
        sums[level], done[level] = sums[trees.children[level]].sum(1), True
    np.testing.assert_array_equal(sums, trees.momenta)
    deepest = max(nx.dag_longest_path_length(trees.to_networkx(jet)) for jet in range(2, 12))
    assert len(levels) == deepest + 1


def test_data_of_pyg():
    momenta, ptr = four_momenta(random_jets(4))
    trees = clustering_trees(momenta, ptr, "ca")
    for jet, count in enumerate(np.diff(ptr)):
        data = trees.to_pyg(jet)
        assert data.validate()
        assert data.num_nodes == max(2 * count - 1, 0)
        assert data.num_edges == max(2 * count - 2, 0)
        assert data.is_root.tolist() == [False] * (data.num_nodes - 1) + [True] * int(count > 0)
        graph = trees.to_networkx(jet)
        assert sorted(map(tuple, data.edge_index.T.tolist())) == sorted(
            (b, a) for a, b in graph.edges
        )
        rows = slice(trees.ptr[jet], trees.ptr[jet + 1])
        np.testing.assert_allclose(data.x, trees.momenta[rows], rtol=1e-6)
        np.testing.assert_allclose(data.delta_r, trees.delta_r[rows], rtol=1e-6)
    assert trees.edge_index.shape == (2, len(trees.momenta) - (np.diff(ptr) > 0).sum())
    assert (trees.edge_index[0] < trees.edge_index[1]).all()
    for jet in (4, -1):
        with pytest.raises(IndexError, match=f"no jet {jet} in Trees\\(4 jets"):
            trees.to_pyg(jet)


def test_chains_add_particles_by_their_pt():
    momenta, ptr = four_momenta(random_jets(8))
    for kind, sign in (("pt", -1), ("pt_ascending", 1)):
        trees = clustering_trees(momenta, ptr, kind)
        for jet, own in each(momenta, ptr):
            order = np.argsort(sign * (own[:, :2] ** 2).sum(1))
            sums = np.cumsum(own[order], 0)[1:]
            first = trees.ptr[jet] + len(own)
            np.testing.assert_allclose(trees.momenta[first : trees.ptr[jet + 1]], sums, rtol=1e-9)


def test_a_random_tree_belongs_to_the_id_of_its_jet():
    jets = random_jets(20)

    def drawn(selected, seed=0):
        p, pointer = four_momenta(selected)
        return clustering_trees(p, pointer, "random", selected.ids, seed)

    trees, few = drawn(jets), drawn(jets[[15, 7]])
    for place, jet in ((0, 15), (1, 7)):
        own = slice(trees.ptr[jet], trees.ptr[jet + 1])
        rows = slice(few.ptr[place], few.ptr[place + 1])
        np.testing.assert_array_equal(few.momenta[rows], trees.momenta[own])
    assert not np.array_equal(drawn(jets, seed=1).children, trees.children)
    # Three particles: each pair is the first to be merged in a third of the trees.
    three = np.tile([[3.0, 0, 0, 3.0], [2.0, 0, 0, 2.0], [1.0, 0, 0, 1.0]], (3000, 1))
    many = clustering_trees(three, np.arange(0, 9001, 3), "random")
    sums = many.momenta[many.ptr[:-1] + 3, 0]
    np.testing.assert_allclose(np.bincount(sums.astype(int))[3:], 1000, atol=120)


@pytest.mark.parametrize("kind", KINDS)
def test_no_order_and_no_number_of_threads_matters(kind):
    momenta, ptr = four_momenta(random_jets(12))
    rng = np.random.default_rng(4)
    order = np.concatenate([a + rng.permutation(b - a) for a, b in pairwise(ptr)])
    trees, other = (clustering_trees(p, ptr, kind) for p in (momenta, momenta[order]))
    inner = trees.children[:, 0] >= 0
    np.testing.assert_allclose(trees.momenta[inner], other.momenta[inner], rtol=1e-9)
    np.testing.assert_allclose(trees.delta_r, other.delta_r, rtol=1e-6, atol=1e-9)
    two = clustering_trees(momenta, ptr, kind, threads=2)
    np.testing.assert_array_equal(trees.children, two.children)


@pytest.mark.parametrize("kind", KINDS)
def test_small_jets(kind):
    parts = [[], [[3.0, 4.0, 0, 5.0]], [[0.0] * 4] * 3, [[1.0, 0, 0, 1.0]] * 4, []]
    trees = clustering_trees(*ragged(parts), kind)
    assert np.diff(trees.ptr).tolist() == [0, 1, 5, 7, 0]
    assert trees.momenta[trees.roots[1:4]].tolist() == [[3, 4, 0, 5], [0] * 4, [4, 0, 0, 4]]
    assert trees.to_pyg(1).edge_index.shape == (2, 0)
    assert len(trees.to_networkx(0)) == 0
    assert clustering_trees([], [0], kind).levels() == []


def test_kernel_without_numba_and_bad_input():
    momenta, ptr = four_momenta(random_jets(6))
    order = np.concatenate([np.argsort(-(p[:, :2] ** 2).sum(1)) for _, p in each(momenta, ptr)])
    for kind in ("pt", "random"):
        nodes, delta_r = np.empty((2 * len(momenta), 4)), np.empty(len(momenta))
        merged = np.empty((len(momenta), 2), int)
        _merge_in_order.py_func(
            momenta, ptr, 0, 6, order, kind == "random", np.arange(6), 0, nodes, merged, delta_r
        )
        trees = clustering_trees(momenta, ptr, kind)
        roots = nodes[2 * ptr[1:][np.diff(ptr) > 0] - 2]
        np.testing.assert_array_equal(roots, trees.momenta[trees.roots[np.diff(ptr) > 0]])
    with pytest.raises(ValueError, match=r"Unknown kind of trees 'randon'.*mean 'random'\?"):
        clustering_trees(momenta, ptr, "randon")
    with pytest.raises(ValueError, match="one whole number for each of the 6 jets, but got int64"):
        clustering_trees(momenta, ptr, "random", ids=[1, 2])
