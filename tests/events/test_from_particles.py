"""Events of others to jets: against FastJet by hand, with the columns of Pythia's jets."""

from math import inf

import awkward as ak
import numpy as np
import pytest

from pyg_jets import JetArray
from pyg_jets.columns import GENERATED, OBSERVABLES
from pyg_jets.events.clustering import ALGORITHMS, ClusteringOptions
from pyg_jets.events.from_particles import from_particles
from pyg_jets.substructure import substructure
from tests.events.by_hand import by_hand, random_events

NAMES = ("pt", "eta", "phi", "mass")
EVENTS = random_events(30)
OPTIONS = ClusteringOptions(radius=0.8, pt=(15, inf))


def as_jet_array(events=EVENTS, **columns) -> JetArray:
    ptr = np.cumsum([0, *map(len, events)])
    return JetArray(np.concatenate(events), NAMES, ptr, **columns)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(
    ("radius", "pt", "eta_max"), [(0.4, (0.5, inf), 10), (1.2, (20, 200), 1.5)]
)
def test_equals_fastjet_by_hand(algorithm, radius, pt, eta_max):
    options = ClusteringOptions(radius, algorithm, pt, eta_max)
    jets, expected = (
        from_particles(as_jet_array(), options),
        by_hand(EVENTS, radius, algorithm, pt, eta_max),
    )
    assert len(jets) == len(expected) > 20
    assert jets.jets["event"].tolist() == [jet[0] for jet in expected]
    for name, values in zip(NAMES, np.array([jet[1:5] for jet in expected]).T, strict=True):
        np.testing.assert_allclose(jets.jets[f"gen_{name}"], values, rtol=1e-6, atol=2e-4)
    for j, (event, *_, members) in enumerate(expected):
        own = EVENTS[event][members]
        own = own[np.argsort(-own[:, 0], kind="stable")]
        given = np.stack([jets[j].column(name) for name in NAMES], -1)
        np.testing.assert_array_equal(given[:, [0, 1, 3]], own[:, [0, 1, 3]].astype(np.float32))
        np.testing.assert_allclose(given[:, 2], own[:, 2], atol=1e-6)


def test_columns_are_those_of_pythia():
    n = sum(map(len, EVENTS))
    momenta = ak.unflatten(np.concatenate(EVENTS), [len(event) for event in EVENTS])
    charge = ak.unflatten(np.arange(n) % 3 - 1, ak.num(momenta))
    fields = {name: momenta[..., i] for i, name in enumerate(NAMES)}
    events = ak.zip({**fields, "charge": charge, "pdgId": 211 * charge})
    jets = from_particles(events, OPTIONS)
    assert jets.columns == GENERATED
    assert set(jets.jets) == {f"gen_{name}" for name in OBSERVABLES} | {"event"}
    np.testing.assert_array_equal(jets.column("pdgid"), 211 * jets.column("charge"))
    for name, value in substructure(jets, 0.8).items():
        np.testing.assert_array_equal(jets.jets[f"gen_{name}"], value)
    assert set(from_particles(events, OPTIONS, level="reco").jets) == {
        f"reco_{name}" for name in OBSERVABLES
    } | {"event"}
    assert set(from_particles(events, OPTIONS, level=None).jets) == {*OBSERVABLES, "event"}


@pytest.mark.parametrize("names", [("px", "py", "pz", "E"), ("pt", "eta", "phi", "energy")])
def test_momenta_in_other_columns_give_the_same_jets(names):
    pt, eta, phi, mass = np.concatenate(EVENTS).T
    values = {
        "px": pt * np.cos(phi), "py": pt * np.sin(phi), "pz": pt * np.sinh(eta),
        "E": np.sqrt((pt * np.cosh(eta)) ** 2 + mass**2), "pt": pt, "eta": eta, "phi": phi,
    }  # fmt: skip
    values["energy"] = values["E"]
    counts = [len(event) for event in EVENTS]
    events = ak.zip({name: ak.unflatten(values[name], counts) for name in names})
    jets, same = from_particles(events, OPTIONS), from_particles(as_jet_array(), OPTIONS)
    assert jets.counts.tolist() == same.counts.tolist()
    np.testing.assert_allclose(jets.jets["gen_pt"], same.jets["gen_pt"], rtol=1e-6)
    np.testing.assert_allclose(jets.jets["gen_mass"], same.jets["gen_mass"], rtol=1e-3, atol=0.05)


def test_what_belongs_to_the_event_goes_to_each_of_its_jets():
    events = as_jet_array(
        labels=np.arange(30) % 3,
        jets={"event": 1000 + np.arange(30), "weight": np.linspace(0, 1, 30, dtype=np.float32)},
        ids=7 * np.arange(30),
    )
    jets = from_particles(events, OPTIONS)
    number = jets.jets["event"] - 1000
    assert len(np.unique(number)) < len(jets)
    np.testing.assert_array_equal(jets.labels, number % 3)
    np.testing.assert_array_equal(jets.jets["weight"], events.jets["weight"][number])
    np.testing.assert_array_equal(jets.ids // 256, 7 * number)
    assert len(set(jets.ids)) == len(jets)


def test_an_event_does_not_depend_on_its_neighbours():
    whole = from_particles(as_jet_array(), OPTIONS)
    parts = [from_particles(as_jet_array()[k : k + 7], OPTIONS) for k in range(0, 30, 7)]
    assert JetArray.concatenate(parts).equals(whole)


def test_leading_jets_only():
    every, two = (
        from_particles(as_jet_array(), ClusteringOptions(0.4, pt=(5, inf), max_jets=n))
        for n in (None, 2)
    )
    rank = every.ids % 256
    assert rank.max() > 2
    assert two.equals(every[rank < 2])


def test_events_without_particles_and_particles_without_direction():
    empty = JetArray(np.empty((0, 3)), NAMES[:3], [0, 0, 0])
    jets = from_particles(empty, OPTIONS)
    assert len(jets) == 0
    assert {f"gen_{name}" for name in OBSERVABLES} < set(jets.jets)
    along_the_beam = [[0.0, 0, 50, 50], [30, 0, 1, 30.1], [0, 0, 0, 0]]
    jets = from_particles(JetArray(along_the_beam, ("px", "py", "pz", "e"), [0, 1, 3]), OPTIONS)
    assert jets.jets["event"].tolist() == [1]
    assert jets.counts.tolist() == [1]


@pytest.mark.parametrize("grooming", ["softdrop_beta1_z0.2", "trimmed_r0.3_f0.1"])
def test_groomed_jets_equal_fastjet(grooming):
    options = ClusteringOptions(1.0, pt=(20, inf), eta_max=10, grooming=grooming)
    jets = from_particles(as_jet_array(), options)
    groomed = []
    for event in EVENTS:
        for jet in by_hand([event], 1.0):
            own = event[jet[-1]]
            if grooming.startswith("softdrop"):
                kept = soft_drop_by_hand(own)
            else:
                subjets = by_hand([own], 0.3, "kt")
                hard = [s[-1] for s in subjets if s[1] >= 0.1 * jet[1]]
                kept = own[sorted(i for members in hard for i in members)]
            groomed.append(sorted(kept[:, 0], reverse=True))
    total = {round(sum(one), 2): len(one) for one in groomed}
    ours = np.split(jets.column("pt"), jets.ptr[1:-1])
    assert len(jets) > 25
    assert all(total[round(float(one.sum(dtype=float)), 2)] == len(one) for one in ours)
    whole = from_particles(as_jet_array(), ClusteringOptions(1.0, pt=(20, inf), eta_max=10))
    assert jets.counts.sum() < whole.counts.sum()
    np.testing.assert_allclose(jets.jets["gen_pt"], jets.momentum["pt"], rtol=1e-6)


def soft_drop_by_hand(own):
    """Decluster FastJet's Cambridge/Aachen tree until z > 0.2 ΔR; the particles that are left."""
    import fastjet

    swig = fastjet._swig
    inputs = []
    for i, (pt, eta, phi, mass) in enumerate(own):
        energy = np.sqrt((pt * np.cosh(eta)) ** 2 + mass**2)
        momentum = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), energy
        inputs.append(swig.PseudoJet(*map(float, momentum)))
        inputs[-1].set_user_index(i)
    sequence = swig.ClusterSequence(inputs, swig.JetDefinition(swig.cambridge_algorithm, 1000.0))
    (jet,) = sequence.inclusive_jets(0.0)
    while True:
        a, b = swig.PseudoJet(), swig.PseudoJet()
        if not jet.has_parents(a, b):
            break
        z = min(a.pt(), b.pt()) / (a.pt() + b.pt())
        if z > 0.2 * a.delta_R(b):
            break
        jet = max(a, b, key=lambda branch: branch.pt())
    return own[sorted(c.user_index() for c in jet.constituents())]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"algorithm": "cone"}, "Unknown jet algorithm 'cone': choose from antikt, kt, ca"),
        ({"algorithm": "anti-kt"}, r"Did you mean 'antikt'\?"),
        ({"radius": 0}, "Expected radius as a number above 0, up to 3, but got 0"),
        ({"radius": "0.8"}, "Expected radius .* but got '0.8'"),
        ({"pt": (300, 200)}, r"Expected pt as \(lowest, highest\).* but got \(300, 200\)"),
        ({"pt": 200}, "Expected pt as .* but got 200"),
        ({"eta_max": -1}, "Expected eta_max as a number above 0"),
        ({"grooming": "pruned"}, "Unknown grooming 'pruned': choose from softdrop, trimmed"),
        ({"grooming": "trimmed_z3"}, "parameters of trimmed .* r0.2, f0.05, but got 'trimmed_z3'"),
        ({"max_jets": 0}, "Expected max_jets as a whole number, 1 or more, but got 0"),
    ],
)
def test_bad_options(arguments, said):
    with pytest.raises(ValueError, match=said):
        ClusteringOptions(**arguments)


def test_bad_events():
    with pytest.raises(ValueError, match="columns pt, mass, expected px, py, pz, E or pt, eta"):
        from_particles(JetArray([[9.0, 1]], ("pt", "mass"), [0, 1]))
    with pytest.raises(ValueError, match="awkward array or a JetArray, but got list"):
        from_particles([[1.0, 2.0]])
    with pytest.raises(ValueError, match="Expected events as lists of particles"):
        from_particles(ak.Array({"pt": [[9.0], []]}))
    with pytest.raises(ValueError, match="Unknown level 'detector'"):
        from_particles(as_jet_array(), OPTIONS, level="detector")
    grid = np.arange(400)
    crowd = [np.column_stack((1 + 0 * grid, grid // 20 / 5 - 2, grid % 20 / 4 - 3, 0 * grid))]
    with pytest.raises(ValueError, match="Event 0 has 400 jets, expected at most 256: raise the"):
        from_particles(as_jet_array(crowd), ClusteringOptions(radius=0.1, pt=(0, inf)))
