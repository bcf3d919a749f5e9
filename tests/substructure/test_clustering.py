"""Clusterings against FastJet and against all distances at each step; names and bad input."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from pyg_jets.substructure import cluster, exclusive_axes, four_momenta, subjets
from pyg_jets.substructure.clustering import _cluster_jets
from pyg_jets.substructure.sequential import (
    cluster_jet,
    exponent,
    reference_clustering,
)
from tests.conftest import random_jets
from tests.substructure.oracle import by_pt, each, four, hard_jets, massive, ragged, sequence

CLOSE = {"rtol": 1e-12, "atol": 1e-12}
CASES = [
    (algorithm, radius, scheme)
    for algorithm in ("kt", "ca", "antikt", 0.5, -0.5)
    for radius, scheme in ((None, "E"), (0.2, "E"), (None, "wta"), (0.3, "wta"))
    if isinstance(algorithm, str) or scheme == "E"
]


@pytest.fixture(scope="module")
def hard(chunks):
    return hard_jets(chunks)


@pytest.mark.parametrize(("algorithm", "radius", "scheme"), CASES)
def test_every_step_is_that_of_fastjet(hard, algorithm, radius, scheme):
    momenta, ptr = hard
    clustering = cluster(momenta, ptr, algorithm, radius, scheme)
    inclusive, exclusive = clustering.inclusive(), clustering.exclusive(3)
    for jet, own in each(momenta, ptr):
        fastjet = sequence(own, algorithm, radius, scheme)
        expected, members = by_pt(fastjet.inclusive_jets())
        rows = slice(inclusive.ptr[jet], inclusive.ptr[jet + 1])
        np.testing.assert_allclose(inclusive.momenta[rows], expected, **CLOSE)
        subjet = inclusive.subjet[ptr[jet] : ptr[jet + 1]] - inclusive.ptr[jet]
        found = [np.flatnonzero(subjet == k).tolist() for k in range(len(members))]
        assert sorted(found) == sorted(members)
        if radius is not None:
            continue
        three, _ = by_pt(fastjet.exclusive_jets(min(3, len(own))))
        rows = slice(exclusive.ptr[jet], exclusive.ptr[jet + 1])
        np.testing.assert_allclose(exclusive.momenta[rows], three, **CLOSE)
        for n in range(1, min(len(own), 6)):
            expected = fastjet.exclusive_dmerge(n) * 1e6  # over R² = 1000²
            found = clustering.exclusive_distance(n)[jet]
            assert found == pytest.approx(expected, rel=1e-12, abs=1e-300)


def test_exclusive_jets_after_some_went_to_the_beam(hard):
    momenta, ptr = hard
    clustering = cluster(momenta, ptr, "kt", 0.3)
    for n in (1, 2, 5):
        exclusive, lost = clustering.exclusive(n), False
        for jet, own in each(momenta, ptr):
            fastjet = sequence(own, "kt", 0.3)
            expected, members = by_pt(fastjet.exclusive_jets(min(n, len(own))))
            rows = slice(exclusive.ptr[jet], exclusive.ptr[jet + 1])
            np.testing.assert_allclose(exclusive.momenta[rows], expected, **CLOSE)
            inside = exclusive.subjet[ptr[jet] : ptr[jet + 1]] >= 0
            assert inside.sum() == sum(map(len, members))
            lost |= not inside.all()
        assert lost


@pytest.mark.parametrize("algorithm", ["kt", "ca", "antikt"])
@pytest.mark.parametrize("radius", [None, 0.5])
def test_exact_ties_are_decided_as_in_fastjet(algorithm, radius):
    grid = np.stack(np.meshgrid(np.arange(5) * 0.25, np.arange(6) * 0.25), -1).reshape(-1, 2)
    pt = np.random.default_rng(0).choice([1.0, 2.0], 30)
    y, phi = grid.T
    momenta = np.stack((pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(y), pt * np.cosh(y)), -1)
    flat = np.tile([[3.0, 0.0, 4.0, 5.0], [0.0, 3.0, 4.0, 5.0], [-3.0, 0.0, 4.0, 5.0]], (5, 1))
    for own in (momenta, flat, np.tile([[1.0, 2.0, 2.0, 3.0]], (7, 1))):
        clustering = cluster(own, [0, len(own)], algorithm, radius)
        subjets = clustering.inclusive() if radius else clustering.exclusive(4)
        fastjet = sequence(own, algorithm, radius, strategy="N2Plain")
        jets = fastjet.inclusive_jets() if radius else fastjet.exclusive_jets(4)
        members = sorted(by_pt(jets)[1])
        found = [np.flatnonzero(subjets.subjet == k).tolist() for k in range(len(members))]
        assert sorted(found) == members


@pytest.mark.parametrize("scheme", ["E", "wta"])
@pytest.mark.parametrize("radius", [None, 0.4])
def test_kernel_is_the_reference(scheme, radius):
    rng = np.random.default_rng(1)
    for n, algorithm in ((12, "kt"), (9, "ca"), (10, "antikt"), (1, "kt"), (8, 2.0)):
        own = massive(rng, n)
        clustering = cluster(own, [0, n], algorithm, radius, scheme)
        steps = reference_clustering(own, algorithm, radius, scheme)
        expected = np.array([step[:2] for step in steps])
        to_beam = clustering.merged[:, 1] < 0
        np.testing.assert_array_equal(clustering.merged[~to_beam], expected[~to_beam])
        # To Cambridge/Aachen, all distances to the beam are 1.
        assert sorted(clustering.merged[to_beam, 0]) == sorted(expected[to_beam, 0])
        found = np.stack((clustering.distance, clustering.delta_r), -1)
        np.testing.assert_allclose(found, [step[2:] for step in steps], rtol=1e-9)
        nodes, directions, merged = (
            np.empty((2 * n, 4)),
            np.empty((2 * n, 2)),
            np.empty((n, 2), int),
        )
        radius2 = np.inf if radius is None else radius**2
        cluster_jet.py_func(
            own, exponent(algorithm), radius2, scheme == "wta",
            nodes, directions, merged, np.empty(n), np.empty(n),
        )  # fmt: skip
        np.testing.assert_array_equal(merged, clustering.merged)


def test_axes_are_those_of_the_exclusive_jets(hard):
    momenta, ptr = hard
    for scheme in ("E", "wta"):
        axes = exclusive_axes(momenta, ptr, 2, "kt", scheme)
        assert np.isnan(axes[np.diff(ptr) == 0]).all()
        assert np.isnan(axes[np.diff(ptr) == 1, 1]).all()
        for jet, own in each(momenta, ptr):
            jets = sequence(own, "kt", None, scheme).exclusive_jets(min(2, len(own)))
            jets = sorted(jets, key=lambda jet: -jet.pt2())
            expected = [(jet.rap(), jet.phi()) for jet in jets]
            np.testing.assert_allclose(axes[jet, : len(jets)], expected, **CLOSE)
            if scheme == "wta":  # each axis is the direction of a particle
                directions = [(p.rap(), p.phi()) for p in sequence(own, "kt").particles]
                assert all(tuple(axis) in directions for axis in axes[jet, : len(jets)])


def test_no_order_and_no_number_of_threads_matters():
    momenta, ptr = four_momenta(random_jets(30))
    rng = np.random.default_rng(2)
    order = np.concatenate([a + rng.permutation(b - a) for a, b in pairwise(ptr)])
    one, two = cluster(momenta, ptr, threads=1), cluster(momenta, ptr, threads=2)
    assert np.array_equal(one.merged, two.merged)
    for radius in (None, 0.2):
        found = cluster(momenta, ptr, "antikt", radius).inclusive()
        other = cluster(momenta[order], ptr, "antikt", radius).inclusive()
        np.testing.assert_allclose(found.momenta, other.momenta, rtol=1e-9)
        np.testing.assert_array_equal(found.subjet[order], other.subjet)


def test_particles_without_pt_and_jets_without_particles():
    still = [[0, 0, 0, 0], [0, 0, 5.0, 5.0], [0, 0, -5.0, 5.0], [0, 0, 0, 1.0], [0, 0, 3.0, 2.0]]
    momenta, ptr = ragged([still, [], [*still, [1.0, 0, 0, 1.0]], [[0, 0, 0, 0]]])
    for algorithm in ("kt", "ca", "antikt"):
        for scheme in ("E", "wta"):
            clustering = cluster(momenta, ptr, algorithm, scheme=scheme)
            assert np.isfinite(clustering.momenta).all()
            jets = clustering.exclusive(1)
            assert jets.ptr.tolist() == [0, 1, 1, 2, 3]
            assert jets.pt.tolist() == [0.0, 1.0, 0.0]
            assert (jets.subjet >= 0).all()
    assert len(cluster(np.zeros((0, 4)), [0, 0]).exclusive(2).momenta) == 0
    assert cluster([], [0]).exclusive_distance(1).tolist() == []
    jets = cluster(momenta, ptr, "kt", 0.4).inclusive()
    expected = [four(jet) for jet in sequence(still, "kt", 0.4).inclusive_jets()]
    assert jets.ptr[1] == len(expected)


def test_inclusive_subjets_above_a_pt(hard):
    momenta, ptr = hard
    clustering = cluster(momenta, ptr, "ca", 0.2)
    soft = clustering.inclusive(min_pt=5.0)
    for jet, own in each(momenta, ptr):
        fastjet = sequence(own, "ca", 0.2)
        expected, members = by_pt(fastjet.inclusive_jets(5.0))
        rows = slice(soft.ptr[jet], soft.ptr[jet + 1])
        np.testing.assert_allclose(soft.momenta[rows], expected, **CLOSE)
        subjet = soft.subjet[ptr[jet] : ptr[jet + 1]]
        assert (subjet >= 0).sum() == sum(map(len, members))


def test_subjets_are_jets_with_every_column():
    jets = random_jets(10)
    momenta, ptr = four_momenta(jets)
    found = subjets(momenta, ptr, "ca", radius=0.2, min_pt=2.0)
    assert (found.subjet < 0).any()
    own = found.select(jets)
    assert len(own) == len(found.momenta)
    assert own.columns == jets.columns
    again, pointer = four_momenta(own)
    sums = [again[a:b].sum(0) for a, b in pairwise(pointer)]
    np.testing.assert_allclose(found.momenta, sums, rtol=1e-9)
    which = np.searchsorted(jets.ids, own.jets["jet_id"])
    np.testing.assert_array_equal(np.bincount(which, minlength=10), np.diff(found.ptr))
    np.testing.assert_array_equal(own.labels, jets.labels[which])
    np.testing.assert_array_equal(own.jets["gen_pt"], jets.jets["gen_pt"][which])
    three = subjets(momenta, ptr, "ca", n=3)
    np.testing.assert_array_equal(three.momenta, cluster(momenta, ptr, "ca").exclusive(3).momenta)
    for wrong in ({}, {"n": 2, "radius": 0.2}):
        with pytest.raises(ValueError, match="Expected a radius or a number n of subjets, but got"):
            subjets(momenta, ptr, "ca", **wrong)
    with pytest.raises(ValueError, match=r"jets that were clustered, 10 with .* but got 9 with"):
        found.select(jets[1:])


def test_read_only_arrays_and_tensors_need_no_other_kernel():
    jets = random_jets(5)
    momenta, ptr = four_momenta(jets)
    expected, before = cluster(momenta, ptr).merged, len(_cluster_jets.signatures)
    momenta.flags.writeable = False
    for p, pointer in ((momenta, jets.ptr), (torch.from_numpy(momenta.copy()), torch.tensor(ptr))):
        np.testing.assert_array_equal(cluster(p, pointer).merged, expected)
    assert cluster(momenta.astype(np.float32), ptr.astype(np.int32)).merged.shape == expected.shape
    assert len(_cluster_jets.signatures) == before


def test_names_and_bad_input():
    momenta, ptr = np.ones((3, 4)), [0, 3]
    names = ("kt", "kt_algorithm", "CA", "cambridge", "Cambridge/Aachen", "anti-kt", "anti_kt", 2)
    assert [exponent(name) for name in names] == [1, 1, 0, 0, 0, -1, -1, 2]
    with pytest.raises(ValueError, match=r"Unknown algorithm 'antikT2'.*Did you mean 'antikt'\?"):
        cluster(momenta, ptr, "antikT2")
    for algorithm in (True, None, np.inf):
        with pytest.raises(ValueError, match="Unknown algorithm"):
            cluster(momenta, ptr, algorithm)
    for radius in (0, -0.4, np.nan, np.inf):
        with pytest.raises(ValueError, match=r"radius above 0, or None for no beam, but got"):
            cluster(momenta, ptr, "kt", radius)
    with pytest.raises(ValueError, match="scheme 'pt': expected 'E' or 'wta'"):
        cluster(momenta, ptr, scheme="pt")
    with pytest.raises(ValueError, match=r"momenta \[N, 4\] = \(px, py, pz, E\), but got \[3, 3\]"):
        cluster(momenta[:, :3], ptr)
    with pytest.raises(ValueError, match=r"Expected momenta \[N, 4\] as an array of numbers"):
        cluster([[1.0, 2.0], [3.0]], ptr)
    with pytest.raises(ValueError, match=r"rise from 0 to the number of particles \(3\)"):
        cluster(momenta, [0, 2])
    with pytest.raises(ValueError, match=r"ptr \[J \+ 1\] of whole numbers"):
        cluster(momenta, [0.0, 3.0])
    momenta[1, 2] = np.nan
    with pytest.raises(ValueError, match="Jet 0, particle 1, has a momentum that is not finite"):
        cluster(momenta, ptr)
    for n in (0, 1.5, [1, 2]):
        with pytest.raises(ValueError, match=r"Expected .* of subjets"):
            cluster(np.ones((3, 4)), ptr).exclusive(n)
    with pytest.raises(ValueError, match="at least 0, but got -1"):
        cluster(np.ones((3, 4)), ptr).exclusive_distance(-1)
