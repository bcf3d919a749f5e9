"""Soft drop and trimming against FastJet; groomed jets keep their columns; bad input."""

from itertools import pairwise

import numpy as np
import pytest

from pyg_jets import JetArray
from pyg_jets.substructure import cluster, four_momenta, soft_drop, trim
from pyg_jets.substructure.grooming import _soft_drop
from tests.conftest import random_jets
from tests.substructure.oracle import each, four, hard_jets, massive, ragged, sequence

SETTINGS = [(0.1, 0.0, 0.8), (0.1, 1.0, 0.8), (0.3, 2.0, 0.5), (0.05, -1.0, 1.0), (0.6, 0.0, 0.8)]


@pytest.fixture(scope="module")
def hard(chunks):
    return hard_jets(chunks)


@pytest.mark.parametrize(("z_cut", "beta", "r0"), SETTINGS)
def test_soft_drop_is_that_of_fastjets_contrib(hard, z_cut, beta, r0):
    import awkward as ak
    import fastjet

    momenta, ptr = hard
    found = soft_drop(momenta, ptr, z_cut, beta, r0)
    filled = np.flatnonzero(np.diff(ptr))
    events = ak.unflatten(
        ak.zip(dict(zip(("px", "py", "pz", "E"), momenta.T, strict=True))), np.diff(ptr)
    )
    definition = fastjet.JetDefinition(fastjet.cambridge_algorithm, 1000.0)
    expected = fastjet.ClusterSequence(events[filled], definition).exclusive_jets_softdrop_grooming(
        beta=beta, symmetry_cut=z_cut, R0=r0
    )
    p = np.stack([ak.to_numpy(expected[f"{name}softdrop"]) for name in ("pt", "pz", "E")], -1)
    ours = np.stack((found.pt, *found.momentum[:, 2:].T), -1)
    np.testing.assert_allclose(ours[filled], p, rtol=1e-12)
    # FastJet has the negative root of a negative square.
    mass = np.maximum(ak.to_numpy(expected.msoftdrop), 0)
    np.testing.assert_allclose(found.mass[filled], mass, rtol=1e-9, atol=1e-6)
    # FastJet says −1 where a single particle is left.
    z, delta_r = (ak.to_numpy(expected[f"{n}softdrop"]) for n in ("symmetry", "deltaR"))
    np.testing.assert_allclose(found.z[filled], np.maximum(z, 0), rtol=1e-12)
    np.testing.assert_allclose(found.delta_r[filled], np.maximum(delta_r, 0), rtol=1e-12)
    np.testing.assert_allclose(found.theta * r0, found.delta_r)
    for jet, constituents in zip(filled, expected.constituents, strict=True):
        own = slice(ptr[jet], ptr[jet + 1])
        kept = momenta[own][found.kept[own]]
        px, py = (np.sort(ak.to_numpy(constituents[name])) for name in ("px", "py"))
        np.testing.assert_array_equal(np.sort(kept[:, 0]), px)
        np.testing.assert_array_equal(np.sort(kept[:, 1]), py)


@pytest.mark.parametrize(("z_cut", "beta", "r0"), SETTINGS[1:4])
def test_soft_drop_follows_its_definition(hard, z_cut, beta, r0):
    import fastjet._swig as fastjet

    momenta, ptr = hard
    found = soft_drop(momenta, ptr, z_cut, beta, r0)
    for jet, own in each(momenta, ptr):
        tree = sequence(own, "ca")
        (node,), dropped = tree.exclusive_jets(1), 0
        one, two = fastjet.PseudoJet(), fastjet.PseudoJet()
        while node.has_parents(one, two):
            z = two.pt() / (one.pt() + two.pt())
            if z > z_cut * (one.squared_distance(two) / r0**2) ** (beta / 2):
                break
            node, dropped = fastjet.PseudoJet(one), dropped + 1
        assert found.dropped[jet] == dropped
        np.testing.assert_allclose(found.momentum[jet], four(node), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("algorithm", ["kt", "ca", "antikt"])
@pytest.mark.parametrize(("radius", "fraction"), [(0.2, 0.05), (0.3, 0.03), (0.1, 0.2), (0.4, 0)])
def test_trimming_is_that_of_fastjet(hard, algorithm, radius, fraction):
    import fastjet._swig as fastjet

    momenta, ptr = hard
    found = trim(momenta, ptr, radius, fraction, algorithm)
    name = {"ca": "cambridge"}.get(algorithm, algorithm)
    definition = fastjet.JetDefinition(getattr(fastjet, f"{name}_algorithm"), radius)
    trimmer = fastjet.Filter(definition, fastjet.SelectorPtFractionMin(fraction))
    for jet, own in each(momenta, ptr):
        tree = sequence(own, "ca")
        expected = trimmer(tree.exclusive_jets(1)[0])
        np.testing.assert_allclose(found.momentum[jet], four(expected), rtol=1e-9, atol=1e-9)
        kept = [p.user_index() for p in expected.constituents()] if four(expected)[3] else []
        assert np.flatnonzero(found.kept[ptr[jet] : ptr[jet + 1]]).tolist() == sorted(kept)


def test_groomed_jets_keep_every_column():
    jets = random_jets(12)
    momenta, ptr = four_momenta(jets)
    for groomed in (soft_drop(momenta, ptr), trim(momenta, ptr)):
        kept = groomed.select(jets)
        assert kept.columns == jets.columns
        assert len(kept) == len(jets)
        for name, value in jets.jets.items():
            np.testing.assert_array_equal(kept.jets[name], value)
        np.testing.assert_array_equal(kept.ids, jets.ids)
        np.testing.assert_array_equal(kept.labels, jets.labels)
        np.testing.assert_array_equal(kept.particles, jets.particles[groomed.kept])
        again, pointer = four_momenta(kept)
        total = [again[a:b].sum(0) for a, b in pairwise(pointer)]
        np.testing.assert_allclose(groomed.momentum, total, rtol=1e-9, atol=1e-9)
    with pytest.raises(ValueError, match=r"jets that were groomed, 12 with .* but got 11 with"):
        groomed.select(jets[1:])


def test_small_jets_and_jets_without_pt():
    parts = [[], [[3.0, 4.0, 0, 5.0]], [[0.0] * 4] * 3, [[0, 0, 5.0, 5.0], [0, 0, -5.0, 5.0]],
             [[1.0, 0, 0, 1.0]] * 4, massive(np.random.default_rng(0), 2)]  # fmt: skip
    momenta, ptr = ragged(parts)
    for beta in (0.0, 2.0, -2.0):
        groomed = soft_drop(momenta, ptr, beta=beta)
        values = (groomed.momentum, groomed.mass, groomed.z, groomed.delta_r)
        assert all(np.isfinite(value).all() for value in values)
        assert groomed.momentum[:2].tolist() == [[0] * 4, [3.0, 4.0, 0, 5.0]]
        assert groomed.kept[ptr[1] : ptr[2]].tolist() == [True]
        assert groomed.dropped[:4].tolist() == [0, 0, 1, 1]
    trimmed = trim(momenta, ptr)
    assert trimmed.kept[: ptr[5]].all()
    assert trimmed.pt[[0, 1, 4]].tolist() == [0, 5, 4]
    for function in (soft_drop, trim):
        assert function([], [0]).momentum.shape == (0, 4)
        assert function([], [0, 0]).kept.tolist() == []
        assert repr(function([], [0, 0])).endswith("(1 jets, empty)")


def test_no_order_and_no_number_of_threads_matters():
    jets = random_jets(20)
    momenta, ptr = four_momenta(jets)
    rng = np.random.default_rng(3)
    order = np.concatenate([a + rng.permutation(b - a) for a, b in pairwise(ptr)])
    for function in (soft_drop, trim):
        found, other = function(momenta, ptr), function(momenta[order], ptr)
        np.testing.assert_array_equal(found.kept[order], other.kept)
        np.testing.assert_allclose(found.momentum, other.momentum, rtol=1e-9)
        np.testing.assert_array_equal(function(momenta, ptr, threads=2).momentum, found.momentum)


def test_kernel_without_numba():
    momenta, ptr = four_momenta(random_jets(6))
    tree, expected = cluster(momenta, ptr, "ca"), soft_drop(momenta, ptr, 0.2, 1.0)
    momentum, kept = np.zeros((6, 4)), np.zeros(len(momenta), bool)
    split, dropped = np.zeros((6, 2)), np.zeros(6, int)
    _soft_drop.py_func(
        tree.momenta, tree.merged, tree.delta_r, ptr, 0, 6, 0.2, 1.0, 0.8,
        momentum, kept, split, dropped,
    )  # fmt: skip
    np.testing.assert_array_equal(kept, expected.kept)
    np.testing.assert_array_equal(momentum, expected.momentum)
    np.testing.assert_array_equal(split[:, 0], expected.z)


def test_bad_input():
    momenta, ptr = four_momenta(JetArray([[1.0, 0, 0]], ("pt", "eta", "phi"), [0, 1]))
    with pytest.raises(ValueError, match=r"z_cut from 0 to below 1, but got 1"):
        soft_drop(momenta, ptr, 1)
    with pytest.raises(ValueError, match=r"z_cut from 0 to below 1, but got -0.1"):
        soft_drop(momenta, ptr, -0.1)
    with pytest.raises(ValueError, match="finite exponent beta, but got inf"):
        soft_drop(momenta, ptr, beta=np.inf)
    with pytest.raises(ValueError, match=r"radius r0 above 0, but got 0"):
        soft_drop(momenta, ptr, r0=0)
    with pytest.raises(ValueError, match=r"fraction from 0 to 1, but got 1.5"):
        trim(momenta, ptr, fraction=1.5)
    for radius in (None, 0, np.nan):
        with pytest.raises(ValueError, match="Expected a radius"):
            trim(momenta, ptr, radius)
    with pytest.raises(ValueError, match="Unknown algorithm 'cone'"):
        trim(momenta, ptr, algorithm="cone")
