"""The digits: real ones of the sample, ties, single digits, plain files."""

import gzip

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch, Data

from pyg_jets.datasets.sparse_mnist import SparseMNIST
from pyg_jets.io.cards import sample_path
from pyg_jets.loader import JetLoader
from pyg_jets.transforms import BrightestPixels
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
    dataset = SparseMNIST(root, n_pixels=n_pixels, ties="row")
    assert len(dataset) == 10_000
    assert np.array_equal(dataset._data.y.numpy(), labels)
    counts = np.minimum((images > 0).sum((1, 2)), n_pixels)
    assert np.array_equal(np.diff(dataset.slices["x"].numpy()), counts)
    assert counts.min() < 100 or n_pixels == 25  # some digits have fewer, and are not padded
    for i in range(0, 10_000, 499):
        wanted = layout.points(images[i], n_pixels)
        np.testing.assert_allclose(dataset[i].x.numpy(), wanted, atol=1e-6)
    torch.testing.assert_close(dataset._data.pos, dataset._data.x[:, :2])


@pytest.fixture(scope="module")
def drawn(root):
    return SparseMNIST(root, n_pixels=25)


def kept_pixels(dataset, i, images):
    """Which pixels of an image a graph has, ``[784]``, and whether they come in its order."""
    x, y, pt = dataset[i].x.double().numpy().T
    pixels = (np.rint((1 - y) * 13.5) * 28 + np.rint((1 + x) * 13.5)).astype(int)
    assert (np.diff(pixels) > 0).all()
    np.testing.assert_allclose(pt, images[i].ravel()[pixels] / 255, rtol=1e-6)
    return pixels


def test_ties_at_random_keep_what_is_brighter_and_draw_the_rest_evenly(drawn, sample):
    images, _ = sample
    bright = (images >= 253).sum((1, 2))
    assert (bright > 25).mean() == pytest.approx(0.70, abs=0.005)
    places, n_tied = [], 0
    for i in range(0, 10_000, 20):
        flat, kept = images[i].ravel().astype(int), kept_pixels(drawn, i, images)
        assert len(kept) == min(25, (flat > 0).sum())
        cut = np.sort(flat)[-25]
        assert set(np.flatnonzero(flat > cut)) <= set(kept)
        assert flat[kept].min() >= max(cut, 1)
        tied = np.flatnonzero(flat == cut)
        chosen = np.isin(tied, kept)
        if 0 < chosen.sum() < len(tied):
            # ranks of a draw without replacement have the mean of all ranks
            places.append(np.flatnonzero(chosen).mean() / (len(tied) - 1) - 0.5)
            n_tied += 1
    assert n_tied > 300
    assert abs(np.mean(places)) < 3 * np.std(places) / n_tied**0.5


def test_an_eight_keeps_its_lower_half(drawn, root, sample):
    images, labels = sample
    by_row = SparseMNIST(root, n_pixels=25, ties="row")
    shares = {}
    for name, dataset in (("random", drawn), ("row", by_row)):
        y = [dataset[i].x[:, 1] for i in np.flatnonzero(labels == 8)[:200]]
        shares[name] = float(np.mean([(one < 0).float().mean() for one in y]))
    ink = images[labels == 8] >= 253
    whole = ink[:, 14:].sum() / ink.sum()
    assert shares["random"] == pytest.approx(whole, abs=0.03)
    assert shares["row"] < whole - 0.15


def test_ties_depend_on_the_digit_alone(drawn, root):
    threes = SparseMNIST(root, "test", n_pixels=25, digit=3)
    places = {int(jet_id): i for i, jet_id in enumerate(drawn.jet_id)}
    for graph in list(threes)[:20]:
        assert torch.equal(graph.x, drawn[places[int(graph.jet_id)]].x)
    sets = [drawn, *(SparseMNIST(root, n_pixels=25, **more) for more in ({"ties": "row"}, {}))]
    folders = [dataset.processed_dir for dataset in sets]
    assert folders[0] != folders[1]
    assert folders[0] == folders[2]


def test_ties_are_drawn_anew_in_each_epoch(drawn, root):
    whole = SparseMNIST(root, n_pixels=None)
    draw = BrightestPixels(25)
    loader = JetLoader(whole[:300], 300, batch_transform=draw)
    first, second = next(iter(loader)), next(iter(loader))
    ours = Batch.from_data_list([drawn[i] for i in range(300)])
    for name in ("x", "pos", "ptr", "jet_id"):
        assert torch.equal(first[name], ours[name])  # those of the data set in epoch 0
    assert first.ptr.equal(second.ptr)
    assert 0.1 < (first.x != second.x).any(1).float().mean() < 0.95
    loader.set_epoch(0)
    assert next(iter(loader)).x.equal(first.x)
    # whatever the order and the company
    draw.set_epoch(1)
    assert draw(whole[7]).x.equal(second[7].x)
    fixed = draw.for_evaluation()
    fixed.set_epoch(5)
    assert fixed(whole[7]).x.equal(first[7].x)
    assert not BrightestPixels(25, seed=1)(whole[7]).x.equal(first[7].x)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BrightestPixels(0), "n_pixels of at least 1, but got 0"),
        (lambda: BrightestPixels(columns=["eta", "phi"]), "column of pixels 'pt'"),
        (lambda: BrightestPixels()(Data(x=torch.ones(3, 2))), "the columns eta, phi, pt of x"),
        (lambda: BrightestPixels()(Data(x=torch.ones(3, 3))), "digits with jet_id"),
    ],
)
def test_pixels_without_brightness_or_number(make, message):
    with pytest.raises(ValueError, match=message):
        make()


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
    data = SparseMNIST(root, n_pixels=25, order="pt", ties="row")[4]
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
        ({"ties": "file"}, "ties of SparseMNIST 'file': choose from random, row"),
        ({"splits": "publisher"}, "'publisher': choose from hash"),
        ({"features": ["pdgid"]}, "'pdgid': choose from"),
    ],
)
def test_bad_arguments(root, extra, message):
    with pytest.raises(ValueError, match=message):
        SparseMNIST(root, **extra)
