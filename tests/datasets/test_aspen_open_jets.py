"""What only Aspen Open Jets have: events, tracks without a measurement, many files."""

import h5py
import numpy as np
import pytest

from pyg_jets.datasets.aspen_open_jets import AspenOpenJets, event_numbers
from pyg_jets.datasets.splits import assign_splits
from tests.datasets.layouts import aspen_open_jets as layout


@pytest.fixture(scope="module")
def root(tmp_path_factory, layout_jets):
    root = tmp_path_factory.mktemp("aspen")
    layout.write(root, layout_jets)
    return root


def test_jets_of_an_event_never_part(root):
    dataset = AspenOpenJets(root)
    events, splits = dataset._data.event.numpy(), dataset._data.split.numpy()
    assert (events >= 0).all()
    assert len(set(events[:21])) == 11
    assert events[20] == events[21]  # of two files
    np.testing.assert_array_equal(splits, assign_splits(events, (0.7, 0.15, 0.15)))
    parts = [AspenOpenJets(root, split=split) for split in ("train", "val", "test")]
    assert sum(map(len, parts)) == 41


def test_each_of_the_three_numbers_counts():
    info = np.array([[1, 2, 3], [2, 2, 3], [1, 3, 3], [1, 2, 4], [2, 1, 3], [1, 2, 3 + 2**32]])
    assert len(set(event_numbers(info).tolist())) == 6
    assert (event_numbers(info.astype(np.int32)) == event_numbers(info))[:5].all()
    assert event_numbers(info[:0]).shape == (0,)


def test_jet_columns(root):
    dataset = AspenOpenJets(root, files=layout.FIRST)
    assert dataset.jet_columns == (
        "reco_pt", "reco_eta", "reco_phi", "reco_mass", "reco_softdrop_mass",
        "reco_tau1", "reco_tau2", "reco_tau3", "reco_tau4",
    )  # fmt: skip
    with h5py.File(root / "raw" / layout.FIRST) as file:
        kinematics, tagging = file["jet_kinematics"][:], file["jet_tagging"][:]
    np.testing.assert_array_equal(dataset._data.jet[:, [0, 1, 2, 4]].numpy(), kinematics)
    np.testing.assert_array_equal(dataset._data.jet[:, 5:].numpy(), tagging[:, 1:5])
    assert "y" not in dataset[0]
    assert dataset.num_classes == 0


def test_tracks_and_kinds(root):
    names = ("d0", "dz", "charge", "pdgid", "puppiweight", "pdgid_onehot")
    dataset = AspenOpenJets(root, files=layout.SECOND, features=names)
    with h5py.File(root / "raw" / layout.SECOND) as file:
        rows = file["PFCands"][:]
    rows = rows[rows[..., 3] > 0]
    np.testing.assert_array_equal(dataset._data.x[:, :5].numpy(), rows[:, [4, 6, 8, 9, 10]])
    charged, photon = rows[:, 8] != 0, rows[:, 9] == 22
    kinds = dict(zip(dataset.columns[5:], dataset._data.x[:, 5:].T.numpy(), strict=True))
    np.testing.assert_array_equal(kinds["isphoton"], photon)
    lepton = np.isin(np.abs(rows[:, 9]), (11, 13))
    np.testing.assert_array_equal(kinds["ischargedhadron"], charged & ~lepton)
    np.testing.assert_array_equal(kinds["isneutralhadron"], ~charged & ~photon)


def test_an_unmeasured_track_matters_where_it_is_asked_for(root):
    with pytest.raises(ValueError, match=r"RunG_batch0.h5: jet 0 has a NaN.*d0err = nan"):
        AspenOpenJets(root, features=["pt", "d0err"])
    assert len(AspenOpenJets(root, features=["pt", "d0"])) == 41


def test_relative_coordinates_take_the_published_axis(root):
    data = AspenOpenJets(root, files=layout.FIRST)[2]
    _, eta, phi = data.jet[0, :3].double()
    np.testing.assert_allclose(data.pos[:, 0], data.x[:, 1].double() - eta, atol=1e-6)
    turned = (data.x[:, 2].double() - phi + np.pi) % (2 * np.pi) - np.pi
    np.testing.assert_allclose(data.pos[:, 1], turned, atol=1e-6)


def test_files_keep_their_number(root):
    whole = AspenOpenJets(root)
    second = AspenOpenJets(root, files=[layout.SECOND])
    assert whole._data.jet_id[21:].tolist() == second._data.jet_id.tolist()
    turned = AspenOpenJets(root, files=[layout.SECOND, layout.FIRST])
    assert turned._data.jet_id[:20].tolist() == second._data.jet_id.tolist()
    assert whole.content_hash == AspenOpenJets(root, files=list(layout.FILES)).content_hash


def test_a_file_more_is_another_data_set(root, tmp_path):
    (tmp_path / "raw").mkdir()
    for name, size in ((layout.FIRST, 21), (layout.SECOND, 41)):
        (tmp_path / "raw" / name).write_bytes((root / "raw" / name).read_bytes())
        assert len(AspenOpenJets(tmp_path)) == size


def test_which_files_would_be_fetched(root, tmp_path, monkeypatch):
    monkeypatch.setenv("PYG_JETS_MIRROR", str(tmp_path / "nothing here"))
    with pytest.raises((FileNotFoundError, ConnectionError), match=r"RunG_batch7.h5"):
        AspenOpenJets(tmp_path, files=["RunG_batch7.h5"])
    with pytest.raises((FileNotFoundError, ConnectionError), match=r"RunG_batch0.h5"):
        AspenOpenJets(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"mine.h5, and nothing says where"):
        AspenOpenJets(tmp_path, files=["mine.h5"])


def test_bad_arguments(root):
    with pytest.raises(ValueError, match="at least one file"):
        AspenOpenJets(root, files=[])
    with pytest.raises(ValueError, match="may be named once"):
        AspenOpenJets(root, files=[layout.FIRST, layout.FIRST])
