"""The digits: real ones of the sample, ties, single digits, plain files."""

import gzip

import numpy as np
import pytest
import torch

from pyg_jets.datasets.sparse_mnist import SparseMNIST
from pyg_jets.io.cards import sample_path
from tests.datasets.layouts import sparse_mnist as layout


@pytest.fixture(scope="module")
def sample():
    with np.load(sample_path("sparse_mnist"), allow_pickle=False) as file:
        return file["images"], file["labels"]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("sparse_mnist")


@pytest.fixture
def full(tmp_path, layout_jets):
    layout.write(tmp_path, layout_jets)
    return tmp_path


@pytest.mark.parametrize("n_pixels", [25, 100])
def test_the_sample_agrees_with_a_choice_by_hand(root, sample, n_pixels):
    images, labels = sample
    dataset = SparseMNIST(root, n_pixels=n_pixels)
    assert len(dataset) == 10_000
    assert np.array_equal(dataset._data.y.numpy(), labels)
    counts = np.minimum((images > 0).sum((1, 2)), n_pixels)
    assert np.array_equal(np.diff(dataset.slices["x"].numpy()), counts)
    assert counts.min() < 100 or n_pixels == 25  # some digits have fewer, and are not padded
    for i in range(0, 10_000, 499):
        wanted = layout.points(images[i], n_pixels)
        np.testing.assert_allclose(dataset[i].x.numpy(), wanted, atol=1e-6)
    torch.testing.assert_close(dataset._data.pos, dataset._data.x[:, :2])


def test_a_digit_stands_upright(root, sample):
    """A seven has its bar above: the upper half is brighter on the left than the lower one."""
    dataset = SparseMNIST(root, n_pixels=None, digit=7)
    x, y, pt = dataset._data.x.double().numpy().T
    assert (pt * x)[y > 0.3].sum() / pt[y > 0.3].sum() < (pt * x).sum() / pt.sum() + 0.05
    wide = [np.ptp(d.x[d.x[:, 1] > 0.2, 0].numpy()) for d in dataset]
    narrow = [np.ptp(d.x[d.x[:, 1] < -0.2, 0].numpy()) for d in dataset if (d.x[:, 1] < -0.2).any()]
    assert np.mean(wide) > 1.5 * np.mean(narrow)


def test_one_digit_keeps_its_label_and_number(root, sample):
    dataset = SparseMNIST(root, digit=3)
    assert dataset.num_classes == 10
    assert set(dataset._data.y.tolist()) == {3}
    assert np.array_equal(dataset._data.jet_id.numpy(), np.flatnonzero(sample[1] == 3))


def test_without_intensity(root):
    with_it, without = SparseMNIST(root), SparseMNIST(root, intensity=False)
    assert without.columns == ("eta", "phi")
    assert torch.equal(without._data.x, with_it._data.x[:, :2])
    assert SparseMNIST(root, intensity=False, features=["pt"]).columns == ("pt",)


def test_the_split_of_a_digit_depends_on_nothing_else(root):
    splits = [
        SparseMNIST(root, **extra)._data.split
        for extra in ({}, {"n_pixels": 25}, {"intensity": False}, {"min_pt": 0.5})
    ]
    for other in splits[1:]:
        assert torch.equal(splits[0], other)
    shares = np.bincount(splits[0].numpy()) / 10_000
    np.testing.assert_allclose(shares, (0.7, 0.15, 0.15), atol=0.02)
    one = SparseMNIST(root, split="test", digit=5)
    whole = SparseMNIST(root, split="test")
    assert set(one.jet_id.tolist()) == set(whole.jet_id[whole.y == 5].tolist())


def test_brightest_first(root, sample):
    data = SparseMNIST(root, n_pixels=25, order="pt")[4]
    flat = sample[0][4].ravel().astype(int)
    chosen = np.argsort(-flat, kind="stable")[:25]
    np.testing.assert_allclose(data.x[:, 2].numpy(), flat[chosen] / 255, rtol=1e-6)
    np.testing.assert_allclose(data.x[:, 0].numpy(), -1 + 2 * (chosen % 28) / 27, atol=1e-6)


def test_published_splits_of_the_whole_set(full):
    train, test = (SparseMNIST(full, split, source="full") for split in ("train", "test"))
    assert (len(train), len(test)) == (25, 16)
    assert not set(train.jet_id.tolist()) & set(test.jet_id.tolist())
    with pytest.raises(ValueError, match="train, test, but 'val' is wanted"):
        SparseMNIST(full, "val", source="full")
    assert len(SparseMNIST(full, "val", source="full", splits="hash")) < 20


def test_unpacked_files_give_the_same(full):
    packed = SparseMNIST(full, source="full")
    for path in layout.images_path(full).parent.glob("*.gz"):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    plain = SparseMNIST(full, source="full", force_reload=True)
    assert torch.equal(packed._data.x, plain._data.x)


def test_missing_labels_are_fetched_too(full, monkeypatch, tmp_path):
    monkeypatch.setenv("PYG_JETS_MIRROR", str(tmp_path / "nothing"))
    layout.labels_path(full).unlink()
    with pytest.raises((FileNotFoundError, ConnectionError)):
        SparseMNIST(full, source="full")


@pytest.mark.parametrize("kind", ["images", "labels"])
def test_more_and_fewer_bytes_than_declared(full, kind):
    path = getattr(layout, f"{kind}_path")(full)
    raw = gzip.decompress(path.read_bytes())
    for changed, words in ((raw + b"\1", "longer than the 25 rows"), (raw[:-1], "cut short")):
        path.write_bytes(gzip.compress(changed))
        with pytest.raises(ValueError, match=f"{path.name} is {words}"):
            SparseMNIST(full, source="full")


@pytest.mark.parametrize("kind", ["images", "labels"])
def test_a_gzip_whose_checksum_is_wrong(full, kind):
    path = getattr(layout, f"{kind}_path")(full)
    raw = bytearray(path.read_bytes())
    raw[-6] ^= 1
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=f"{path.name} is cut short or damaged"):
        SparseMNIST(full, source="full")


def test_wrong_magic(full):
    path = layout.labels_path(full)
    path.write_bytes(gzip.compress(b"P5 28 28 255 " * 10))
    with pytest.raises(ValueError, match=r"train-labels.*it begins with b'P5 2'"):
        SparseMNIST(full, source="full")


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"digit": 10}, "digit from 0 to 9, or None, but got 10"),
        ({"digit": True}, "got True"),
        ({"n_pixels": 0}, "n_pixels of at least 1"),
        ({"source": "web"}, "'web': choose from sample, full"),
        ({"splits": "publisher"}, "'publisher': choose from hash"),
        ({"features": ["pdgid"]}, "'pdgid': choose from"),
    ],
)
def test_bad_arguments(root, extra, message):
    with pytest.raises(ValueError, match=message):
        SparseMNIST(root, **extra)
