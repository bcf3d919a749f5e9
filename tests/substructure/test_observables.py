"""Observables against FastJet one jet at a time and against plain sums."""

import numpy as np
import pytest

from pyg_jets import JetArray
from pyg_jets.columns import OBSERVABLES
from pyg_jets.substructure.observables import subjettiness, substructure
from tests.conftest import cartesian, random_jets

# FastJet adds in another order, and a mass is the root of a difference of squares.
MASS_TOLERANCE = 2e-3  # GeV
TAU_TOLERANCE = 1e-6


@pytest.fixture(scope="module")
def mixed(chunks) -> JetArray:
    """Real and random jets, one empty, one with one particle, some with two to five."""
    random = random_jets(40, counts=np.r_[0, 1, 2, 3, 4, 5, np.full(34, 60)])
    random = JetArray(random.particles, random.columns, random.ptr)
    parts = [chunks[name][0][:15] for name in ("qcd", "w", "top")]
    bare = [JetArray(p.select(random.columns).particles, random.columns, p.ptr) for p in parts]
    return JetArray.concatenate([random, *bare])


def clusters(momenta, algorithm):
    import fastjet

    fastjet._swig.ClusterSequence.set_fastjet_banner_stream(None)
    particles = [fastjet.PseudoJet(*map(float, p)) for p in momenta]
    definition = fastjet.JetDefinition(algorithm, 1000.0)
    sequence = fastjet._swig.ClusterSequence(fastjet.vectorPJ(particles), definition)
    return particles, sequence


def soft_drop_mass(momenta, z_cut=0.1):
    import fastjet

    _, sequence = clusters(momenta, fastjet.cambridge_algorithm)
    (jet,) = sequence.exclusive_jets(1)
    one, two = fastjet.PseudoJet(), fastjet.PseudoJet()
    while jet.has_parents(one, two):
        soft, hard = sorted((one, two), key=lambda p: p.pt())
        if soft.pt() > z_cut * (soft.pt() + hard.pt()):
            break
        jet = fastjet.PseudoJet(hard)
    return max(jet.m(), 0.0)


def tau(momenta, n):
    import fastjet

    if len(momenta) < n:
        return 0.0
    particles, sequence = clusters(momenta, fastjet.kt_algorithm)
    axes = sequence.exclusive_jets(n)
    terms = [p.pt() * min(p.delta_R(axis) for axis in axes) for p in particles]
    return sum(terms) / sum(p.pt() for p in particles)


def test_against_fastjet_one_jet_at_a_time(mixed):
    found, momenta = substructure(mixed), cartesian(mixed)
    for jet in range(1, len(mixed)):
        own = momenta[mixed.ptr[jet] : mixed.ptr[jet + 1]]
        assert found["softdrop_mass"][jet] == pytest.approx(soft_drop_mass(own), abs=MASS_TOLERANCE)
        for n in (1, 2, 3, 4):
            assert found[f"tau{n}"][jet] == pytest.approx(tau(own, n), abs=TAU_TOLERANCE)


def test_against_fastjet_contrib(chunks):
    import awkward as ak
    import fastjet

    jets = chunks["top"][0]
    flat = ak.zip(dict(zip(("px", "py", "pz", "E"), cartesian(jets).T, strict=True)))
    particles = ak.unflatten(flat, jets.counts)
    definition = fastjet.JetDefinition(fastjet.cambridge_algorithm, 1000.0)
    sequence = fastjet.ClusterSequence(particles, definition)
    found, groomed = substructure(jets), sequence.exclusive_jets_softdrop_grooming()
    np.testing.assert_allclose(
        found["softdrop_mass"], ak.to_numpy(groomed.msoftdrop), atol=MASS_TOLERANCE
    )
    taus = ak.to_numpy(sequence.njettiness("UnnormalizedMeasure", "KT_Axes"))
    scalar = np.add.reduceat(jets.column("pt").astype(float), jets.ptr[:-1])
    ours = np.stack([found[f"tau{n}"] for n in (1, 2, 3, 4)], -1)
    np.testing.assert_allclose(ours, taus / scalar[:, None], atol=TAU_TOLERANCE)


def test_momentum_and_masses_are_plain_sums(mixed):
    found, momenta = substructure(mixed), cartesian(mixed)
    for jet in range(1, len(mixed)):
        own = momenta[mixed.ptr[jet] : mixed.ptr[jet + 1]]
        px, py, pz, energy = own.sum(0)
        light = np.sqrt((own[:, :3] ** 2).sum(1)).sum()
        assert found["pt"][jet] == pytest.approx(np.hypot(px, py), rel=1e-6)
        assert found["rapidity"][jet] == pytest.approx(np.arctanh(pz / energy), rel=1e-5)
        assert found["eta"][jet] == pytest.approx(np.arcsinh(pz / np.hypot(px, py)), rel=1e-5)
        for name, e in (("mass", energy), ("massless_mass", light)):
            mass = np.sqrt(max(0.0, e**2 - px**2 - py**2 - pz**2))
            assert found[name][jet] == pytest.approx(mass, abs=MASS_TOLERANCE)


def test_empty_and_one_particle_jets():
    columns = ("pt", "eta", "phi", "mass")
    jets = JetArray([[5.0, 1.0, 2.0, 0.5], [0.0, 0.0, 0.0, 0.0]], columns, [0, 0, 1, 1, 2])
    found = substructure(jets)
    assert tuple(found) == OBSERVABLES
    for name in OBSERVABLES:
        assert found[name][[0, 2]].tolist() == [0, 0]
    assert found["pt"][1] == pytest.approx(5)
    assert found["mass"][1] == found["softdrop_mass"][1] == pytest.approx(0.5)
    assert [float(found[f"tau{n}"][1]) for n in (1, 2, 3, 4)] == [0, 0, 0, 0]
    assert all(np.isfinite(value).all() for value in found.values())
    assert all(len(value) == 0 for value in substructure(jets[:0]).values())


def test_identical_particles_and_threads_change_nothing(mixed):
    equal = JetArray([[1.0, 0.3, 0.1, 0.0]] * 6, ("pt", "eta", "phi", "mass"), [0, 6])
    assert substructure(equal)["tau1"][0] == pytest.approx(0, abs=1e-6)
    one, two = substructure(mixed, threads=1), substructure(mixed, threads=2)
    assert all(np.array_equal(one[name], two[name]) for name in one)


def test_kernels_without_numba(mixed):
    jets = mixed[:12]
    momenta, taus = cartesian(jets), np.empty((12, 4))
    subjettiness.py_func(momenta, jets.ptr, 0, 12, taus)
    found = substructure(jets)
    np.testing.assert_allclose(taus[:, 2], found["tau3"], atol=TAU_TOLERANCE)


def test_bad_input():
    with pytest.raises(ValueError, match="radius above 0"):
        substructure(random_jets(3), radius=0)
    with pytest.raises(ValueError, match="Unknown particle column 'pt'"):
        substructure(JetArray([[1.0]], ("energy",), [0, 1]))
