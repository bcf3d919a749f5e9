"""Which chunks are asked for, where the jets are cut, and bad arguments"""

import sys
from dataclasses import fields

import numpy as np
import pytest

from pyg_jets import JetArray
from pyg_jets.events import pythia, schedule
from pyg_jets.events.cutflow import CutFlow
from pyg_jets.events.options import PythiaOptions

OPTIONS = PythiaOptions(pt=(500, 600))
OPTION_NAMES = {field.name for field in fields(PythiaOptions)}


def fake_chunk(process, options, chunk):
    """Chunk k holds k % 4 jets in the window, each after one of the margin."""
    pt = np.array([450.0, 550.0] * (chunk % 4) + [700.0], np.float32)
    ids = 1000 * chunk + np.arange(len(pt))
    jets = JetArray(np.zeros((0, 1)), ("pt",), np.zeros(len(pt) + 1, int), ids=ids)
    return jets.with_jets(gen_pt=pt), CutFlow(events=9, in_window=chunk % 4)


class Shuffled:
    """Chunks that come back in another order, as from many workers."""

    def __init__(self, slots):
        self.slots, self.waiting, self.asked = slots, [], []
        self.rng = np.random.default_rng(slots)

    def submit(self, process, options, chunk):
        self.waiting.append(chunk)
        self.asked.append(chunk)

    def next_finished(self):
        chunk = self.waiting.pop(self.rng.integers(len(self.waiting)))
        return chunk, fake_chunk("w", OPTIONS, chunk)

    def cancel(self):
        self.waiting.clear()


def run(n_jets, slots, store=None):
    executor, store = Shuffled(slots), store or schedule.MemoryStore()
    chunks = schedule.generate_missing_chunks(
        "w", n_jets, OPTIONS, store, lambda: executor, progress=False
    )
    return schedule.first_jets(store, chunks, n_jets, OPTIONS), executor, chunks


@pytest.mark.parametrize("n_jets", [1, 2, 6, 7, 40])
@pytest.mark.parametrize("slots", [1, 2, 7])
def test_any_number_of_workers_gives_the_same_jets(n_jets, slots):
    jets, executor, chunks = run(n_jets, slots)
    expected, _, _ = run(100, 1)
    pt = jets.jets["gen_pt"]
    assert ((pt >= 500) & (pt < 600)).sum() == n_jets
    assert 500 <= pt[-1] < 600
    assert jets.equals(expected[: len(jets)])
    assert sorted(executor.asked) == list(range(len(executor.asked)))
    assert len(executor.asked) <= chunks + slots


def test_more_jets_use_the_chunks_that_are_there():
    store = schedule.MemoryStore()
    _, _, chunks = run(6, 2, store)
    _, second, _ = run(20, 2, store)
    assert min(second.asked) >= chunks
    _, third, _ = run(6, 2, store)
    assert third.asked == []


def test_a_window_without_jets_ends(monkeypatch):
    empty = fake_chunk("w", OPTIONS, 0)
    monkeypatch.setattr(schedule, "generate_chunk", lambda *_: empty)
    monkeypatch.setattr(schedule, "require_generators", lambda: None)
    with pytest.raises(ValueError, match=r"12500 events .*500 ≤ pT < 600 GeV.*widen the window"):
        pythia.generate("w", 3, progress=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"process": "higgs"},
            r"Unknown process 'higgs': choose from qcd, quark, gluon, w, z, top",
        ),
        ({"n_jets": 0}, "n_jets as a whole number, 1 or more, but got 0"),
        ({"n_jets": 10.0}, "n_jets as a whole number"),
        ({"n_jets": True}, "n_jets as a whole number"),
        ({"pt": (600, 500)}, "pt as .lowest, highest. in GeV"),
        ({"pt": (500, 500)}, "pt as"),
        ({"pt": (-1, 500)}, "pt as"),
        ({"pt": 500}, "pt as"),
        ({"pt": (500, float("inf"))}, "pt as"),
        ({"pt": (7000, 8000)}, "a beam of 6500 GeV"),
        ({"radius": 0}, "radius as a number above 0"),
        ({"radius": "0.8"}, "radius as a number above 0"),
        ({"eta_max": -2}, "eta_max as a number above 0"),
        ({"pthat": (1.6, 0.8)}, "pthat as"),
        ({"pthat": (0, 1)}, "pthat as"),
        ({"pthat": (0.1, 0.2), "pt": (100, 1000), "shower": "no"}, "Unknown shower 'no'"),
        ({"pthat": (2.0, 2.1), "pt": (500, 501), "seed": -1}, "seed as a whole number, 0 or more"),
        ({"pthat": (1.5, 1.6), "pt": (500, 450)}, "pt as"),
        ({"workers": -1}, "workers as a whole number, 0 or more"),
        ({"events_per_chunk": 0}, "events_per_chunk"),
        ({"events_per_chunk": 100_000}, "at most 65536"),
        ({"settings": ("Bogus:key = 3",)}, "Pythia rejects the setting 'Bogus:key = 3'"),
        ({"settings": "Tune:pp = 99"}, "Pythia rejects the setting 'Tune:pp = 99'"),
        ({"settings": ("PhaseSpace:bias2Selection = on",)}, "use pthat='biased'"),
        ({"settings": ("PhaseSpace:bias2SelectionPow = 3",)}, "read with pthat='biased' only"),
        ({"settings": ("PhaseSpace:bias2SelectionPow = 0",), "pthat": "biased"}, "a power above 0"),
        ({"settings": ("UncertaintyBands:doVariations = on",)}, "use shower_variations="),
        ({"settings": ("Enhancements:doEnhance = on",)}, "weights, which may be negative"),
        ({"pthat": "slices"}, "'sliced', 'biased', a pair .* but got 'slices'"),
        (
            {"pthat": ((0.5, 0.7), (0.8, 1.6))},
            "a gap between the slice that ends at 0.7 and .* 0.8",
        ),
        ({"pthat": ((0.5, 0.8), (0.7, 1.6))}, "an overlap between"),
        ({"pthat": ((1.1, 1.6),)}, r"cover the pT window, .* got 1\.1 to 1\.6: jets .* missing"),
        ({"pthat": ((0.5, 0.9, 2),)}, "cover the pT window"),
        ({"pthat": ((0.5, 0.8, -2), (0.8, 1.6))}, "weight of the slice .* finite .* got -2"),
        ({"pthat": ((0.5, 0.8, float("inf")), (0.8, 1.6))}, "finite number above 0, but got inf"),
        ({"pthat": ((0.5, 0.8, 0), (0.8, 1.6))}, "but got 0"),
        ({"pthat": ((0.5, 1.5), (1.5, 1.6), (1.6, 1.2))}, "0 < low < high"),
        ({"pthat": ((0.5, 2.5), (2.5, 2.6)), "pt": (500, 480.5)}, "pt as"),
        ({"pthat": ((0.8, 0.5), (0.5, 1.6))}, "0 < low < high"),
        ({"tune": "cp6"}, "Unknown tune 'cp6'"),
        ({"tune": 99}, "Pythia's number of it from 1 to 33, but got 99"),
        ({"hadronization": "cluster"}, "Unknown hadronization 'cluster': choose from string"),
        ({"shower_variations": ("isr",)}, "Unknown shower variation 'isr'"),
        ({"shower_variations": True, "shower": "vincia"}, "Expected shower='simple'"),
        ({"settings": ("Random:seed = 3",)}, "use seed="),
        ({"settings": ("phaseSpace:pTHatMin=3",)}, "use pthat="),
    ],
)
def test_bad_input(arguments, message, tmp_path):
    asked = {"process": "w", "n_jets": 3, "progress": False, **arguments}
    options = {name: asked.pop(name) for name in OPTION_NAMES & set(asked)}
    for out in (None, tmp_path / "jets"):
        with pytest.raises(ValueError, match=message):
            pythia.generate(options=PythiaOptions(**options), out=out, **asked)
    assert not (tmp_path / "jets").exists()


def test_pythia_that_cannot_start_is_named():
    with pytest.raises(ValueError, match="Pythia could not start process 'w'"):
        pythia.generate("w", 1, PythiaOptions(settings=("Beams:idA = 13",)), progress=False)


@pytest.mark.parametrize("module", ["pythia8mc", "fastjet"])
def test_a_missing_package_names_the_extra(module, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(
        ModuleNotFoundError, match=rf"{module} .*pip install 'pyg-jets\[generate\]'"
    ):
        pythia.generate("w", 1, progress=False)
