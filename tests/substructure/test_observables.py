"""Observables against FastJet one jet at a time and against plain sums."""

import re
from pathlib import Path

import numpy as np
import pytest

from pyg_jets import JetArray
from pyg_jets.columns import OBSERVABLES
from pyg_jets.substructure.observables import FAMILIES, substructure
from tests.conftest import cartesian, random_jets

PAGE = Path(__file__).parent.parent.parent / "docs" / "substructure.md"
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


@pytest.fixture(scope="module")
def three() -> JetArray:
    """Three massless particles at rapidity 0, ΔR .1, .2 and .3 apart; and no particle."""
    return JetArray([[60, 0, 0.0], [30, 0, 0.1], [10, 0, 0.3]], ("pt", "eta", "phi"), [0, 3, 3])


def test_every_name_of_the_table_means_something():
    mixed = random_jets(12)
    names = [n for f in FAMILIES for n in re.findall(r"\w+", f.shown)]
    values = substructure(mixed, names=names)
    assert tuple(values) == tuple(names)
    for name, value in values.items():
        assert np.isfinite(value).all(), name
        assert value[0] == 0, name  # the empty jet
        assert value.std() > 0, name
        assert value.dtype == (np.int64 if name == "multiplicity" else np.float32)
    default = substructure(mixed)
    assert all(np.array_equal(values[n], default[n]) for n in values if n in default)
    assert set(default) - set(values) <= {"tau2", "tau3", "tau4"}


def test_options_by_hand(three):
    z, phi = np.array([0.6, 0.3, 0.1]), np.array([0, 0.1, 0.3])
    axis = np.arctan2((z * np.sin(phi)).sum(), (z * np.cos(phi)).sum())
    pair = (z * np.cos(phi))[:2].sum(), (z * np.sin(phi))[:2].sum()  # which C/A merges first
    soft = np.arctan2((z * np.sin(phi))[1:].sum(), (z * np.cos(phi))[1:].sum())  # and kt
    e2 = 0.18 * 0.1 + 0.06 * 0.3 + 0.03 * 0.2
    want = {
        "width": (z * abs(phi - axis)).sum(),
        "girth": (z * abs(phi - axis)).sum(),
        "lha": (z * abs(phi - axis) ** 0.5).sum(),
        "angularity_kappa2_beta0.5": (z**2 * abs(phi - axis) ** 0.5).sum(),
        "ptd": np.sqrt(0.36 + 0.09 + 0.01),
        "tau1": (z * abs(phi - axis)).sum(),
        "tau1_wta_kt": 0.3 * 0.1 + 0.1 * 0.3,
        "tau2_beta2": (z[1:] * (phi[1:] - soft) ** 2).sum(),
        "tau21_wta_kt": 0.1 * 0.2 / (0.3 * 0.1 + 0.1 * 0.3),
        "tau2_beta2_onepass_wta_kt": (z[1:] * (phi[1:] - 0.15) ** 2).sum(),
        "tau32": 0,
        "e2": e2,
        "d2": 0.018 * 0.1 * 0.2 * 0.3 / e2**3,
        "n2_beta2": 0.018 * (0.1 * 0.2) ** 2 / (0.18 * 0.01 + 0.06 * 0.09 + 0.03 * 0.04) ** 2,
        "efp_01": 2 * e2,
        "efp_01_beta2": 2 * (0.18 * 0.01 + 0.06 * 0.09 + 0.03 * 0.04),
        "efp_01_12_02": 6 * 0.018 * 0.1 * 0.2 * 0.3,
        "efp_01_23": 4 * e2**2,
        "zg_z0.05": 0.1 / (0.1 + np.hypot(*pair)),
        "rg_z0.05": 0.3 - np.arctan2(*pair[::-1]),
        "trimmed_pt_r0.15_f0.2": 100 * np.hypot(*pair),
    }  # fmt: skip
    values = substructure(three, names=[*want])
    assert {n: v[0] for n, v in values.items()} == pytest.approx(want, rel=1e-5)
    assert all(v[1] == 0 for v in values.values())


def test_names_of_ones_own(three):
    own = substructure(three, names={"light": "mass", "n": "multiplicity", "again": "multiplicity"})
    assert own["light"][0] == pytest.approx(substructure(three)["mass"][0])
    assert [own["n"].tolist(), own["again"].tolist()] == [[3, 0], [3, 0]]
    assert [*substructure(three, names="tau43")] == ["tau43"]


def test_momenta_in_cartesian_columns():
    mixed = random_jets(12)
    columns = JetArray(cartesian(mixed), ("px", "py", "pz", "e"), mixed.ptr)
    names = ["mass", "tau21", "c2", "lha"]
    one, other = (substructure(jets, names=names) for jets in (mixed, columns))
    for name in names:  # float32 momenta have masses that differ by rounding
        np.testing.assert_allclose(one[name], other[name], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("tau9", "Unknown observable 'tau9': choose from multiplicity; pt, mass;"),
        ("tau12", "'tau12' means nothing. Expected more axes above"),
        ("tau22", "means nothing"),
        ("tau21_beta0", "'tau21_beta0' means nothing. Expected beta above 0"),
        ("tau21_wta", r"Unknown options .* expected tau21\[_beta1\]\[_kt\]"),
        ("tau21_kt_beta2", r"Unknown options .* expected tau21\[_beta1\]\[_kt\]"),
        ("softdrop_mass_z1", "z from 0 to below 1"),
        ("trimmed_mass_f2", "f from 0 to 1"),
        ("efp_01_22", "edges between two vertices, but got 22"),
        ("efp_012", "Unknown observable 'efp_012'.* Did you mean 'efp_01'"),
        ("taus21", "Did you mean 'tau21'"),
        (["tau1", "tau1"], "Each observable may be named once"),
        ({"own": "tau0"}, "Unknown observable 'tau0'"),
    ],
    ids=str,
)
def test_names_that_mean_nothing(three, name, said):
    with pytest.raises(ValueError, match=said):
        substructure(three, names=name)


def test_bad_input():
    with pytest.raises(ValueError, match="radius above 0"):
        substructure(random_jets(3), radius=0)
    with pytest.raises(ValueError, match="Unknown particle column 'pt'"):
        substructure(JetArray([[1.0]], ("energy",), [0, 1]))


def test_the_page_has_every_name_with_its_options():
    rows = re.findall(r"^\| (`.*?) \| (.*?) \| (.*?) \| (.*?) \|$", PAGE.read_text(), re.M)
    ours = []
    for family in FAMILIES:
        names = re.sub(r"\w+", lambda word: f"`{word[0]}`", family.shown)
        options = " ".join(
            f"`_{value}`" if option == "axes" else f"`_{option}{value:g}`"
            for option, value in family.options.items()
        )
        ours.append((names, options, family.unit, family.doc))
    links = re.compile(r"\[([\d.]+)\]\(https://arxiv.org/abs/\1\)")
    page = [tuple(links.sub(r"\1", text) for text in row) for row in rows]
    assert page == [(n, o, u, d.replace("arXiv ", "")) for n, o, u, d in ours]
