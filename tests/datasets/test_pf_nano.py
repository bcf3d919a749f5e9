"""PFNano: versions of the files, pairs, events, and which files are meant."""

import logging

import awkward as ak
import numpy as np
import pytest
import torch
from torch.utils.data import Subset
from torch_geometric.loader import DataLoader

from pyg_jets import JetArray, JetLoader
from pyg_jets.columns import CANONICAL
from pyg_jets.datasets.pf_nano import PFNano, PFNanoReader
from pyg_jets.datasets.reader import RawFile
from tests.datasets.layouts import pf_nano as layout


@pytest.fixture
def write(tmp_path, layout_jets):
    """Write one file of some version, after an edit of its tables."""

    def make(version="PFNano", edit=lambda arrays: None, name="nano.root", **options):
        arrays = layout.events(layout_jets, version, **options)
        edit(arrays)
        layout.save(tmp_path / "raw" / name, arrays)
        return tmp_path

    return make


def kind(version):
    return "AK4" if "AK4" in version else "AK8"


def flat(path, level, version="PFNano"):
    return [jet for jets in layout.by_hand(path, level, version) for jet in jets]


def same(mine, theirs):
    assert mine.shape == theirs.shape
    np.testing.assert_allclose(mine.numpy(), theirs, rtol=1e-6)


@pytest.mark.parametrize("version", layout.VERSIONS)
def test_pairs_of_every_version(write, version, layout_jets, caplog):
    root = write(version)
    with caplog.at_level(logging.WARNING):
        dataset = PFNano(root, jets=kind(version))
    assert dataset.pairs
    assert dataset.level == "gen"
    path = root / "raw" / "nano.root"
    gen, reco = flat(path, "gen", version), flat(path, "reco", version)
    kept = [j for j in range(len(gen)) if j % 5 != 3 and len(gen[j])]
    assert len(dataset) == len(kept) < len(gen) == len(layout_jets)
    for data, j in zip(dataset, kept, strict=True):
        same(data.x, gen[j])
        same(data.x_target, reco[j])
        assert data.pos_target.shape == (len(reco[j]), 2)
    assert f"{len(gen) - len(kept)} of {len(gen)} jets have no generator jet" in caplog.text


@pytest.mark.parametrize("version", layout.VERSIONS)
def test_candidates_of_every_version(write, version):
    root = write(version)
    dataset = PFNano(root, jets=kind(version), pairs=False)
    assert dataset.level == "reco"
    assert dataset.columns == CANONICAL
    found = flat(root / "raw" / "nano.root", "reco", version)
    for data, jet in zip(dataset, found, strict=True):
        same(data.x, jet)
        assert "x_target" not in data


def test_names_in_any_case_and_odd_branches(write):
    def edit(arrays):
        for name in list(arrays):
            arrays[name.upper()] = arrays.pop(name)
        arrays["words"] = ak.Array(["a", "bc"])[np.arange(len(arrays["EVENT"])) % 2]

    root = write(edit=edit)
    assert len(PFNano(root)) == len(PFNano(root, pairs=True)) > 20


def test_candidates_in_the_link_table_itself(write):
    """As the first versions had them."""

    def edit(arrays):
        cands, link = arrays.pop("PFCands"), arrays.pop("FatJetPFCands")
        link = link[(link["pFCandsIdx"] >= 0) & (link["jetIdx"] >= 0)]
        own = cands[link["pFCandsIdx"]]
        names = ("pt", "eta", "phi", "mass")
        arrays["FatJetPFCands"] = ak.zip({"jetIdx": link["jetIdx"], **{n: own[n] for n in names}})

    whole = PFNano(write(), pairs=False)
    other = PFNano(write(edit=edit, name="other.root"), files="other.root", pairs=False)
    assert other.columns == CANONICAL[:4]
    for one, two in zip(whole, other, strict=True):
        assert torch.equal(one.x[:, :4], two.x)


def test_what_is_optional_may_be_missing(write):
    def edit(arrays):
        arrays["PFCands"] = arrays["PFCands"][["pt", "eta", "phi"]]
        arrays["FatJet"] = arrays["FatJet"][["pt", "eta", "phi"]]
        for name in ("run", "luminosityBlock"):
            del arrays[name]

    root = write(edit=edit, gen=False)
    dataset = PFNano(root)
    assert not dataset.pairs
    assert dataset.columns == ("pt", "eta", "phi")
    assert dataset.jet_columns[:3] == ("reco_pt", "reco_eta", "reco_phi")
    assert "event" in dataset[0]
    with pytest.raises(ValueError, match="'charge'"):
        PFNano(root, features=["pt", "charge"])


def test_without_numbers_of_events_splits_go_by_jet(write):
    def edit(arrays):
        for name in ("run", "luminosityBlock", "event"):
            del arrays[name]

    root = write(edit=edit)
    dataset = PFNano(root, pairs=False)
    assert "event" not in dataset[0]
    parts = [len(dataset.get_split(name)) for name in ("train", "val", "test")]
    assert sum(parts) == len(dataset) > max(parts)


def test_jets_of_an_event_never_part(write):
    dataset = PFNano(write(), pairs=False)
    event, split = dataset._data.event.numpy(), dataset._data.split.numpy()
    assert (event >= 0).all()
    assert 1 < len(np.unique(event)) < len(event)
    for number in np.unique(event):
        assert len(set(split[event == number])) == 1
    place = dataset._data.jet_id.numpy()
    assert len(np.unique(place)) == len(dataset)
    assert len(np.unique(place // 256)) == len(np.unique(event))


@pytest.mark.parametrize("pairs", [False, True])
def test_chunks_do_not_matter_and_resume_exactly(write, pairs):
    path = write() / "raw" / "nano.root"
    reader = PFNanoReader("AK8", pairs).like(path)
    read = lambda start, size: list(reader.chunks(RawFile(path, 0), CANONICAL, start, size, False))  # noqa: E731
    joined = [
        np.concatenate([c.jets.particles for c in chunks]) for chunks in (read(0, 8), read(0, 4096))
    ]
    assert np.array_equal(*joined)
    chunks = read(0, 12)
    again = read(chunks[2].stop, 12)
    assert [c.stop for c in again] == [c.stop for c in chunks[3:]]
    for one, two in zip(chunks[3:], again, strict=True):
        assert one.jets.equals(two.jets)
        if pairs:
            assert one.target.equals(two.target)
            assert np.array_equal(one.target.ids, one.jets.ids)


def test_jet_columns(write, layout_jets):
    root = write()
    reco = PFNano(root, pairs=False)
    assert reco.jet_columns == (
        "reco_pt", "reco_eta", "reco_phi", "reco_mass", "reco_softdrop_mass",
        "reco_tau1", "reco_tau2", "reco_tau3", "reco_tau4",
    )  # fmt: skip
    assert reco.observables("reco")["softdrop_mass"].tolist() == [80] * len(layout_jets)
    pairs = PFNano(root)
    assert pairs.jet_columns[:5] == ("gen_pt", "gen_eta", "gen_phi", "gen_mass", "reco_pt")
    ratio = pairs.observables("reco")["pt"] / pairs.observables("gen")["pt"]
    assert ((ratio > 0.7) & (ratio < 0.95)).all()
    counts = [len(data.x_target) for data in pairs]
    assert pairs.observables("reco")["multiplicity"].tolist() == counts


def test_selection_acts_on_both_sets_and_windows_on_gen(write):
    root = write()
    pairs = PFNano(root, max_particles=5, order="pt", features=["pt"])
    for data in pairs:
        for x in (data.x, data.x_target):
            assert len(x) <= 5
            assert (x[1:] <= x[:-1]).all()
    pt = np.sort(pairs.observables("gen")["pt"])
    low, high = float(pt[5]), float(pt[-5])
    some = PFNano(root, pt=(low, high), pairs=True)
    assert len(some) == ((pt >= low) & (pt < high)).sum()
    assert {len(some._data[name]) for name in ("jet", "jet_id", "event")} == {len(some)}


def test_puppi_weights_are_given_for_candidates_only(write):
    root = write()
    data = PFNano(root, pairs=False, features=["pt", "puppiweight", "d0", "etarel"])[0]
    assert ((data.x[:, 1] >= 0) & (data.x[:, 1] <= 1)).all()
    with pytest.raises(ValueError, match="'puppiweight'"):
        PFNano(root, features=["pt", "puppiweight"])


@pytest.mark.parametrize("wrap", [lambda dataset: dataset, lambda d: Subset(d, range(len(d)))])
def test_a_loader_gathers_pairs(write, wrap):
    dataset = PFNano(write())
    batch = next(iter(JetLoader(wrap(dataset), batch_size=7)))
    assert torch.equal(batch.x_target, torch.cat([dataset[i].x_target for i in range(7)]))
    counts = [len(dataset[i].x_target) for i in range(7)]
    assert batch.x_target_batch.bincount(minlength=7).tolist() == counts
    assert batch.x_target_ptr.diff().tolist() == counts
    theirs = next(iter(DataLoader(dataset, batch_size=7, follow_batch=["x_target"])))
    assert batch.keys() == theirs.keys()
    assert "x_target_batch" not in next(iter(JetLoader(wrap(dataset), 7, follow_batch=[])))


@pytest.mark.parametrize(("attribute", "level"), [("x", "gen"), ("x_target", "reco")])
def test_a_batch_goes_back_to_awkward(write, attribute, level):
    dataset = PFNano(write())
    batch = next(iter(JetLoader(dataset, batch_size=len(dataset))))
    jets = JetArray.from_pyg(batch, dataset.columns, dataset.jet_columns, attribute)
    array = jets.to_awkward()
    by_hand = ak.Array([data[attribute][:, 0].tolist() for data in dataset])
    assert ak.all(array.constituents.pt == by_hand)
    assert ak.num(array.constituents).to_list() == array[f"{level}_multiplicity"].to_list()
    assert np.allclose(array[f"{level}_pt"], dataset.observables(level)["pt"])
    assert array.event.to_list() == dataset._data.event.tolist()
    assert JetArray.from_awkward(array).columns == dataset.columns
    with pytest.raises(ValueError, match=r"no x_target_ptr.*follow_batch=\['x_target'\]"):
        JetArray.from_pyg(next(iter(DataLoader(dataset, 4))), dataset.columns, (), "x_target")


def test_bad_jets_are_dropped_from_both_sets(write):
    root = write(edit=layout.put("PFCands", "pt", np.nan))
    with pytest.raises(ValueError, match="has a NaN"):
        PFNano(root)
    dataset = PFNano(root, bad_jets="drop")
    whole = PFNano(write(name="whole.root"), files=["whole.root"])
    ids = set(whole._data.jet_id.tolist())
    lost = ids - set(dataset._data.jet_id.tolist())
    assert lost
    assert {number // 256 for number in lost} == {2}
    for data in dataset:
        match = whole[whole._data.jet_id.tolist().index(int(data.jet_id))]
        assert torch.equal(data.x, match.x)
        assert torch.equal(data.x_target, match.x_target)


@pytest.mark.parametrize("lost", ["GenCands", "GenFatJetCands", "GenJetAK8"])
def test_pairs_of_files_without_are_refused(write, lost):
    root = write(edit=lambda arrays: arrays.pop(lost))
    with pytest.raises(ValueError, match=rf"nano.root.* no gen AK8 jets .* no .*{lost}_"):
        PFNano(root, pairs=True)
    assert not PFNano(root).pairs


def test_pairs_without_a_match_are_refused(write):
    root = write(edit=layout.without("FatJet", "genJetAK8Idx"))
    with pytest.raises(ValueError, match=r"no branch 'FatJet_genJetAK8Idx'.*pairs=False"):
        PFNano(root, pairs=True)


def test_the_other_jets_are_refused_by_name(write):
    with pytest.raises(ValueError, match=r"no reco AK4 jets .* no Jet_pt.*choose other jets="):
        PFNano(write(), jets="AK4")
    with pytest.raises(ValueError, match="'AK15': choose from AK8, AK4"):
        PFNano(write(), jets="AK15")


def test_which_files_are_meant(write, tmp_path, monkeypatch):
    root = write(name="a.root")
    write(name="b.root", seed=9)
    write(name="c.txt")
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    names = lambda files: [path.name for path in PFNano(root, files, pairs=False).files]  # noqa: E731
    assert names(None) == ["a.root", "b.root"]
    assert names(["b.root", "a.root", "*.root"]) == ["b.root", "a.root"]
    assert names(str(root / "raw" / "b.root")) == ["b.root"]
    assert names("../raw/a*") == ["a.root"]
    two = PFNano(root, ["b.root", "a.root"], pairs=False)
    assert set((two._data.jet_id >> 32).tolist()) == {0, 1}
    for files in (["a.root", "lost.root"], "lost*.root"):
        with pytest.raises(FileNotFoundError, match="There is no file lost"):
            PFNano(root, files)
    with pytest.raises(FileNotFoundError, match="names none"):
        PFNano(root, [])
    with pytest.raises(FileNotFoundError, match=r"There is no .root file in"):
        PFNano(tmp_path / "other")


def test_a_changed_file_is_converted_again(write, layout_jets):
    root = write()
    first = PFNano(root, pairs=False)
    layout.save(root / "raw" / "nano.root", layout.events(layout_jets[:10]))
    second = PFNano(root, pairs=False)
    assert len(second) == 10
    assert first.content_hash != second.content_hash


def test_a_window_that_leaves_nothing(write):
    with pytest.raises(ValueError, match=r"leaves no jet of nano.root"):
        PFNano(write(), pt=(1e6, 2e6))
