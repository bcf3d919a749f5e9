"""JetClass: which files are used, what is in the columns, and how archives come in."""

import tarfile

import awkward as ak
import numpy as np
import pytest
import uproot

from pyg_jets.datasets import jet_class
from pyg_jets.datasets.jet_class import JetClass
from pyg_jets.datasets.reader import RawFile
from tests.datasets.layouts import jet_class as layout


@pytest.fixture
def root(tmp_path, layout_jets):
    layout.write(tmp_path, layout_jets)
    return tmp_path


def branches(root, name):
    return np.concatenate([ak.flatten(a[name], axis=None).to_numpy() for a in layout.trees(root)])


def test_kinds_tracks_and_charge_are_those_of_the_file(root):
    names = {"charge": "charge", "d0": "d0val", "d0err": "d0err", "dz": "dzval", "dzerr": "dzerr"}
    names |= {n.lower(): n for n in ("isChargedHadron", "isNeutralHadron", "isPhoton", "isMuon")}
    dataset = JetClass(root, features=[*names, "iselectron"])
    for i, name in enumerate(names.values()):
        assert np.array_equal(dataset._data.x[:, i].numpy(), branches(root, f"part_{name}"))
    kinds = JetClass(root, features="pdgid_onehot")._data.x
    assert (kinds.sum(1) == 1).all()


def test_relative_coordinates_are_not_mirrored(root):
    dataset = JetClass(root, features=["etarel", "phirel"])
    sign = [
        np.repeat(np.sign(a["jet_eta"].to_numpy()), ak.num(a["part_px"]))
        for a in layout.trees(root)
    ]
    mirrored = dataset._data.x[:, 0].numpy() * np.concatenate(sign)
    np.testing.assert_allclose(mirrored, branches(root, "part_deta"), atol=2e-6)
    np.testing.assert_allclose(dataset._data.x[:, 1], branches(root, "part_dphi"), atol=2e-6)
    assert (np.concatenate(sign) < 0).any()


def test_jet_columns_are_those_of_the_file(root):
    dataset = JetClass(root)
    assert dataset.jet_columns == (
        "reco_pt", "reco_eta", "reco_phi", "reco_mass", "reco_softdrop_mass",
        "reco_tau1", "reco_tau2", "reco_tau3", "reco_tau4",
    )  # fmt: skip
    found = dataset.observables("reco")
    for name, branch in (("pt", "pt"), ("softdrop_mass", "sdmass"), ("tau3", "tau3")):
        assert np.array_equal(found[name], branches(root, f"jet_{branch}"))
    p = np.hypot(
        branches(root, "jet_pt"), branches(root, "jet_pt") * np.sinh(branches(root, "jet_eta"))
    )
    mass = np.sqrt(np.maximum(branches(root, "jet_energy").astype(float) ** 2 - p**2, 0))
    np.testing.assert_allclose(found["mass"], mass, atol=0.5)
    assert dataset.classes == layout.CLASSES


def test_publishers_splits(root, layout_jets):
    parts = {split: JetClass(root, split=split) for split in ("train", "val", "test")}
    assert sum(map(len, parts.values())) == len(layout_jets)
    whole = JetClass(root)
    for split, part in parts.items():
        assert part._data.jet_id.tolist() == whole.get_split(split).jet_id.tolist()
    assert len(set(whole._data.jet_id.tolist())) == len(whole)


def test_ids_do_not_depend_on_what_else_is_there(root):
    before = JetClass(root, split="val")._data.jet_id.tolist()
    (root / "raw" / layout.FILES[0]).unlink()
    assert JetClass(root, split="val", force_reload=True)._data.jet_id.tolist() == before


def test_a_few_files_in_any_folder_do(tmp_path, layout_jets):
    arrays = layout.tree(layout_jets[:8])
    for name in ("mine/JetClass_Pythia_val_5M/a/HToBB_120.root", "some.root", "deep/er/some.root"):
        layout.save(tmp_path / "raw" / name, arrays)
    assert len(JetClass(tmp_path, split="val")) == 8
    assert len(JetClass(tmp_path)) == 24
    assert len(set(JetClass(tmp_path)._data.jet_id.tolist())) == 24
    assert len(JetClass(tmp_path, files="some.root")) == 16
    assert len(JetClass(tmp_path, files=["deep/*"])) == 8
    some = JetClass(tmp_path, "train", splits="hash")
    assert 0 < len(some) < 24
    with pytest.raises(FileNotFoundError, match=r"none of the split test .*splits='hash'"):
        JetClass(tmp_path, split="test")
    with pytest.raises(FileNotFoundError, match=r"matches HToCC_\*"):
        JetClass(tmp_path, files="HToCC_*")


def test_more_files_are_noticed_and_none_is_no_harm(root, layout_jets):
    assert len(JetClass(root, split="val")) == 10
    layout.save(root / "raw/val_5M/HToCC_120.root", layout.tree(layout_jets[:3]))
    assert len(JetClass(root, split="val")) == 13
    for path in (root / "raw").rglob("*.root"):
        path.unlink()
    assert len(JetClass(root, split="val")) == 13


def test_chunks_resume_exactly(root):
    path = root / "raw" / layout.FILES[0]
    reader, part = jet_class.JetClassReader(), RawFile(path, 3)
    whole = list(reader.chunks(part, ("px", "d0"), 0, 3, False))
    again = list(reader.chunks(part, ("px", "d0"), whole[1].stop, 3, False))
    assert [c.stop for c in again] == [c.stop for c in whole[2:]]
    for one, two in zip(whole[2:], again, strict=True):
        assert one.jets.equals(two.jets)


def test_flags_of_any_kind(tmp_path, layout_jets):
    """The published flags are numbers in some branches, and truth values in others."""
    arrays = layout.tree(layout_jets)
    for name, kind in (("label_QCD", np.float32), ("label_Hbb", np.int32)):
        arrays[name] = arrays[name].astype(kind)
    layout.save(tmp_path / "raw" / "train_100M" / "x.root", arrays)
    assert JetClass(tmp_path)._data.y.tolist() == (layout_jets.labels % 10).tolist()


@pytest.mark.parametrize(("name", "value"), [("label_Tbl", False), ("label_Hcc", np.nan)])
def test_no_class_or_half_of_one(tmp_path, layout_jets, name, value):
    arrays = layout.tree(layout_jets)
    arrays[name] = arrays[name].astype(np.float32)
    arrays[name][9] = value
    layout.save(tmp_path / "raw" / "train_100M" / "x.root", arrays)
    with pytest.raises(ValueError, match=r"jet 9 has the labels .*expected one of 10 to be 1"):
        JetClass(tmp_path)


class TestArchives:
    """Published archives, with files of a folder each."""

    @pytest.fixture
    def server(self, tmp_path, layout_jets, monkeypatch):
        """A folder of small archives in place of the publisher, which may break off."""
        source = tmp_path / "source"
        layout.write(source, layout_jets)
        asked = []

        def fetch(files, folder):
            for number, file in enumerate(files):
                if (folder / file.name).exists():
                    continue
                asked.append(file.name)
                if len(asked) == self.breaks_at:
                    raise ConnectionError("cut off")
                split = next(s for s in ("train", "val", "test") if s in file.name)
                with tarfile.open(folder / file.name, "w") as tar:
                    for path in sorted((source / "raw").glob(f"{split}*/*.root")):
                        tar.add(path, f"{path.parent.name}/{path.stem[:-3]}{number:03d}.root")
            return [folder / file.name for file in files]

        self.breaks_at = 0
        monkeypatch.setattr(jet_class, "fetch", fetch)
        return asked

    def test_are_fetched_once_and_unpacked(self, tmp_path, server):
        assert len(JetClass(tmp_path, split="val")) == 10
        assert server == ["JetClass_Pythia_val_5M.tar"]
        assert len(JetClass(tmp_path, split="test")) == 10
        JetClass(tmp_path, split="val", force_reload=True)
        assert len(server) == 2

    def test_a_fetch_that_broke_off_is_no_small_set(self, tmp_path, server):
        self.breaks_at = 4
        with pytest.raises(ConnectionError):
            JetClass(tmp_path, split="train")
        assert not list((tmp_path / "raw").rglob("*.root"))
        dataset = JetClass(tmp_path, split="train")
        assert len(dataset) == 10 * 21
        assert len(set(dataset._data.jet_id.tolist())) == len(dataset)

    def test_one_archive_is_enough(self, tmp_path, server):
        raw = tmp_path / "raw"
        raw.mkdir()
        first = jet_class.card_files("jet_class", split="train")[:2]
        jet_class.fetch(first[:1], raw)
        assert len(JetClass(tmp_path, split="train")) == 21
        jet_class.fetch(first, raw)
        assert len(JetClass(tmp_path, split="train")) == 42
        assert len(server) == 2

    def test_what_was_unpacked_by_hand_is_not_unpacked_again(self, tmp_path, server):
        raw = tmp_path / "raw"
        raw.mkdir()
        (archive,) = jet_class.fetch(jet_class.card_files("jet_class", split="val"), raw)
        with tarfile.open(archive) as tar:
            tar.extractall(raw, filter="data")
        assert len(JetClass(tmp_path, split="val")) == 10
        with uproot.open(next(raw.rglob("*.root"))) as file:
            assert file["tree"].num_entries == 10
