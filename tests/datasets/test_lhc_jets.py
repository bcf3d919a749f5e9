"""What only the hls4ml jets have: archives, names of columns, published splits without a test."""

import shutil
import tarfile

import h5py
import numpy as np
import pytest

from pyg_jets.datasets.lhc_jets import LHCJets
from tests.datasets.layouts import lhc_jets as layout
from tests.datasets.layouts.jet_net import change


@pytest.fixture(scope="module")
def root(tmp_path_factory, layout_jets):
    root = tmp_path_factory.mktemp("lhc_jets")
    layout.write(root, layout_jets)
    return root


@pytest.fixture
def packed(root, tmp_path):
    """The archives as published, each with its folder, and nothing else."""
    (tmp_path / "raw").mkdir()
    for split in ("train", "val"):
        path = tmp_path / "raw" / f"hls4ml_LHCjet_30p_{split}.tar.gz"
        with tarfile.open(path, "w:gz") as tar:
            tar.add(root / "raw" / split, arcname=split)
    return tmp_path


def test_archives_are_unpacked_beside_themselves(packed, root):
    dataset = LHCJets(packed)
    np.testing.assert_array_equal(dataset._data.x.numpy(), LHCJets(root)._data.x.numpy())
    assert len(list((packed / "raw").glob("hls4ml_LHCjet_30p_*/*/jetImage_*.h5"))) == 3
    for path in (packed / "raw").glob("*.tar.gz"):
        path.unlink()
    assert len(LHCJets(packed, force_reload=True)) == len(dataset)


def test_one_split_needs_one_archive(packed):
    (packed / "raw" / "hls4ml_LHCjet_30p_train.tar.gz").unlink()
    assert len(LHCJets(packed, split="val")) == 11


def test_a_missing_archive_is_not_passed_over(packed, monkeypatch, tmp_path):
    monkeypatch.setenv("PYG_JETS_MIRROR", str(tmp_path / "nothing here"))
    (packed / "raw" / "hls4ml_LHCjet_30p_val.tar.gz").unlink()
    with pytest.raises((FileNotFoundError, ConnectionError), match=r"30p_val.tar.gz"):
        LHCJets(packed)


def test_archives_are_fetched(packed, monkeypatch, tmp_path):
    mirror = tmp_path / "mirror" / "record" / "3601436" / "files"
    mirror.mkdir(parents=True)
    for path in (packed / "raw").glob("*.tar.gz"):
        shutil.move(path, mirror / path.name)
    monkeypatch.setenv("PYG_JETS_MIRROR", (tmp_path / "mirror").as_uri())
    assert len(LHCJets(tmp_path / "new")) == 41


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "empty file"), (b"<!DOCTYPE html>", "HTML page"), (None, "cut short or broken")],
)
def test_broken_archives(packed, content, said):
    path = packed / "raw" / "hls4ml_LHCjet_30p_train.tar.gz"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content is None else content)
    with pytest.raises(ValueError, match=f"30p_train.tar.gz is .*{said}"):
        LHCJets(packed)
    path.write_bytes(whole)
    assert len(LHCJets(packed)) == 41


def test_an_archive_of_another_length(packed):
    raw = packed / "raw"
    (raw / "hls4ml_LHCjet_30p_val.tar.gz").rename(raw / "hls4ml_LHCjet_50p_val.tar.gz")
    with pytest.raises(ValueError, match=r"50p_val.tar.gz holds no file of 50 particles"):
        LHCJets(packed, split="val", num_particles=50)


def test_splits(root):
    train, val = LHCJets(root, split="train"), LHCJets(root, split="val")
    assert (len(train), len(val)) == (30, 11)
    whole = LHCJets(root)
    assert whole.get_split("val")._data.jet_id[-11:].tolist() == val._data.jet_id.tolist()
    with pytest.raises(ValueError, match=r"splits train, val, but 'test' is wanted.*splits='hash'"):
        LHCJets(root, split="test")
    parts = [LHCJets(root, split=s, splits="hash") for s in ("train", "val", "test")]
    assert sum(map(len, parts)) == 41


def test_columns_go_by_their_names(root, tmp_path):
    shutil.copytree(root / "raw", tmp_path / "raw")
    order = np.random.default_rng(3).permutation(16)
    for name in map(str, layout.FILES):
        name = name.format(layout.LENGTH)
        change(name, "jetConstituentList", lambda a: a[..., order])(tmp_path)
        change(name, "particleFeatureNames", lambda a: np.append(a[:16][order], a[16:]))(tmp_path)
    np.testing.assert_array_equal(LHCJets(tmp_path)._data.x.numpy(), LHCJets(root)._data.x.numpy())


def test_a_name_without_a_column_is_none(root, tmp_path):
    shutil.copytree(root / "raw", tmp_path / "raw")
    change(layout.FIRST, "jetConstituentList", lambda a: a[..., :3])(tmp_path)
    with pytest.raises(ValueError, match="no j1_e among the names of the 3 columns"):
        LHCJets(tmp_path)


def test_the_axis_is_the_published_one(root):
    names = ("etarel", "phirel", "ptrel", "erel", "deltar")
    dataset = LHCJets(root, split="val", features=names)
    assert dataset.jet_columns[:6] == (
        "reco_pt", "reco_eta", "reco_phi", "reco_mass", "reco_tau1", "reco_tau2",
    )  # fmt: skip
    with h5py.File(root / "raw" / "val" / "jetImage_7_30p_0_10000.h5") as file:
        of_jets, jets = file["jets"][:], file["jetConstituentList"][:]
    pt, eta, mass = of_jets[:, 1:4].T
    energy = np.hypot(mass, pt * np.cosh(eta))
    for j, data in enumerate(dataset):
        real = jets[j][jets[j, :, 5] > 0]
        ours = dict(zip(names, data.x.T.numpy(), strict=True))
        np.testing.assert_allclose(ours["etarel"], real[:, 7] - eta[j], atol=2e-6)
        np.testing.assert_allclose(ours["ptrel"], real[:, 5] / pt[j], rtol=1e-5)
        np.testing.assert_allclose(ours["erel"], real[:, 3] / energy[j], rtol=1e-5)
        total = real[:, :2].sum(0)
        turned = real[:, 10] - np.arctan2(total[1], total[0])
        turned = (turned + np.pi) % (2 * np.pi) - np.pi
        np.testing.assert_allclose(ours["phirel"], turned, atol=2e-6)
        np.testing.assert_allclose(ours["deltar"], np.hypot(ours["etarel"], turned), atol=3e-6)


def test_bad_arguments(tmp_path, root):
    with pytest.raises(ValueError, match="of 30, 50, 100, 150, as published, but got 40"):
        LHCJets(tmp_path, num_particles=40)
    with pytest.raises(ValueError, match="feature of LHCJets 'charge'"):
        LHCJets(root, features=["pt", "charge"])
