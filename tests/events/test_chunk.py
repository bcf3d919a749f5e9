"""One chunk of events: physics of the jets, truth matching, ids, reproducibility."""

import numpy as np
import pytest

from pyg_jets import JetArray, kinematics
from pyg_jets.columns import GENERATED, OBSERVABLES
from pyg_jets.events import chunk as module
from pyg_jets.events.options import PythiaOptions
from pyg_jets.events.processes import PROCESSES
from pyg_jets.substructure import substructure
from tests.events.conftest import OPTIONS

MASSES = {"w": (80.4, 3), "z": (91, 3), "top": (173, 6)}


@pytest.mark.parametrize("process", PROCESSES)
def test_columns_and_margin(chunks, process):
    jets, cut_flow = chunks[process]
    assert jets.columns == GENERATED
    assert jets.labels is None
    assert set(jets.jets) == {f"gen_{n}" for n in OBSERVABLES} | {"event", "matched", "flavour"}
    pt = jets.jets["gen_pt"]
    low, high = OPTIONS.margin
    assert low <= pt.min() < 500 < 600 < pt.max() < high
    assert np.abs(jets.jets["gen_eta"]).max() < 2
    assert not np.isin(np.abs(jets.column("pdgid")), (12, 14, 16)).any()
    assert set(np.unique(jets.column("charge"))) == {-1.0, 0.0, 1.0}
    counted = [(pt < 500).sum(), ((pt >= 500) & (pt < 600)).sum(), (pt >= 600).sum()]
    assert [cut_flow.below, cut_flow.in_window, cut_flow.above] == counted
    dropped = cut_flow.outside_eta + cut_flow.above_margin + cut_flow.unmatched
    assert cut_flow.found == cut_flow.kept + dropped
    assert cut_flow.events == OPTIONS.events_per_chunk


@pytest.mark.parametrize("process", PROCESSES)
def test_constituents_make_the_jet(chunks, process):
    jets, _ = chunks[process]
    for name, value in substructure(jets, 0.8).items():
        np.testing.assert_array_equal(jets.jets[f"gen_{name}"], value)
    steps = np.diff(jets.column("pt"))
    assert (np.delete(steps, jets.ptr[1:-1] - 1) <= 0).all()
    y = kinematics.rapidity(*(jets.column(n).astype(float) for n in ("pt", "eta", "mass")))
    np.testing.assert_allclose(jets.column("rapidity"), y, atol=1e-5)
    each = {n: np.repeat(jets.jets[f"gen_{n}"], jets.counts) for n in ("rapidity", "phi")}
    far = kinematics.delta_r(y, jets.column("phi"), each["rapidity"], each["phi"])
    assert np.quantile(far, 0.99) < 0.8
    assert far.max() < 1.6


@pytest.mark.parametrize("process", MASSES)
def test_matched_soft_drop_masses(chunks, process):
    jets, _ = chunks[process]
    expected, tolerance = MASSES[process]
    assert jets.jets["matched"].all()
    assert np.median(jets.jets["gen_softdrop_mass"]) == pytest.approx(expected, abs=tolerance)


def test_flavours(chunks):
    flavour = {process: set(jets.jets["flavour"]) for process, (jets, _) in chunks.items()}
    assert flavour["w"] == {-24, 24}
    assert flavour["z"] == {23}
    assert flavour["top"] == {-6, 6}
    assert flavour["gluon"] == {21}
    assert flavour["quark"] <= {*range(-5, 0), *range(1, 6)}
    qcd = chunks["qcd"][0].jets
    assert {21, 1, 2} < set(qcd["flavour"])
    assert 0.8 < qcd["matched"].mean() < 1
    assert ((qcd["flavour"] != 0) == (qcd["matched"] == 1)).all()


def test_multiplicities_and_matched_shares(chunks):
    mean = {process: jets.counts.mean() for process, (jets, _) in chunks.items()}
    assert mean["w"] < mean["qcd"] < mean["top"]
    assert mean["quark"] < mean["gluon"]
    shares = {process: cut_flow.matched_share for process, (_, cut_flow) in chunks.items()}
    assert shares["qcd"] == 1
    assert 0.75 < shares["w"] < 0.97
    assert 0.4 < shares["top"] < 0.8


@pytest.mark.parametrize("process", ["qcd", "top"])
def test_far_particles_alter_no_jet(chunks, process, monkeypatch):
    monkeypatch.setattr(module, "_BEYOND", 100)
    whole, _ = module.generate_chunk(process, OPTIONS, 3)
    assert whole.equals(chunks[process][0])


def decay_quarks(event, place):
    """Places of the quarks that a particle of the record decays to, followed by hand."""
    ids, first, second = (event[name] for name in ("id", "daughter1", "daughter2"))
    while True:
        daughters = [first[place], second[place]]
        copies = [d for d in daughters if ids[d] == ids[place]]
        if not copies:
            break
        place = copies[0]
    quarks = []
    for d in daughters:
        quarks += decay_quarks(event, d)[1] if abs(ids[d]) == 24 else [d]
    return place, quarks


@pytest.mark.parametrize(("process", "resonance"), [("w", 24), ("z", 23), ("top", 6)])
def test_matching_against_a_loop_over_the_event_record(chunks, process, resonance):
    jets, _ = chunks[process]
    pythia = module.start_pythia(process, OPTIONS)
    record = module.simulate_events(pythia, process, OPTIONS, 3)
    wanted = 0
    event_of = (jets.jets["event"]) & 0xFFFF
    for number in range(60):
        begin, end = record.offsets[number : number + 2]
        event = {name: column[begin:end] for name, column in record.columns.items()}
        own = np.flatnonzero(event_of == number)
        for place in (5, 6):  # the outgoing particles of the hard process
            assert abs(event["id"][place]) == resonance
            last, quarks = decay_quarks(event, place)
            assert len(quarks) == (3 if resonance == 6 else 2)
            assert all(abs(event["id"][q]) <= 5 for q in quarks)
            for jet in own[jets.jets["flavour"][own] == event["id"][place]]:
                points = record.direction(begin + np.array([last, *quarks]))
                y, phi = (float(jets.jets[f"gen_{n}"][jet]) for n in ("rapidity", "phi"))
                far = kinematics.delta_r(points[:, 0], points[:, 1], y, phi)
                wanted += bool((far < 0.8).all())
    # A Z has one id for both of an event, so each jet is compared with both.
    assert wanted == (event_of < 60).sum()


@pytest.mark.parametrize("process", PROCESSES)
def test_a_chunk_does_not_depend_on_what_came_before(process):
    options = PythiaOptions(pthat=(0.8, 1.6), seed=7, events_per_chunk=12)
    first = module.generate_chunk(process, options, 3)[0]
    module.generate_chunk(process, options, 0)
    module.generate_chunk("qcd" if process == "w" else "w", options, 1)
    again = module.generate_chunk(process, options, 3)[0]
    module.start_pythia.cache_clear()
    fresh = module.generate_chunk(process, options, 3)[0]
    assert len(first) > 0
    assert first.equals(again)
    assert first.equals(fresh)


def test_ids_are_unique_over_processes_chunks_events_and_jets(chunks):
    more = [module.generate_chunk("w", OPTIONS, 4)[0]]
    jets = JetArray.concatenate([*(jets for jets, _ in chunks.values()), *more])
    assert len(set(jets.ids)) == len(jets)
    assert (jets.ids >= 0).all()
    np.testing.assert_array_equal(jets.jets["event"], jets.ids >> 8)
    w = chunks["w"][0]
    assert (np.diff(w.ids) > 0).all()
    same = np.diff(w.jets["event"]) == 0
    assert same.any()
    assert (np.diff(w.jets["gen_pt"])[same] <= 0).all()


def test_seeds_of_chunks_never_meet():
    seeds = [module.chunk_seed(1, "w", chunk) for chunk in range(20000)]
    assert len(set(seeds)) == len(seeds)
    assert 1 <= min(seeds) < max(seeds) <= 900_000_000
    assert (
        module.chunk_seed(1, "qcd", 5)
        != module.chunk_seed(1, "w", 5)
        != module.chunk_seed(2, "w", 5)
    )


def test_pythia_that_gives_up_events_is_an_error(monkeypatch):
    options = PythiaOptions(pthat=(0.8, 1.6), seed=7, events_per_chunk=12)

    class Broken:
        def __init__(self, pythia):
            self.rndm, self._pythia = pythia.rndm, pythia

        def nextBatch(self, n):
            return self._pythia.nextBatch(n // 3)

    broken = Broken(module.start_pythia("w", options))
    monkeypatch.setattr(module, "start_pythia", lambda *_: broken)
    with pytest.raises(RuntimeError, match="gave up 8 of 12 events of process 'w'"):
        module.generate_chunk("w", options, 0)


def test_vincia_shower():
    jets, _ = module.generate_chunk(
        "w", PythiaOptions(pthat=(0.8, 1.6), shower="vincia", events_per_chunk=20), 0
    )
    assert len(jets) > 0
    assert set(jets.jets["flavour"]) <= {-24, 24}
