"""What only JetNet has: kinds in the order asked, two lengths, jets without an azimuth."""

import h5py
import numpy as np
import pytest

from pyg_jets.datasets.jet_net import JetNet
from tests.datasets.layouts import jet_net as layout


@pytest.fixture(scope="module")
def root(tmp_path_factory, layout_jets):
    root = tmp_path_factory.mktemp("jet_net")
    layout.write(root, layout_jets)
    layout.write(root, layout_jets, length=150)
    return root


def test_labels_follow_the_types_asked(root):
    dataset = JetNet(root, jet_types=("q", "g"))
    assert dataset.classes == ("q", "g")
    assert dataset.num_classes == 2
    kinds = [layout.of_kind(root / "raw" / f"{kind}.hdf5") for kind in "qg"]
    assert dataset._data.y.tolist() == [0] * len(kinds[0]) + [1] * len(kinds[1])
    np.testing.assert_array_equal(dataset[0].x.numpy(), kinds[0][0])


def test_a_jet_keeps_its_id_and_its_split(root):
    one, other = JetNet(root, jet_types="q"), JetNet(root, jet_types=("t", "q"))
    chosen = other._data.y == 1
    assert other._data.jet_id[chosen].tolist() == one._data.jet_id.tolist()
    assert other._data.split[chosen].tolist() == one._data.split.tolist()


def test_jet_columns_are_as_published(root):
    dataset = JetNet(root, jet_types="t")
    with h5py.File(root / "raw" / "t.hdf5") as file:
        published = file["jet_features"][:]
    assert dataset.jet_columns == ("gen_pt", "gen_eta", "gen_mass")
    np.testing.assert_array_equal(dataset._data.jet.numpy(), published[:, :3])
    assert dataset._data.gen_multiplicity.tolist() == published[:, 3].tolist()


def test_longer_files(root):
    long = JetNet(root, jet_types="g", num_particles=150)
    short = JetNet(root, jet_types="g")
    assert max(data.num_nodes for data in long) > 30 == max(data.num_nodes for data in short)
    cut = JetNet(root, jet_types="g", num_particles=150, max_particles=30)
    np.testing.assert_array_equal(cut._data.x.numpy(), short._data.x.numpy())


def test_files_of_the_other_length_are_refused(tmp_path, layout_jets):
    layout.write(tmp_path, layout_jets, length=150)
    (tmp_path / "raw" / "g150.hdf5").rename(tmp_path / "raw" / "g.hdf5")
    with pytest.raises(ValueError, match=r"g.hdf5.* 150, 4\), expected \(any, 30, 4\)"):
        JetNet(tmp_path, jet_types="g")


def test_what_follows_from_the_jet_can_be_had(root):
    names = ("pt", "eta", "pz", "deltar", "logpt", "erel")
    dataset = JetNet(root, jet_types="g", features=names, min_pt=1.0, pt=(400, 700))
    data = dataset[0]
    relative = layout.of_kind(root / "raw" / "g.hdf5")[int(data.jet_id)].astype(float)
    pt, eta, mass = data.jet[0, :3].double().numpy()
    kept = relative[relative[:, 2] * pt >= 1]
    ours = dict(zip(names, data.x.T.numpy(), strict=True))
    np.testing.assert_allclose(ours["pt"], kept[:, 2] * pt, rtol=1e-5)
    np.testing.assert_allclose(ours["pz"], ours["pt"] * np.sinh(ours["eta"]), rtol=1e-4)
    np.testing.assert_allclose(ours["deltar"], np.hypot(kept[:, 0], kept[:, 1]), rtol=1e-5)
    energy = np.hypot(mass, pt * np.cosh(eta))
    np.testing.assert_allclose(ours["erel"], ours["pt"] * np.cosh(ours["eta"]) / energy, rtol=1e-4)


@pytest.mark.parametrize("name", ["px", "py", "phi", "mass", "rapidity", "charge"])
def test_what_needs_an_azimuth_is_refused_by_name(root, name):
    with pytest.raises(ValueError, match=f"feature of JetNet '{name}'"):
        JetNet(root, features=["ptrel", name])


def test_a_mask_of_another_kind_is_refused(tmp_path, layout_jets):
    layout.write(tmp_path, layout_jets)
    layout.change("g.hdf5", "particle_features", layout.put((1, 3, 3), 0.5))(tmp_path)
    with pytest.raises(ValueError, match=r"mask of particle 3 of jet 1 is 0.5, expected 0 or 1"):
        JetNet(tmp_path)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"jet_types": ("g", "higgs")}, "jet type of JetNet 'higgs': choose from g, q, t, w, z"),
        ({"jet_types": ("g", "g")}, "may be named once"),
        ({"jet_types": ()}, "at least one jet type"),
        ({"num_particles": 50}, "of 30 or 150, as published, but got 50: use max_particles="),
        ({"splits": "publisher"}, "choose from hash"),
    ],
)
def test_bad_arguments(tmp_path, extra, message):
    with pytest.raises(ValueError, match=message):
        JetNet(tmp_path, **extra)
