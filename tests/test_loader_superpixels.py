"""A data set of PyG's own, MNIST superpixels, fetched by its card and served by `JetLoader`."""

import shutil

import pytest
import torch
from torch_geometric.datasets import MNISTSuperpixels
from torch_geometric.loader import DataLoader

from pyg_jets import JetLoader
from pyg_jets.cli import main
from pyg_jets.io.cards import card_files
from pyg_jets.io.remote import MIRROR
from tests import superpixels
from tests.superpixels import N_GRAPHS

NAMES = ("x", "edge_index", "y", "pos")


@pytest.fixture(scope="module")
def fetched(tmp_path_factory):
    """A root to which the command fetched the published file, from a mirror on disk."""
    copies, root = tmp_path_factory.mktemp("copies"), tmp_path_factory.mktemp("superpixels")
    (file,) = card_files("mnist_superpixels")
    superpixels.write(copies / "datasets")
    assert file.url.endswith(f"/datasets/{file.name}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(MIRROR, str(copies))
        words = ["datasets", "fetch", "MNISTSuperpixels", "--root", str(root), "--quiet"]
        assert main(words) == 0
    return root


@pytest.fixture
def make(fetched, tmp_path, monkeypatch):
    """PyG's data set of the fetched file; whoever asks the network is refused."""

    def refuse(*_, **__):
        raise AssertionError("PyG asks the network although the file is there")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    shutil.copytree(fetched, tmp_path / "root")
    return lambda split, **options: MNISTSuperpixels(
        str(tmp_path / "root"), train=split == "train", **options
    )


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("split", N_GRAPHS)
def test_batches_are_those_of_pyg_to_the_bit(make, split, shuffle):
    dataset = make(split)
    assert len(dataset) == N_GRAPHS[split]
    ours = JetLoader(dataset, 4, shuffle, generator=torch.Generator().manual_seed(3))
    theirs = DataLoader(dataset, batch_size=4, sampler=ours.sampler)
    for mine, other in zip(ours, theirs, strict=True):
        assert set(mine.keys()) == set(other.keys()) == {*NAMES, "batch", "ptr"}
        for name in other.keys():  # noqa: SIM118
            assert mine[name].dtype == other[name].dtype
            assert torch.equal(mine[name], other[name])
        for i in range(mine.num_graphs):
            assert torch.equal(mine[i].edge_index, other[i].edge_index)
    assert ours._batches.is_gathered  # gathered, not collated graph by graph


def test_pre_filter_and_pre_transform(make):
    dataset = make("train", pre_filter=_has_few_edges, pre_transform=_shift)
    assert 0 < len(dataset) < N_GRAPHS["train"]
    loaders = (JetLoader(dataset, batch_size=5), DataLoader(dataset, batch_size=5))
    for mine, other in zip(*loaders, strict=True):
        for name in (*NAMES, "batch", "ptr"):
            assert torch.equal(mine[name], other[name])


def _has_few_edges(data):
    return data.num_edges < 1400


def _shift(data):
    data.pos = data.pos + 1
    return data
