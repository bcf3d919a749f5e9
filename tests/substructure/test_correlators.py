"""Energy correlation functions against FastJet's contrib, loops over triples, and closed forms."""

from itertools import combinations, pairwise

import numpy as np
import pytest

from pyg_jets.substructure.correlators import correlator_ratios, correlators, energy_correlators
from tests.conftest import cartesian, random_jets


@pytest.fixture(scope="module")
def jets():
    made = random_jets(counts=np.array([0, 1, 2, 3, 4, 12]))
    return cartesian(made), made.ptr


def places(momenta):
    px, py, pz, energy = momenta.T
    return np.stack([np.hypot(px, py), np.arctanh(pz / energy), np.arctan2(py, px)], -1)


def by_hand(momenta, beta):
    """e2, e3, 1e3 and 2e3 by loops over pairs and triples."""
    particles, sums = places(momenta), np.zeros(4)
    total = particles[:, 0].sum()

    def angle(a, b):
        dphi = (a[2] - b[2] + np.pi) % (2 * np.pi) - np.pi
        return np.hypot(a[1] - b[1], dphi) ** beta

    for a, b in combinations(particles, 2):
        sums[0] += a[0] * b[0] / total**2 * angle(a, b)
    for a, b, c in combinations(particles, 3):
        least, middle, most = sorted((angle(a, b), angle(b, c), angle(c, a)))
        z = a[0] * b[0] * c[0] / total**3
        sums[1:] += z * least * middle * most, z * least, z * least * middle
    return sums


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
def test_against_loops(jets, beta):
    momenta, ptr = jets
    want = [by_hand(momenta[a:b], beta) for a, b in pairwise(ptr)]
    np.testing.assert_allclose(energy_correlators(momenta, ptr, beta), want, rtol=1e-9, atol=1e-15)


def test_ratios_against_fastjet_contrib():
    import awkward as ak
    import fastjet

    jets = random_jets(12)[2:]
    flat = ak.zip(dict(zip(("px", "py", "pz", "E"), cartesian(jets).T, strict=True)))
    definition = fastjet.JetDefinition(fastjet.cambridge_algorithm, 1000.0)
    sequence = fastjet.ClusterSequence(ak.unflatten(flat, jets.counts), definition)
    for beta in (1.0, 2.0):
        ratios = correlator_ratios(energy_correlators(cartesian(jets), jets.ptr, beta))
        for name, values in ratios.items():
            theirs = sequence.exclusive_jets_energy_correlator(func=name, beta=beta)
            np.testing.assert_allclose(values, ak.to_numpy(theirs), rtol=1e-6)


def test_two_and_three_particles_in_closed_form():
    # Massless at rapidity 0, at three azimuths: angles .3, .4 and .7.
    phi, pt = np.array([0.0, 0.3, 0.7]), np.array([2.0, 1.0, 1.0])
    momenta = np.stack([pt * np.cos(phi), pt * np.sin(phi), 0 * pt, pt], -1)
    two, three = energy_correlators(momenta[[0, 1, 0, 1, 2]], np.array([0, 2, 5]))
    assert two == pytest.approx([2 / 9 * 0.3, 0, 0, 0])
    e2 = 1 / 8 * 0.3 + 1 / 16 * 0.4 + 1 / 8 * 0.7
    z = 1 / 2 * 1 / 4 * 1 / 4
    want = [e2, z * 0.3 * 0.4 * 0.7, z * 0.3, z * 0.3 * 0.4]
    assert three == pytest.approx(want)
    ratios = correlator_ratios(np.stack([two, three]))
    assert {name: value[0] for name, value in ratios.items()} == dict.fromkeys(ratios, 0)
    assert ratios["d2"][1] == pytest.approx(want[1] / e2**3)


def test_empty_jets_threads_and_the_order_of_particles(jets):
    momenta, ptr = jets
    one, two = (energy_correlators(momenta, ptr, threads=n) for n in (1, 2))
    np.testing.assert_array_equal(one, two)
    assert not one[:2].any()
    assert all(np.isfinite(v).all() for v in correlator_ratios(one).values())
    rng = np.random.default_rng(0)
    order = np.concatenate([a + rng.permutation(b - a) for a, b in pairwise(ptr)])
    np.testing.assert_allclose(energy_correlators(momenta[order], ptr), one, rtol=1e-9, atol=1e-15)
    at_rest = energy_correlators(np.zeros((2, 4)), np.array([0, 2, 2]))
    assert not at_rest.any()


def test_the_kernel_without_numba(jets):
    momenta, ptr = jets
    few, sums = momenta[: ptr[5]], np.empty((5, 4))
    pt, y, phi = places(few).T
    correlators.py_func(pt, np.stack([y, phi], -1), ptr[:6], 0, 5, 0.5, sums)
    np.testing.assert_allclose(sums, energy_correlators(few, ptr[:6]), rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("beta", [0, -1, np.nan, np.inf])
def test_bad_exponent(jets, beta):
    with pytest.raises(ValueError, match="beta above 0"):
        energy_correlators(*jets, beta)
