"""The Lund plane against FastJet's contrib and against a walk down FastJet's tree."""

from itertools import pairwise

import numpy as np
import pytest

from pyg_jets.substructure import cluster, four_momenta, lund_plane
from pyg_jets.substructure.lund import LUND, _decluster
from tests.conftest import random_jets
from tests.substructure.oracle import each, hard_jets, ragged, sequence


@pytest.fixture(scope="module")
def hard(chunks):
    return hard_jets(chunks)


def declusterings(jet, parent=-1, primary=True):
    """Δ of the declustering above, whether it is primary, and (kt, Δ, z, ψ, m), of all."""
    import fastjet._swig as fastjet

    one, two = fastjet.PseudoJet(), fastjet.PseudoJet()
    if not jet.has_parents(one, two):
        return
    hard, soft = (one, two) if one.pt2() > two.pt2() else (two, one)
    delta = hard.delta_R(soft)
    psi = np.arctan2(soft.rap() - hard.rap(), hard.delta_phi_to(soft))
    z = soft.pt() / (one.pt() + two.pt())
    yield parent, primary, (soft.pt() * delta, delta, z, psi, max(jet.m(), 0.0))
    for branch, follows in ((one, primary), (two, False)):
        yield from declusterings(branch, delta, follows)


def test_primary_plane_is_that_of_fastjets_contrib(hard):
    import awkward as ak
    import fastjet

    momenta, ptr = hard
    plane = lund_plane(momenta, ptr)
    filled = np.flatnonzero(np.diff(ptr))
    flat = ak.zip(dict(zip(("px", "py", "pz", "E"), momenta.T, strict=True)))
    events = ak.unflatten(flat, np.diff(ptr))[filled]
    definition = fastjet.JetDefinition(fastjet.cambridge_algorithm, 1000.0)
    expected = fastjet.ClusterSequence(events, definition).exclusive_jets_lund_declusterings(1)
    counts = np.diff(plane.ptr)[filled]
    assert counts.tolist() == ak.to_list(ak.num(expected[:, 0]))
    for name, column in (("kt", "kt"), ("Delta", "delta")):
        theirs = ak.to_numpy(ak.flatten(expected[name], axis=None))
        np.testing.assert_allclose(plane.column(column), theirs, rtol=1e-12, atol=1e-300)
    assert plane.primary.all()
    first = np.isin(np.arange(len(plane.values)), plane.ptr)
    assert plane.parent[first].tolist() == [-1] * first.sum()
    np.testing.assert_array_equal(plane.parent[~first], np.flatnonzero(~first) - 1)


def test_all_declusterings_are_those_of_fastjets_tree(hard):
    momenta, ptr = hard
    plane = lund_plane(momenta, ptr, primary=False)
    primary = lund_plane(momenta, ptr)
    np.testing.assert_array_equal(plane.values[plane.primary], primary.values)
    np.testing.assert_array_equal(np.diff(plane.ptr), np.maximum(np.diff(ptr) - 1, 0))
    for jet, own in each(momenta, ptr):
        tree = sequence(own, "ca")
        expected = list(declusterings(tree.exclusive_jets(1)[0]))
        rows = np.arange(plane.ptr[jet], plane.ptr[jet + 1])
        assert len(rows) == len(expected)
        if not expected:
            continue
        above = plane.parent[rows]
        assert above[0] == -1
        assert (above[1:] >= rows[0]).all()
        assert (above < rows).all()
        # FastJet's tree is walked in another order; Δ of a declustering and of the one above tell
        # which is which.
        delta_above = np.where(above < 0, -1, plane.values[above, 1])
        found = np.column_stack((delta_above, plane.primary[rows], plane.values[rows]))
        theirs = np.array([(p, q, *values) for p, q, values in expected])
        order, other = (np.lexsort(table.T[[2, 6, 3, 0]].round(9)) for table in (found, theirs))
        same = {"rtol": 1e-9, "atol": 1e-7}
        np.testing.assert_allclose(found[order][:, :5], theirs[other][:, :5], **same)
        np.testing.assert_allclose(found[order][:, 5], theirs[other][:, 5], **same)
        # A mass is the root of a difference.
        np.testing.assert_allclose(found[order][:, 6], theirs[other][:, 6], rtol=1e-9, atol=2e-5)


def test_small_jets_duplicates_and_logarithms():
    parts = [[], [[3.0, 4.0, 0, 5.0]], [[0.0] * 4] * 3, [[1.0, 0, 0, 1.0]] * 4]
    momenta, ptr = ragged(parts)
    for primary in (True, False):
        plane = lund_plane(momenta, ptr, primary)
        assert plane.ptr[:3].tolist() == [0, 0, 0]
        assert np.isfinite(plane.values).all()
        assert np.isfinite(plane.logarithms()).all()
        assert np.ptp(plane.column("kt")) == 0
    assert lund_plane([], [0, 0]).values.shape == (0, len(LUND))
    two = [[8.0, 0, 0, 8.0], [0, 2.0, 0, 2.0]]
    ours = lund_plane(two, [0, 2]).logarithms()[0]
    expected = [np.log(np.pi), -np.log(np.pi / 2), np.log(0.2), 0.0, np.log(np.sqrt(32))]
    np.testing.assert_allclose(ours, expected)


def test_order_threads_and_numba_change_nothing():
    momenta, ptr = four_momenta(random_jets(20))
    rng = np.random.default_rng(3)
    order = np.concatenate([a + rng.permutation(b - a) for a, b in pairwise(ptr)])
    plane, other = lund_plane(momenta, ptr), lund_plane(momenta[order], ptr)
    np.testing.assert_array_equal(plane.ptr, other.ptr)
    np.testing.assert_allclose(plane.values, other.values, rtol=1e-7, atol=1e-7)
    two = lund_plane(momenta, ptr, threads=2)
    np.testing.assert_array_equal(plane.values, two.values)
    few, pointer = momenta[: ptr[6]], ptr[:7]
    tree, plane = cluster(few, pointer, "ca"), lund_plane(few, pointer, primary=False)
    values, parent = np.empty_like(plane.values), np.empty_like(plane.parent)
    primary = np.empty_like(plane.primary)
    _decluster.py_func(
        tree.momenta, tree.directions, tree.merged, tree.delta_r, pointer, 0, 6, plane.ptr, True,
        values, parent, primary,
    )  # fmt: skip
    np.testing.assert_allclose(values, plane.values)
    np.testing.assert_array_equal(parent, plane.parent)
    np.testing.assert_array_equal(primary, plane.primary)
