"""JetLoader hands out PyG's batches to the bit, whatever the data set and the sampler."""

import copy
import pickle
import warnings

import numpy as np
import pytest
import torch
from torch.utils.data import (
    BatchSampler,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from torch_geometric.data import Data, InMemoryDataset
from torch_geometric.loader import DataLoader

from pyg_jets.loader import JetLoader
from tests.batches import GATHERED, SHAPES, dataset_of, in_memory, same_batch


def compare(dataset, *args, shuffle=False, **kwargs):
    """Both loaders on the same graphs, batch by batch."""
    make = {k: kwargs.pop(k) for k in list(kwargs) if callable(kwargs[k])}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Unable to accurately infer 'num_nodes'")
        warnings.filterwarnings("ignore", message="JetLoader leaves")
        made = {k: v() for k, v in make.items()}
        loader = JetLoader(dataset, *args, shuffle=shuffle, **kwargs, **made)
        ours = list(loader)
        made = {k: v() for k, v in make.items()} | ({"sampler": loader.sampler} if shuffle else {})
        theirs = list(DataLoader(dataset, *args, **kwargs, **made))
    assert len(ours) == len(theirs) > 0
    for one, other in zip(ours, theirs, strict=True):
        same_batch(one, other)
    return ours


def is_gathered(dataset):
    loader = JetLoader(dataset, 2)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="JetLoader leaves")
        iter(loader)
    return loader._batches.is_gathered


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [1, 3, 7])
def test_every_shape_of_data(shape, size):
    dataset = dataset_of(shape)
    compare(dataset, size, shuffle=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert is_gathered(dataset) == (shape in GATHERED)


@pytest.mark.parametrize("shape", SHAPES)
def test_follow_and_exclude(shape):
    dataset = dataset_of(shape)
    compare(dataset, 3, follow_batch=["x", "x_target", "edge_index", "y"])
    if shape != "hetero":  # of which PyG's batches do not come apart then
        compare(dataset, 3, exclude_keys=["x", "y", "num_nodes", "edge_attr"])


@pytest.mark.parametrize("shape", sorted(GATHERED))
def test_without_kernels(shape, monkeypatch):
    monkeypatch.setenv("PYG_JETS_KERNELS", "0")
    compare(dataset_of(shape), 3, shuffle=True, follow_batch=["x"])


@pytest.mark.parametrize(
    "subset",
    [
        lambda d: d[2:6],
        lambda d: d[[4, 1, 1]],
        lambda d: d[torch.tensor([True, False] * 3 + [True])],
        lambda d: d[::-1],
        lambda d: d[1:][[3, 0]][1:],
        lambda d: Subset(d, [3, 0, 5]),
        lambda d: Subset(d, torch.tensor([3, 0, 5])),
        lambda d: Subset(d, np.array([-1, 0, 5])),
        lambda d: Subset(Subset(d, range(6, 0, -1)), [-1, 1]),
        lambda d: Subset(d[[6, 5, 4, 3]], [0, 3, 1]),
        lambda d: d.copy([2, 0, 1]),
        lambda d: d.shuffle(),
    ],
)
def test_subsets(subset):
    dataset = subset(dataset_of("edges"))
    assert is_gathered(dataset)
    compare(dataset, 2, shuffle=True)


def seeded(seed=3):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    "options",
    [
        {"shuffle": True},
        {"shuffle": True, "drop_last": True},
        {"drop_last": True},
        {"shuffle": True, "generator": lambda: seeded()},
        {"sampler": lambda: SubsetRandomSampler([1, 3, 5, 6, 2], seeded())},
        {"sampler": lambda: WeightedRandomSampler([1.0] * 7, 11, generator=seeded())},
        {"sampler": lambda: RandomSampler(range(7), True, num_samples=9, generator=seeded())},
        {"sampler": lambda: [0, -1, np.int64(2), torch.tensor(3)]},
    ],
)
def test_samplers(options):
    compare(dataset_of("jets"), 3, **options)


def test_batch_samplers():
    dataset = dataset_of("jets")
    compare(dataset, batch_sampler=lambda: BatchSampler(SequentialSampler(range(7)), 3, True))
    compare(dataset, batch_sampler=lambda: [[0, 1], (2,), np.array([3, -1]), torch.tensor([4, 4])])
    shuffled = lambda: RandomSampler(range(7), generator=seeded())  # noqa: E731
    compare(dataset, None, sampler=lambda: BatchSampler(shuffled(), 3, False))


def order(loader):
    """The graphs of an iteration, in order."""
    return torch.cat([batch.jet_id for batch in loader]).tolist()


@pytest.mark.parametrize("shape", ["jets", "strings"], ids=["gathered", "left to PyG"])
@pytest.mark.filterwarnings("ignore:JetLoader leaves:UserWarning")
def test_the_order_is_a_function_of_seed_and_epoch(shape):
    dataset = dataset_of(shape)
    for i, graph in enumerate(graphs := list(dataset)):
        graph.jet_id = torch.tensor([i])
    dataset = in_memory(graphs)
    loader, same, other = (JetLoader(dataset, 2, True, generator=seeded(s)) for s in (3, 3, 4))
    orders = [order(loader) for _ in range(4)]
    assert len(set(map(tuple, orders))) == 4
    assert all(sorted(each) == list(range(7)) for each in orders)
    assert order(other) != orders[0]
    for epoch in (3, 0, 2):
        same.set_epoch(epoch)
        assert order(same) == order(same) == orders[epoch]
    first, second = iter(same), iter(same)  # which draw in turn, each in its own order
    same.set_epoch(1)
    drawn = [next(first), next(second)]
    assert [b.jet_id.tolist() for b in drawn] == [orders[1][:2]] * 2


def test_the_seed_is_drawn_when_the_loader_is_made():
    dataset = dataset_of("jets")
    orders = set()
    for seed in (5, 5, 6):
        torch.manual_seed(seed)
        for _ in range(2):  # a loader made anew for each epoch gives other orders too
            loader = JetLoader(dataset, 7, shuffle=True)
            state = torch.get_rng_state()
            orders.add(tuple(order(loader)))
            assert torch.equal(torch.get_rng_state(), state)  # to iterate draws nothing
    assert len(orders) == 4
    state = torch.get_rng_state()
    list(JetLoader(dataset, 2))
    assert torch.equal(torch.get_rng_state(), state)


class OwnGet(InMemoryDataset):
    """Doubles the features when a graph is taken."""

    def get(self, idx):
        data = super().get(idx)
        data.x = 2 * data.x
        return data


def test_what_is_left_to_pyg():
    dataset = dataset_of("jets")
    own = in_memory([dataset[i] for i in range(4)], OwnGet)
    one = in_memory([dataset[0]])
    moved = dataset.copy()
    moved._data.x = torch.randn(6, len(moved._data.x)).T  # not contiguous
    for other, reason in (
        (own, r"OwnGet\(4\) .*: OwnGet has a method get of its own"),
        (one, r"InMemoryDataset\(1\) .*: it has fewer than two graphs"),
        (moved, r"InMemoryDataset\(7\) .*: its attribute 'x' is not contiguous"),
        (list(dataset), r"list\(7\) .*: a list is no InMemoryDataset"),
        (Subset(own, [1, 0]), r"OwnGet\(4\) .*: OwnGet has a method get of its own"),
    ):
        assert not is_gathered(other)
        compare(other, 2)
        with pytest.warns(UserWarning, match=rf"JetLoader leaves {reason}"):
            iter(JetLoader(other, 2))


REASONS = {
    "bool index": "its attribute 'is_index' is an index of torch.bool",
    "guessed nodes": "number of nodes of its graphs can only be guessed",
    "strings": "its attribute 'name' is a list, not a plain tensor",
    "lists": "its attribute 'parts' is a list, not a plain tensor",
    "dict": "its attribute '.*' is a dict, not a plain tensor",
    "own inc": "has a method __inc__ of its own",
    "batch key": "has a name to which PyG gives a meaning",
    "hetero": "its graphs are HeteroData, not Data",
}


@pytest.mark.parametrize("shape", sorted(set(SHAPES) - set(GATHERED)))
def test_the_reason_is_said(shape):
    with pytest.warns(UserWarning, match=REASONS[shape]):
        iter(JetLoader(dataset_of(shape), 2))


def test_the_reason_is_said_once():
    dataset = dataset_of("jets")
    dataset.transform = double
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loader = JetLoader(dataset, 3)
        for _ in range(3):
            list(loader)
    (warning,) = caught
    assert "its transform is applied to single graphs" in str(warning.message)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")  # as Python does by itself
        for _ in range(3):
            list(JetLoader(dataset, 3))
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(JetLoader(dataset_of("jets"), 3))


def double(data):
    """A transform of one graph."""
    data.x = 2 * data.x
    return data


def test_transform_set_between_iterations():
    dataset = dataset_of("jets")
    loader = JetLoader(dataset, 7)
    plain = next(iter(loader)).x
    dataset.transform = double
    with pytest.warns(UserWarning, match="JetLoader leaves .* its transform"):
        assert torch.equal(next(iter(loader)).x, 2 * plain)
    dataset.transform = None
    dataset._data.x = 3 * dataset._data.x
    assert torch.equal(next(iter(loader)).x, 3 * plain)
    dataset._data_list = None  # what PyG took apart before
    compare(dataset, 3)


def test_batches_are_batches():
    dataset = dataset_of("edges")
    ours, theirs = (next(iter(cls(dataset, 5))) for cls in (JetLoader, DataLoader))
    for use in (
        lambda b: pickle.loads(pickle.dumps(b)),
        copy.copy,
        copy.deepcopy,
        lambda b: b.to(torch.device("cpu")).clone(),
        lambda b: b.contiguous(),
    ):
        same_batch(use(ours), use(theirs))
    assert repr(ours) == repr(theirs)
    assert (ours.num_graphs, ours.num_nodes, len(ours)) == (5, theirs.num_nodes, 5)
    assert [len(d.x) for d in ours[torch.tensor([2, 0])]] == [5, 3]
    assert ours.to("meta").x.is_meta


def test_batches_own_their_memory():
    dataset = dataset_of("jets")
    before = dataset._data.clone()
    first, second = JetLoader(dataset, 4)
    kept = second.x.clone()
    first.x.zero_()
    first.ptr.zero_()
    first.y.fill_(9)
    assert first._slice_dict["x"][-1] == 9
    assert torch.equal(second.x, kept)
    assert all(torch.equal(before[k], dataset._data[k]) for k in before.keys())  # noqa: SIM118


def test_large_batches_go_over_threads(monkeypatch):
    monkeypatch.setattr("pyg_jets.loader.assemble._MIN_PARTICLES_FOR_THREADS", 0)
    monkeypatch.setattr("pyg_jets.ops.kernel.MIN_PARTICLES_PER_THREAD", 1)
    compare(dataset_of("edges"), 7, shuffle=True)


def test_batch_transform():
    dataset = dataset_of("jets")

    def transform(batch):
        batch.extra = batch.num_graphs
        return batch

    assert [b.extra for b in JetLoader(dataset, 3, batch_transform=transform)] == [3, 3, 1]
    strings = JetLoader(dataset_of("strings"), 3, batch_transform=transform)
    with pytest.warns(UserWarning, match="JetLoader leaves"):
        assert [b.extra for b in strings] == [3, 3, 1]


@pytest.mark.parametrize("index", [[7], [-8], [0, 99]])
def test_missing_graph(index):
    with pytest.raises(IndexError, match="Expected graphs from 0 to 6"):
        list(JetLoader(dataset_of("jets"), batch_sampler=[index]))


class Stream(IterableDataset):
    """Has neither a length nor an index."""

    def __iter__(self):
        return iter(())


def test_bad_input():
    dataset = dataset_of("jets")
    with pytest.raises(TypeError, match="batch_transform as a function of a batch, but got int"):
        JetLoader(dataset, batch_transform=3)
    with pytest.raises(TypeError, match="IterableDataset Stream: use"):
        JetLoader(Stream())
    with pytest.raises(IndexError, match="empty batch"):
        list(JetLoader(dataset, batch_sampler=[[]]))
    with pytest.raises(TypeError, match="float"):
        list(JetLoader(dataset, batch_sampler=[[0.5]]))
    with pytest.raises(ValueError, match="batch_size"):
        JetLoader(dataset, 0)
    with pytest.raises(ValueError, match="mutually exclusive"):
        JetLoader(dataset, sampler=[1], shuffle=True)


def test_memory_mapped(tmp_path):
    dataset = dataset_of("edges")
    torch.save((dataset._data.to_dict(), dataset.slices), tmp_path / "data.pt")
    values, slices = torch.load(tmp_path / "data.pt", mmap=True, weights_only=True)
    mapped = InMemoryDataset()
    mapped.data, mapped.slices = Data.from_dict(values), slices
    assert is_gathered(mapped)
    for one, other in zip(JetLoader(mapped, 3), DataLoader(dataset, 3), strict=True):
        same_batch(one, other)


@pytest.mark.parametrize("n", [0, 1, 7, 8])
@pytest.mark.parametrize("processes", [1, 2, 3])
def test_shares_have_every_sample_once(n, processes):
    from pyg_jets.loader import Share

    shares = [Share(range(n), processes, rank) for rank in range(processes)]
    assert sorted(i for share in shares for i in share) == list(range(n))
    assert [len(share) for share in shares] == [len(list(share)) for share in shares]
