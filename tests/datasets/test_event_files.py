"""Events to jets from files: formats, parts, CMS candidates, and what is said of wrong ones."""

import gzip
import shutil
from math import inf

import awkward as ak
import h5py
import numpy as np
import pandas as pd
import pyhepmc
import pytest
import uproot

from pyg_jets import kinematics
from pyg_jets.datasets import EventFiles, LHCOlympics, PFNano, event_reader
from pyg_jets.io.cards import sample_path
from pyg_jets.io.frames import number_frame
from pyg_jets.io.hdf5 import open_hdf5
from pyg_jets.io.hepmc import read_hepmc
from tests.datasets.layouts.event_files import hepmc_event, write_hepmc
from tests.events.by_hand import by_hand, random_events

EVENTS = random_events(23)
LOW = {"radius": 0.8, "min_jet_pt": 20.0}
SAMPLES = {name: sample_path("pf_nano", name) for name in ("pfnano.root", "nano_tt_v15.root")}


def columns_of(events, names=("pt", "eta", "phi", "mass")):
    table = ak.unflatten(np.concatenate(events), [len(event) for event in events])
    return {name: table[..., i] for i, name in enumerate(names)}


def rows_of(events, room=90):
    table = np.zeros((len(events), room, 3))
    for row, event in zip(table, events, strict=True):
        row[: len(event)] = event[:, :3]
    return table.reshape(len(events), -1)


def is_by_hand(dataset, events, **options):
    """Whether the jets are those that FastJet finds by hand."""
    expected = by_hand(events, 0.8, pt=(20.0, inf), eta_max=2.5, **options)
    assert len(dataset) == len(expected) > len(events)
    assert dataset._data.event.tolist() == [jet[0] for jet in expected]
    pt = dataset.observables(dataset.level)["pt"]
    np.testing.assert_allclose(pt, [jet[1] for jet in expected], rtol=1e-6)
    assert dataset.slices["x"].diff().tolist() == [len(jet[-1]) for jet in expected]


class TestColumns:
    def test_parquet_with_a_prefix(self, tmp_path):
        columns = {f"Particle.{name}": v for name, v in columns_of(EVENTS).items()}
        columns["Particle.PID"] = ak.values_astype(211 * ak.ones_like(columns["Particle.pt"]), int)
        columns["Particle.charge"] = ak.ones_like(columns["Particle.pt"])
        rest = {
            "kind": np.arange(23) % 2,
            "w": np.linspace(0.5, 1, 23),
            "number": 5 * np.arange(23),
        }
        ak.to_parquet(ak.zip({**columns, **rest}, depth_limit=1), tmp_path / "events.parquet")
        dataset = EventFiles(
            tmp_path, tmp_path / "events.parquet", **LOW, label="kind", weight="w",
            jets={"event": "number"}, classes=("qcd", "new"), features=("pt", "charge", "pdgid"),
        )  # fmt: skip
        assert dataset.classes == ("qcd", "new")
        assert (dataset._data.event % 5 == 0).all()
        dataset._data.event = dataset._data.event // 5
        is_by_hand(dataset, EVENTS)
        event = dataset._data.event.numpy()
        np.testing.assert_array_equal(dataset._data.y, event % 2)
        np.testing.assert_allclose(dataset._data.weight, rest["w"][event], rtol=1e-6)
        assert set(dataset[0].x[:, 2].tolist()) == {211.0}
        assert dataset.jet_columns[:2] == ("reco_pt", "reco_eta")

    def test_lists_of_records_in_cartesian_momenta(self, tmp_path):
        pt, eta, phi, mass = np.concatenate(EVENTS).T
        p = dict(
            zip(("px", "py", "pz", "E"), kinematics.to_cartesian(pt, eta, phi, mass), strict=True)
        )
        counts = [len(event) for event in EVENTS]
        particles = ak.zip({name: ak.unflatten(v, counts) for name, v in p.items()})
        ak.to_parquet(ak.zip({"hadrons": particles}, depth_limit=1), tmp_path / "events.parquet")
        is_by_hand(EventFiles(tmp_path, tmp_path / "events.parquet", **LOW, level="gen"), EVENTS)

    def test_root_tree_and_classes_by_file(self, tmp_path):
        for name in ("a", "b"):
            with uproot.recreate(tmp_path / f"{name}.root") as file:
                columns = {f"part_{n}": v for n, v in columns_of(EVENTS).items()}
                file["tree"] = ak.zip(columns, depth_limit=1)
        files = {"qcd": tmp_path / "a.root", "top": tmp_path / "b.root"}
        dataset = EventFiles(tmp_path, files, **LOW)
        assert dataset.classes == ("qcd", "top")
        half = len(dataset) // 2
        assert dataset._data.y.tolist() == [0] * half + [1] * half
        first, second = dataset._data.event[:half], dataset._data.event[half:]
        assert not set(first.tolist()) & set(second.tolist())

    def test_columns_that_are_not_found(self, tmp_path):
        np.savez(tmp_path / "events.npz", X=np.ones((3, 4, 3)))
        with pytest.raises(ValueError, match="holds X, expected columns of particles called pt"):
            EventFiles(tmp_path, tmp_path / "events.npz")
        places = {name: ("X", i) for i, name in enumerate(("pt", "eta", "phi"))}
        dataset = EventFiles(tmp_path, tmp_path / "events.npz", min_jet_pt=1, columns=places)
        assert [data.num_nodes for data in dataset] == [4, 4, 4]

    def test_momenta_that_are_not_finite(self, tmp_path):
        columns = columns_of([np.array([[9, 0, 0, 0.0]]), np.array([[9, np.nan, 0, 0]])])
        ak.to_parquet(ak.zip(columns, depth_limit=1), tmp_path / "events.parquet")
        with pytest.raises(ValueError, match=r"events\.parquet: event 1 has a NaN"):
            EventFiles(tmp_path, tmp_path / "events.parquet", min_jet_pt=1)


class TestRows:
    @pytest.mark.parametrize("format", ["fixed", "table", "mixed", "array"])
    def test_formats(self, tmp_path, format):
        path = tmp_path / "events.h5"
        labels = np.arange(23) % 2
        frame = pd.DataFrame(np.column_stack((rows_of(EVENTS), labels)))
        if format == "mixed":
            frame[270] = frame[270].astype(int)
        if format == "array":
            with h5py.File(path, "w") as file:
                file["events"] = frame.to_numpy(np.float32)
        else:
            frame.to_hdf(path, key="df", format="table" if format == "table" else "fixed")
        with open_hdf5(path) as file:
            read = number_frame(file)
            np.testing.assert_allclose(read.rows(3, 9), frame.to_numpy()[3:9], rtol=1e-6)
        dataset = EventFiles(tmp_path, path, **LOW, classes=("qcd", "signal"))
        massless = [event * (1, 1, 1, 0) for event in EVENTS]
        is_by_hand(dataset, massless)
        assert dataset._data.y.tolist() == (dataset._data.event % 2).tolist()
        assert "y" not in EventFiles(tmp_path, path, **LOW)[0]

    def test_rows_without_a_label(self, tmp_path):
        pd.DataFrame(rows_of(EVENTS)).to_hdf(tmp_path / "box.h5", key="df")
        is_by_hand(
            EventFiles(tmp_path, tmp_path / "box.h5", **LOW),
            [event * (1, 1, 1, 0) for event in EVENTS],
        )
        with pytest.raises(
            ValueError, match=r"have 270 numbers, expected a multiple of 3, .* and a"
        ):
            EventFiles(tmp_path, tmp_path / "box.h5", **LOW, classes=("qcd", "signal"))

    def test_rows_of_another_width(self, tmp_path):
        pd.DataFrame(rows_of(EVENTS)[:, :269]).to_hdf(tmp_path / "box.h5", key="df")
        with pytest.raises(ValueError, match="the rows of 'df' have 269 numbers, expected a mult"):
            EventFiles(tmp_path, tmp_path / "box.h5")

    def test_several_frames(self, tmp_path):
        for key in ("df", "features"):
            pd.DataFrame(np.zeros((2, 3))).to_hdf(tmp_path / "box.h5", key=key)
        with pytest.raises(ValueError, match="holds df, features, expected one table of events"):
            EventFiles(tmp_path, tmp_path / "box.h5")

    def test_large_files_are_converted_in_parts(self, tmp_path, monkeypatch):
        pd.DataFrame(rows_of(EVENTS)).to_hdf(tmp_path / "box.h5", key="df")
        whole = EventFiles(tmp_path / "whole", tmp_path / "box.h5", **LOW)
        monkeypatch.setattr(event_reader, "_PART", 5)
        parts = EventFiles(tmp_path / "parts", tmp_path / "box.h5", **LOW)
        assert [file.rows for file in parts.raw_files()][-1] == (20, 23)
        assert not (whole._data.x != parts._data.x).any()
        for name in ("jet", "jet_id", "event", "split"):
            assert whole._data[name].tolist() == parts._data[name].tolist()


class TestHepMC:
    def momenta(self):
        for event in EVENTS:
            pt, eta, phi, mass = event.T
            p = kinematics.to_cartesian(pt, eta, phi, mass)
            yield np.column_stack((*p, mass, np.full(len(pt), 211)))

    @pytest.mark.parametrize(
        ("name", "format"),
        [("a.hepmc", "hepmc3"), ("a.hepmc.gz", "hepmc3"), ("a.hepmc.zst", "hepmc3"),
         ("a.hepmc2.gz", "hepmc2")],
    )  # fmt: skip
    def test_formats(self, tmp_path, name, format):
        write_hepmc(tmp_path / name, self.momenta(), format)
        dataset = EventFiles(tmp_path, tmp_path / name, **LOW, features=("pt", "charge", "pdgid"))
        is_by_hand(dataset, EVENTS)
        assert dataset.jet_columns[0] == "gen_pt"
        assert set(dataset._data.x[:, 1].tolist()) == {1.0}

    def test_an_event_without_particles_is_one(self, tmp_path):
        write_hepmc(tmp_path / "a.hepmc", self.momenta())
        text = (tmp_path / "a.hepmc").read_text()
        third, fourth = text.index("\nE 3 "), text.index("\nE 4 ")
        (tmp_path / "a.hepmc").write_text(f"{text[:third]}\nE 3 0 0\nU GEV MM{text[fourth:]}")
        counts = np.concatenate([np.diff(b.ptr) for b in read_hepmc(tmp_path / "a.hepmc", 4)])
        assert counts.tolist() == [0 if i == 3 else len(event) for i, event in enumerate(EVENTS)]
        later = next(read_hepmc(tmp_path / "a.hepmc", 4, start=9))
        assert later.start == 9
        assert np.diff(later.ptr).tolist() == [len(event) for event in EVENTS[9:13]]

    def test_units_nuclei_and_what_is_invisible(self, tmp_path):
        event = hepmc_event([(30, 0, 0, 30, 0, 1000022), (0, 40, 0, 50, 30, 1000020040)], 0)
        event.set_units(pyhepmc.Units.MEV, pyhepmc.Units.CM)
        with pyhepmc.open(tmp_path / "a.hepmc", "w") as file:
            file.write(event)
        (block,) = read_hepmc(tmp_path / "a.hepmc", 9)
        np.testing.assert_allclose(block.particles[:, 0], (30, 40))
        assert block.particles[:, 4].tolist() == [0, 2]
        (block,) = read_hepmc(tmp_path / "a.hepmc", 9, invisible=(12, 14, 16, 1000022))
        assert block.particles[:, 5].tolist() == [1000020040]

    def test_weights(self, tmp_path):
        with pyhepmc.open(tmp_path / "a.hepmc", "w") as file:
            for i, particles in enumerate(self.momenta()):
                file.write(hepmc_event(particles, i, {"nominal": i, "muR2": -1.0}))
        dataset = EventFiles(tmp_path, tmp_path / "a.hepmc", **LOW, weight="nominal")
        assert dataset._data.weight.tolist() == dataset._data.event.tolist()
        with pytest.raises(ValueError, match="no weight 'nom', its weights are 'nominal', 'muR2'"):
            EventFiles(tmp_path, tmp_path / "a.hepmc", **LOW, weight="nom")
        with pytest.raises(ValueError, match="has the weight -1 in 'muR2'"):
            EventFiles(tmp_path, tmp_path / "a.hepmc", **LOW, weight="muR2")

    @pytest.mark.parametrize("packed", [False, True])
    @pytest.mark.parametrize("share", [0.001, 0.3, 0.7, 0.99])
    def test_cut_short(self, tmp_path, packed, share, capfd):
        write_hepmc(tmp_path / "a.hepmc", self.momenta())
        content = (tmp_path / "a.hepmc").read_bytes()
        content = gzip.compress(content) if packed else content
        (tmp_path / "a.hepmc").write_bytes(content[: int(share * len(content))])
        with pytest.raises(ValueError, match=r"a\.hepmc is cut short.*, expected a whole HepMC"):
            list(read_hepmc(tmp_path / "a.hepmc", 4))
        assert "ERROR" not in "".join(capfd.readouterr())


class TestCandidates:
    """Fully simulated events of CMS; the oracle is the file's own list of candidates of a jet."""

    @staticmethod
    def jets_of(name):
        """(event, raw pt, eta, phi, pt of the sum of candidates) of each AK8 jet."""
        pfnano = name == "pfnano.root"
        table, links, index = (
            ("PFCands", "FatJetPFCands", "pFCandsIdx") if pfnano
            else ("PFCand", "FatJetPFCand", "pfCandIdx")
        )  # fmt: skip
        with uproot.open(SAMPLES[name]) as file:
            tree = file["Events"].arrays()
        for event in tree:
            weight = np.asarray(event["PFCands_puppiWeight"]) if pfnano else 1.0
            pt = np.asarray(event[f"{table}_pt"], float) * weight
            phi = np.asarray(event[f"{table}_phi"], float)
            for jet in range(len(event["FatJet_pt"])):
                own = np.asarray(event[f"{links}_{index}"])[event[f"{links}_jetIdx"] == jet]
                total = np.hypot((pt * np.cos(phi))[own].sum(), (pt * np.sin(phi))[own].sum())
                raw = event["FatJet_pt"][jet] * (1 - event["FatJet_rawFactor"][jet])
                yield (
                    int(event["event"]),
                    raw,
                    event["FatJet_eta"][jet],
                    event["FatJet_phi"][jet],
                    total,
                )

    @pytest.mark.parametrize(("name", "count"), [("pfnano.root", 24), ("nano_tt_v15.root", 64)])
    def test_candidates_sum_up_to_the_raw_jet(self, name, count):
        ratio = np.array([total / raw for _, raw, *_, total in self.jets_of(name)])
        assert len(ratio) == count
        assert (ratio > 0).sum() >= count - 2  # two jets of NanoAOD v15 have no candidates
        np.testing.assert_allclose(ratio[ratio > 0], 1, atol=0.003)

    @pytest.mark.parametrize("name", SAMPLES)
    def test_clustered_candidates_are_the_jets_of_the_file(self, name, tmp_path):
        dataset = EventFiles(tmp_path, SAMPLES[name], radius=0.8, min_jet_pt=100, eta_max=5)
        ours = dataset.observables("reco")
        expected = [jet for jet in self.jets_of(name) if jet[-1] > 0]
        close = 0
        for _, raw, eta, phi, _ in expected:
            far = kinematics.delta_r(ours["eta"], ours["phi"], float(eta), float(phi))
            nearest = int(far.argmin())
            close += far[nearest] < 0.01 and abs(ours["pt"][nearest] / raw - 1) < 0.003
        assert close == len(expected)
        for event in dataset._data.event.unique():
            assert len(set(dataset._data.split[dataset._data.event == event].tolist())) == 1

    def test_without_puppi_jets_are_harder(self, tmp_path):
        weighted, plain = (
            EventFiles(tmp_path, SAMPLES["pfnano.root"], min_jet_pt=1000, puppi=puppi)
            for puppi in (True, False)
        )
        assert len(plain) >= len(weighted)
        leading = [max(d.jet[0, 0].item() for d in part) for part in (weighted, plain)]
        assert leading[1] > 1.01 * leading[0]
        assert (
            plain.slices["x"].diff().float().mean() > 2 * weighted.slices["x"].diff().float().mean()
        )

    def test_pf_nano_reads_the_samples(self, tmp_path):
        pairs = PFNano(tmp_path, [SAMPLES["pfnano.root"]])
        assert pairs.pairs
        assert len(pairs) == 23
        assert len(PFNano(tmp_path, [SAMPLES["pfnano.root"]], pairs=False)) == 24
        v15 = PFNano(tmp_path, [SAMPLES["nano_tt_v15.root"]])
        assert len(v15) == 64
        assert (v15.slices["x"].diff() == 0).sum() == 2

    def test_nano_without_candidates(self, tmp_path):
        flat = {name: np.arange(3) for name in ("run", "luminosityBlock", "event")}
        with uproot.recreate(tmp_path / "nano.root") as file:
            file["Events"] = {**flat, "Jet_pt": ak.Array([[50.0], [], [60.0]])}
        with pytest.raises(ValueError, match=r"has no particle-flow candidates .* give a PFNano"):
            EventFiles(tmp_path, tmp_path / "nano.root")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"algorithm": "cone"}, "Unknown jet algorithm 'cone': choose from antikt, kt, ca"),
        ({"radius": -1}, "Expected radius as a number above 0"),
        ({"min_jet_pt": "x"}, "Expected pt as"),
        ({"level": "hlt"}, "Unknown level 'hlt': choose from gen, reco"),
        ({"label": "y"}, "is read as HDF5 rows, for which label= says nothing"),
    ],
)
def test_bad_arguments(tmp_path, arguments, said):
    pd.DataFrame(rows_of(EVENTS)).to_hdf(tmp_path / "box.h5", key="df")
    with pytest.raises(ValueError, match=said):
        EventFiles(tmp_path, tmp_path / "box.h5", **arguments)


def test_events_without_jets(tmp_path):
    pd.DataFrame(rows_of(EVENTS)).to_hdf(tmp_path / "box.h5", key="df")
    with pytest.raises(ValueError, match=r"leaves no jet of box\.h5"):
        EventFiles(tmp_path, tmp_path / "box.h5", min_jet_pt=5000)


def test_olympics_file_under_another_name(tmp_path):
    (tmp_path / "raw").mkdir()
    table = np.column_stack((rows_of(EVENTS, 700), np.arange(23) % 2))
    pd.DataFrame(table).to_hdf(tmp_path / "raw" / "few.h5", key="df")
    shutil.copy(tmp_path / "raw" / "few.h5", tmp_path / "raw" / "events_anomalydetection.h5")
    options = {"radius": 0.8, "min_jet_pt": 20}
    named, usual = (
        LHCOlympics(tmp_path, files="few.h5", **options),
        LHCOlympics(tmp_path, **options),
    )
    assert named.processed_dir != usual.processed_dir
    assert not (named._data.x != usual._data.x).any()
    assert max(LHCOlympics(tmp_path, max_jets=2, **options)._data.jet_id % 256) == 1
