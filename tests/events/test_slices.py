"""Slices of pTHat and their weights, held against Pythia's own weights and cross sections."""

import numpy as np
import pytest

from pyg_jets import JetArray
from pyg_jets.datasets import JetFiles, PythiaJets
from pyg_jets.datasets.pythia import _with_mean_weight_1
from pyg_jets.events import chunk as module
from pyg_jets.events.chunk import configure_pythia, generate_chunk, new_pythia
from pyg_jets.events.cross_section import cross_section
from pyg_jets.events.cutflow import CutFlow, slice_table
from pyg_jets.events.options import PythiaOptions
from pyg_jets.events.processes import PROCESSES
from pyg_jets.events.slices import slice_of
from pyg_jets.events.truth_matching import EventRecord
from pyg_jets.events.variations import HADRONIZATIONS, SHOWER_VARIATIONS, TUNES
from pyg_jets.io import write_parquet

SLICED = PythiaOptions(seed=7, events_per_chunk=40)
EXPLICIT = ((0.5, 0.7, 2.5), (0.7, 0.9, 0.5), (0.9, 1.6))


@pytest.fixture(scope="module")
def sliced() -> tuple[JetArray, CutFlow]:
    """A chunk of sliced QCD events."""
    return generate_chunk("qcd", SLICED, 2)


def hard_processes(process, options, n):
    """pTHat and Pythia's own weight of each of n hard processes."""
    pythia = new_pythia(process, options, hard_process_only=True)
    rows = []
    for _ in range(n):
        pythia.next()
        info = pythia.infoPython()
        rows.append((np.sqrt(info.pT2Hat()), info.weight()))
    return np.array(rows).T


@pytest.mark.parametrize(("process", "pthat"), [("qcd", "sliced"), ("top", "biased")])
def test_weights_are_those_of_pythia(process, pthat):
    options = PythiaOptions(pthat=pthat)
    values, weights = hard_processes(process, options, 300)
    # Pythia counts an event above its estimate of the maximum as more than one, by a little.
    ratio = weights / options.event_weights(values, process)
    np.testing.assert_allclose(ratio, 1, rtol=0.2)
    assert np.mean(np.abs(ratio - 1) > 2e-3) < 0.05
    slices = options.slices(process)
    assert values.min() >= slices[0].low - 0.01
    assert values.max() <= slices[-1].high
    assert len(set(slice_of(values, slices))) == len(slices)


def test_weights_vary_three_times_at_most_and_slices_join():
    for process in PROCESSES:
        slices = SLICED.slices(process)
        weights = [s.weight for s in slices]
        assert max(weights) / min(weights) <= 3
        assert [s.low for s in slices[1:]] == [s.high for s in slices[:-1]]
        assert slices[-1].high == 960


def test_cross_sections_are_those_of_a_run_without_weights():
    options = PythiaOptions(pthat=EXPLICIT)
    sigma = cross_section("qcd", options)
    assert sigma.error < 0.01 * sigma.pb
    assert sum(sigma.slices) == pytest.approx(sigma.pb)
    pythia = new_pythia("qcd", PythiaOptions(pthat=(0.5, 1.6)), hard_process_only=True)
    values = np.sqrt(np.asarray(pythia.nextBatch(8000).info.pT2Hat))
    assert sigma.pb == pytest.approx(1e9 * pythia.infoPython().sigmaGen(), rel=0.03)
    counts = np.bincount(slice_of(values, options.slices("qcd")))
    shares = np.array(sigma.slices) / sigma.pb
    np.testing.assert_allclose(shares, counts / 8000, atol=4 * np.sqrt(counts.max()) / 8000)
    np.testing.assert_allclose(shares, counts / 8000, rtol=0.15)


def test_columns_and_cut_flow(sliced):
    jets, cut_flow = sliced
    pt, weight = jets.jets["gen_pt"], jets.jets["weight"]
    window = (pt >= 500) & (pt < 600)
    slices = SLICED.slices("qcd")
    assert weight.dtype == np.float32
    assert set(weight) == {s.weight for s in slices}
    assert len({(e, w) for e, w in zip(jets.jets["event"], weight, strict=True)}) == len(
        set(jets.jets["event"])
    )
    flows = cut_flow.slices
    assert sum(f.in_window for f in flows) == cut_flow.in_window == window.sum()
    assert sum(f.weight for f in flows) == pytest.approx(weight[window].sum())
    assert sum(f.events for f in flows) == cut_flow.events == 40
    for flow, own in zip(flows, slices, strict=True):
        assert flow.hard_weight == own.weight * flow.hard >= own.weight * flow.events
    assert flows[0].events < 0.2 * flows[0].hard  # most events far below the window are dropped
    assert flows[-1].events > 0.8 * flows[-1].hard
    n_eff = weight[window].sum() ** 2 / (weight[window] ** 2).sum()
    assert cut_flow.effective_share == pytest.approx(n_eff / window.sum())
    assert CutFlow(**cut_flow.as_dict()) == cut_flow
    double = cut_flow + cut_flow
    assert double.slices[1].in_window == 2 * flows[1].in_window
    assert double.effective_share == pytest.approx(cut_flow.effective_share)
    assert slice_table({"w": CutFlow(events=3)}) == ""
    other = CutFlow(slices=(flows[0]._replace(low=200.0), *flows[1:]))
    with pytest.raises(ValueError, match=r"same slices .* another version made"):
        cut_flow + other


def test_a_chunk_does_not_depend_on_what_came_before(sliced):
    generate_chunk("qcd", SLICED, 0)
    again, cut_flow = generate_chunk("qcd", SLICED, 2)
    assert again.equals(sliced[0])
    assert cut_flow == sliced[1]


def test_no_event_with_a_jet_in_the_window_is_dropped(monkeypatch):
    """The events that would be dropped hold no jet from 0.85 times the window's lower edge on."""
    options = PythiaOptions(pthat=((0.6, 0.9, 1), (0.9, 1.6, 1e6)), events_per_chunk=120, seed=3)
    pythia = module.start_pythia("qcd", options)
    dropped, drop = [], type(pythia.hook).doVetoPT

    def keep(hook, position, event):
        dropped.append(drop(hook, position, event))
        return False

    monkeypatch.setattr(type(pythia.hook), "doVetoPT", keep)
    jets, cut_flow = generate_chunk("qcd", options, 0)
    assert 0.4 * 120 < sum(dropped) < 0.9 * 120 == 0.9 * cut_flow.events
    in_dropped = np.array(dropped)[jets.jets["event"] & 0xFFFF]
    hard = jets.jets["gen_pt"] > 0.85 * 500
    assert hard.sum() > 10
    assert not in_dropped[hard].any()


def test_a_pair_has_no_weights(chunks):
    jets, cut_flow = chunks["qcd"]
    assert not [name for name in jets.jets if name.startswith("weight")]
    assert cut_flow.slices == ()
    assert "slices" not in cut_flow.as_dict()


def test_shower_variations_are_the_weights_of_pythia():
    names = ("fsr_down", "isr_up_reduced")
    options = PythiaOptions(pthat="biased", shower_variations=names, events_per_chunk=8, seed=2)
    jets, _ = generate_chunk("w", options, 0)
    pythia = module.start_pythia("w", options)
    pythia.rndm.init(module.chunk_seed(2, "w", 1))
    events = []
    for _ in range(8):
        pythia.next()
        info = pythia.infoPython()
        by_name = dict(zip(info.weightNameVector(), info.weightValueVector(), strict=True))
        events.append([by_name["Weight"], *(by_name[name] for name in names)])
    expected = np.array(events)[jets.jets["event"] & 0xFFFF]
    ours = np.stack([jets.jets[n] for n in ("weight", *(f"weight_{n}" for n in names))], -1)
    np.testing.assert_allclose(ours, expected, rtol=1e-3)
    assert len(set(ours[:, 1] / ours[:, 0])) > 2


@pytest.mark.parametrize("value", [-0.5, np.nan, np.inf])
def test_negative_and_infinite_weights_are_refused(value):
    events = {"pthat": np.full(3, 500.0), "weight_fsr_up": np.array([1, value, 1])}
    record = EventRecord(np.arange(4), {}, events)
    options = PythiaOptions(shower_variations=("fsr_up",))
    message = r"Pythia gave 1 of 3 events .* negative or non-finite weight_fsr_up, .* Leave out"
    with pytest.raises(RuntimeError, match=message):
        module._event_weights(record, "qcd", options, 0)


def test_pythia_knows_every_setting_by_name():
    options = [PythiaOptions(tune=tune) for tune in (*TUNES, 4)]
    options += [PythiaOptions(hadronization=name) for name in HADRONIZATIONS]
    options += [PythiaOptions(shower_variations=True)]
    for asked in options:
        configure_pythia("w", asked)
    pythia = configure_pythia("w", PythiaOptions(tune="cp5", hadronization="ropes"))
    assert pythia.settings.parm("MultipartonInteractions:pT0Ref") == 1.41
    assert pythia.settings.parm("TimeShower:alphaSvalue") == 0.118
    assert pythia.settings.flag("Ropewalk:RopeHadronization")
    assert len(SHOWER_VARIATIONS) == len(set(SHOWER_VARIATIONS.values())) == 8


@pytest.mark.slow
@pytest.mark.parametrize("hadronization", HADRONIZATIONS)
def test_every_hadronization_generates(hadronization):
    options = PythiaOptions(
        pthat=(0.8, 1.6), hadronization=hadronization, tune="cp5", events_per_chunk=30
    )
    assert len(generate_chunk("w", options, 0)[0]) > 10


def test_graphs_and_files_have_the_weight(sliced, tmp_path, monkeypatch):
    jets = sliced[0]
    path = tmp_path / "qcd.parquet"
    write_parquet(jets, path)
    monkeypatch.setattr("pyg_jets.datasets.pythia.generate_folder", lambda *_: {"qcd": path})
    dataset = PythiaJets(tmp_path / "data", ("qcd",), n_jets=5, detector=None)
    pt = jets.jets["gen_pt"]
    expected = jets.jets["weight"][(pt >= 500) & (pt < 600)]
    graphs = [float(data.weight) for data in dataset]
    np.testing.assert_allclose(graphs, expected / expected.mean(), rtol=1e-6)
    assert "weight" not in dataset.jet_columns
    files = JetFiles(tmp_path / "files", path)
    np.testing.assert_array_equal(files.weight, jets.jets["weight"])


def test_weights_of_a_class_have_mean_1(sliced):
    jets = sliced[0].with_jets(weight_fsr_up=2 * sliced[0].jets["weight"])
    normalised = _with_mean_weight_1(jets)
    assert normalised.jets["weight"].mean() == pytest.approx(1, abs=1e-6)
    assert normalised.jets["weight_fsr_up"].mean() == pytest.approx(2, abs=1e-6)
    np.testing.assert_allclose(
        normalised.jets["weight"] / jets.jets["weight"], 1 / jets.jets["weight"].mean(), rtol=1e-6
    )
    bare = JetArray(jets.particles, jets.columns, jets.ptr)
    assert _with_mean_weight_1(bare) is bare
