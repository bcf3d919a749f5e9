"""The superpixel graphs: as PyG's own class reads them, through our storage and loader."""

import pickle
import re
import zipfile

import pytest
import torch
from torch_geometric.datasets import MNISTSuperpixels as PyGSuperpixels
from torch_geometric.loader import DataLoader

from pyg_jets import JetLoader
from pyg_jets.datasets.mnist_superpixels import MNISTSuperpixels
from tests.datasets.superpixels import N_GRAPHS, graphs, write
from tests.io.broken import spoil

NAMES = ("x", "edge_index", "y", "pos")


@pytest.fixture
def root(tmp_path):
    write(tmp_path)
    return tmp_path


@pytest.fixture
def peer(tmp_path_factory):
    def make(split, **options):
        folder = tmp_path_factory.mktemp("pyg")
        write(folder, packed=False)
        return PyGSuperpixels(str(folder), train=split == "train", **options)

    return make


@pytest.mark.parametrize("split", N_GRAPHS)
def test_items_are_those_of_pyg_to_the_bit(root, peer, split):
    ours, theirs = MNISTSuperpixels(root, split), peer(split)
    assert len(ours) == len(theirs) == N_GRAPHS[split]
    for mine, other in zip(ours, theirs, strict=True):
        assert set(other.keys()) == set(NAMES)
        assert set(mine.keys()) == {*NAMES, "jet_id", "split"}
        for name in NAMES:
            assert mine[name].dtype == other[name].dtype
            assert torch.equal(mine[name], other[name])


@pytest.mark.parametrize("split", N_GRAPHS)
def test_loader_gathers_the_batches_of_pyg(root, peer, split):
    loader = JetLoader(MNISTSuperpixels(root, split), batch_size=4)
    for mine, other in zip(loader, DataLoader(peer(split), batch_size=4), strict=True):
        for name in (*NAMES, "batch", "ptr"):
            assert torch.equal(mine[name], other[name])
        for i in range(mine.num_graphs):
            assert torch.equal(mine[i].edge_index, other[i].edge_index)
    assert loader._source.is_flat  # gathered, not collated graph by graph


def test_pre_filter_and_pre_transform_as_in_pyg(root, peer):
    how = {"pre_filter": _few_edges, "pre_transform": _shift}
    ours, theirs = MNISTSuperpixels(root, "train", **how), peer("train", **how)
    assert 0 < len(ours) == len(theirs) < N_GRAPHS["train"]
    for mine, other in zip(ours, theirs, strict=True):
        for name in NAMES:
            assert torch.equal(mine[name], other[name])
    with pytest.raises(ValueError, match="leaves no jet"):
        MNISTSuperpixels(root, pre_filter=lambda data: False)


def _few_edges(data):
    return data.num_edges < 1400


def _shift(data):
    data.pos = data.pos + 1
    return data


def test_splits_and_numbers(root):
    whole = MNISTSuperpixels(root)
    assert repr(whole) == "MNISTSuperpixels(32)"
    assert whole.num_classes == 10
    assert whole.jet_id.tolist() == list(range(32))
    for split in N_GRAPHS:
        one = MNISTSuperpixels(root, split)
        assert one.jet_id.tolist() == whole.get_split(split).jet_id.tolist()
    with pytest.raises(ValueError, match="'val': choose from train, test"):
        MNISTSuperpixels(root, "val")


def test_pickles_as_its_path(root):
    dataset = MNISTSuperpixels(root, "test")
    raw = pickle.dumps(dataset)
    assert len(raw) < 5000
    assert torch.equal(pickle.loads(raw)[2].edge_index, dataset[2].edge_index)


def test_leaves_nothing_but_the_flat_files(root):
    dataset = MNISTSuperpixels(root)
    left = [p.name for p in (root / "processed").iterdir() if p.suffix != ".lock"]
    assert left == [dataset.content_hash]
    assert [p.name for p in (root / "raw").iterdir()] == ["MNISTSuperpixels.zip"]
    (root / "raw" / "MNISTSuperpixels.zip").unlink()
    assert len(MNISTSuperpixels(root)) == 32  # once processed, the raw file is not needed


@pytest.mark.parametrize("new", [True, False])
def test_takes_the_file_that_pyg_left(root, tmp_path_factory, new):
    other = tmp_path_factory.mktemp("left")
    write(other, packed=False, _use_new_zipfile_serialization=new)
    ours, theirs = MNISTSuperpixels(other), MNISTSuperpixels(root)
    assert torch.equal(ours._data.edge_index, theirs._data.edge_index)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(
    ("way", "said"), [("empty", "empty"), ("truncated", "cut short"), ("html", "HTML")]
)
def test_broken_files(tmp_path, way, said, packed):
    path = write(tmp_path, packed=packed)
    content = spoil(path, way)
    with pytest.raises(ValueError, match=rf"{re.escape(path.name)}.*{said}"):
        MNISTSuperpixels(tmp_path)
    assert not list(tmp_path.glob("processed/[!.]*/meta.json"))
    path.write_bytes(content)  # once it is mended all is well
    assert len(MNISTSuperpixels(tmp_path)) == 32


def test_missing_file(tmp_path, monkeypatch):
    monkeypatch.setenv("PYG_JETS_MIRROR", str(tmp_path / "nothing here"))
    with pytest.raises((FileNotFoundError, ConnectionError)):
        MNISTSuperpixels(tmp_path / "data")


def test_an_archive_without_the_file(tmp_path):
    path = write(tmp_path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "moved")
    with pytest.raises(ValueError, match=r"expected a file that ends in MNISTSuperpixels\.pt"):
        MNISTSuperpixels(tmp_path)


def _put(name, value):
    def change(content):
        content[1][3][name] = value(content[1][3][name])

    return change


def _without_pos(content):
    del content[1][3]["pos"]


def _nan(values):
    values = values.clone()
    values[5] = float("nan")
    return values


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_without_pos, "has x, edge_index, y, expected x, edge_index, y, pos"),
        (_put("x", lambda x: x.long()), "has x of int64 .* expected floating-point"),
        (_put("x", _nan), "has a NaN or an infinite x"),
        (_put("pos", _nan), "has a NaN or an infinite pos"),
        (_put("pos", lambda pos: pos[:70]), "has 70 rows of pos, expected 75"),
        (_put("x", lambda x: x[:, 0]), r"has x of float32 and shape \[75\]"),
        (_put("edge_index", lambda e: e + 3), "edges from 3 to 77, expected nodes from 0 to 74"),
        (_put("y", lambda y: y + 30), "has the label 3"),
        (_put("y", lambda y: torch.tensor([1, 2])), r"has y of int64 and shape \[2\]"),
    ],
)
def test_wrong_content(tmp_path, change, said):
    content = graphs()
    change(content)
    path = write(tmp_path, content)
    with pytest.raises(ValueError, match=rf"{re.escape(path.name)}: graph 3 of test .*{said}"):
        MNISTSuperpixels(tmp_path)
    assert not list(tmp_path.glob("processed/[!.]*/meta.json"))


@pytest.mark.parametrize("content", [[[]], {"x": torch.ones(3)}, [1, 2]])
def test_other_lists(tmp_path, content):
    write(tmp_path, content)
    with pytest.raises(ValueError, match="expected a list of the graphs of train and of those"):
        MNISTSuperpixels(tmp_path)


class _Harmful:
    def __reduce__(self):
        return print, ("this must not run",)


def test_no_pickle_is_run(tmp_path, capsys):
    write(tmp_path, [[_Harmful()], []])
    with pytest.raises(ValueError, match="holds more than tensors"):
        MNISTSuperpixels(tmp_path)
    assert capsys.readouterr().out == ""
