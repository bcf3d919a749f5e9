"""What only the jet images have: pixels, their places, and the images themselves."""

import h5py
import numpy as np
import pytest
import torch
from torch_geometric.loader import DataLoader

from pyg_jets.datasets.jet_images import JetImages
from tests.datasets.layouts import jet_images as layout
from tests.datasets.layouts.jet_net import change, put
from tests.datasets.layouts.layout import per_jet
from tests.datasets.layouts.momenta import axes


@pytest.fixture(scope="module")
def root(tmp_path_factory, layout_jets):
    root = tmp_path_factory.mktemp("jet_images")
    layout.write(root, layout_jets)
    return root


def images(root):
    with h5py.File(root / "raw" / layout.FILE) as file:
        return file["image"][:]


def test_pixels_lie_where_the_particles_were(root, layout_jets):
    """The centre of pT of the pixels is that of the particles, within half a pixel."""
    dataset, axis = JetImages(root), axes(layout_jets)
    eta = layout_jets.column("eta") - axis["eta"]
    phi = (layout_jets.column("phi") - axis["phi"] + np.pi) % (2 * np.pi) - np.pi
    columns = (per_jet(value, layout_jets) for value in (eta, phi, layout_jets.column("pt")))
    for data, x, y, pt in zip(dataset, *columns, strict=True):
        inside = (np.abs(x) < 1.25) & (np.abs(y) < 1.25)
        for value, ours in ((x, data.pos[:, 0]), (y, data.pos[:, 1])):
            centre = (value * pt)[inside].sum() / max(pt[inside].sum(), 1)
            got = (ours * data.x[:, 0]).sum() / data.x[:, 0].sum().clamp_min(1)
            assert abs(centre - float(got)) < 0.05


def test_positions_are_those_of_the_features(root):
    data = JetImages(root)[0]
    assert data.pos.abs().max() <= 1.2 + 1e-6
    assert torch.equal(data.pos, data.x[:, 1:])


def test_images_come_along(root):
    dataset = JetImages(root, images=True)
    assert dataset[3].image.shape == (1, 25, 25)
    np.testing.assert_array_equal(dataset._data.image.numpy(), images(root))
    batch = next(iter(DataLoader(dataset[[4, 2]], batch_size=2)))
    np.testing.assert_array_equal(batch.image.numpy(), images(root)[[4, 2]])
    assert "image" not in JetImages(root)[0]


def test_images_of_the_jets_that_are_kept(root, tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / layout.FILE).write_bytes((root / "raw" / layout.FILE).read_bytes())
    change(layout.FILE, "image", put((1, 9, 9), -0.5))(tmp_path)
    kept = np.delete(np.arange(41), 1)
    dataset = JetImages(tmp_path, images=True, bad_jets="drop")
    np.testing.assert_array_equal(dataset._data.image.numpy(), images(root)[kept])
    light = JetImages(root, images=True, mass=(0.1, 60))
    chosen = light._data.jet_id.numpy()
    assert 0 < len(chosen) < 41
    np.testing.assert_array_equal(light._data.image.numpy(), images(root)[chosen])


def test_jet_columns_are_as_published(root):
    dataset = JetImages(root)
    assert dataset.jet_columns == (
        "reco_pt", "reco_eta", "reco_phi", "reco_mass",
        "reco_tau1", "reco_tau2", "reco_tau3", "subjet_delta_r",
    )  # fmt: skip
    with h5py.File(root / "raw" / layout.FILE) as file:
        names = ("jet_pt", "jet_eta", "jet_phi", "jet_mass",
                 "tau_1", "tau_2", "tau_3", "jet_delta_R")  # fmt: skip
        published = np.stack([file[name][:] for name in names], -1)
    np.testing.assert_array_equal(dataset._data.jet.numpy(), published)
    filled = (images(root) > 0).sum((1, 2))
    assert dataset._data.reco_multiplicity.tolist() == filled.tolist()


def test_windows_cut_at_the_published_pt(root):
    pt = JetImages(root)._data.jet[:, 0]
    low = float(pt[pt > 0].median())
    assert len(JetImages(root, pt=(low, 1e4))) == int(((pt >= low) & (pt < 1e4)).sum())


def test_dust_goes_with_a_cut(root, tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / layout.FILE).write_bytes((root / "raw" / layout.FILE).read_bytes())
    change(layout.FILE, "image", put((0, 0, slice(None)), 1e-10))(tmp_path)
    clean = JetImages(root)[0].num_nodes
    assert JetImages(tmp_path)[0].num_nodes == clean + 25
    assert JetImages(tmp_path, min_pt=2.7e-9)[0].num_nodes == clean


def test_images_of_another_size(root, tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / layout.FILE).write_bytes((root / "raw" / layout.FILE).read_bytes())
    change(layout.FILE, "image", lambda a: a[:, :20])(tmp_path)
    with pytest.raises(ValueError, match=r"\(41, 20, 25\), expected \(any, 25, 25\)"):
        JetImages(tmp_path)
