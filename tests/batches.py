"""Equality of PyG batches over everything they hold, and data sets of many shapes."""

import torch
from torch_geometric.data import Data, HeteroData, InMemoryDataset


def same(ours, theirs, where="batch"):
    """Compare two values to the bit: types, order of keys, dtypes, shapes, values."""
    assert type(ours) is type(theirs), f"{where}: {type(ours)} is not {type(theirs)}"
    if isinstance(theirs, torch.Tensor):
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape), where
        assert ours.is_contiguous() == theirs.is_contiguous(), where
        assert torch.equal(ours, theirs), where
    elif isinstance(theirs, dict):
        assert list(ours) == list(theirs), f"{where}: {list(ours)} is not {list(theirs)}"
        for key in theirs:
            same(ours[key], theirs[key], f"{where}.{key}")
    elif isinstance(theirs, list | tuple):
        assert len(ours) == len(theirs), where
        for i, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            same(one, other, f"{where}[{i}]")
    else:
        assert ours == theirs, where


def same_batch(ours, theirs):
    """Compare two batches, public and private, and the graphs they come apart into."""
    assert type(ours) is type(theirs)
    assert len(ours.stores) == len(theirs.stores)
    assert ours.__dict__.keys() == theirs.__dict__.keys()
    for mine, yours in zip(ours.stores, theirs.stores, strict=True):
        private = [
            {k: v for k, v in store.__dict__.items() if k not in ("_parent", "_mapping")}
            for store in (mine, yours)
        ]
        same(dict(sorted(private[0].items())), dict(sorted(private[1].items())), "private")
        same(dict(mine._mapping), dict(yours._mapping))
        assert mine._parent() is ours
    for one, other in zip(ours.to_data_list(), theirs.to_data_list(), strict=True):
        assert type(one) is type(other)
        same(one.to_dict(), other.to_dict(), "graph")


def in_memory(graphs, cls=InMemoryDataset):
    """An in-memory data set of these graphs."""
    dataset = cls()
    dataset.data, dataset.slices = dataset.collate(graphs)
    return dataset


def _graphs(make, counts=(3, 0, 5, 1, 4, 2, 7)):
    torch.manual_seed(0)
    return [make(n, i) for i, n in enumerate(counts)]


class OwnInc(Data):
    """A graph whose second particle set is pointed into."""

    def __inc__(self, key, value, *args, **kwargs):
        return self.x_target.size(0) if key == "match_index" else super().__inc__(key, value)


class Plain(Data):
    """A subclass that changes nothing."""


def _edges(n):
    return torch.randint(0, max(n, 1), (2, 2 * n))


SHAPES = {
    "jets": lambda n, i: Data(
        x=torch.randn(n, 6),
        pos=torch.randn(n, 2),
        y=torch.tensor([i % 2]),
        jet=torch.randn(1, 4),
        jet_id=torch.tensor([i]),
        event=torch.tensor([i // 2]),
    ),
    "only x": lambda n, i: Data(x=torch.randn(n, 3)),
    "only pos": lambda n, i: Data(pos=torch.randn(n, 2)),
    "flat x": lambda n, i: Data(x=torch.randn(n)),
    "no features": lambda n, i: Data(x=torch.randn(n, 0), y=torch.tensor([i])),
    "two sets": lambda n, i: Data(x=torch.randn(n, 3), x_target=torch.randn(2 * n + 1, 3)),
    "edges": lambda n, i: Data(
        x=torch.randn(n, 3), edge_index=_edges(n), edge_attr=torch.randn(2 * n, 2)
    ),
    "edges first": lambda n, i: Data(edge_index=_edges(n), z=torch.ones(n), pos=torch.randn(n, 2)),
    "int32 edges": lambda n, i: Data(x=torch.randn(n, 3), edge_index=_edges(n).int()),
    "faces": lambda n, i: Data(x=torch.randn(n, 3), face=torch.randint(0, n + 1, (3, n))),
    "index": lambda n, i: Data(x=torch.randn(n, 3), seed_index=torch.tensor([i]), y=float(i)),
    "bool index": lambda n, i: Data(x=torch.randn(n, 3), is_index=torch.ones(n).bool()),
    "num_nodes": lambda n, i: Data(edge_index=_edges(n), num_nodes=n, y=torch.tensor([i])),
    "num_nodes and x": lambda n, i: Data(x=torch.randn(n, 3), num_nodes=n + 1),
    "guessed nodes": lambda n, i: Data(edge_index=_edges(n + 1), y=torch.tensor([i])),
    "no nodes": lambda n, i: Data(y=torch.tensor([i]), z=torch.randn(2, 3)),
    "node names": lambda n, i: Data(node_mass=torch.randn(n), my_node=torch.ones(n, 2)),
    "scalars": lambda n, i: Data(x=torch.randn(n, 2), weight=float(i), flag=i % 2 == 0, y=i),
    "0-d tensor": lambda n, i: Data(x=torch.randn(n, 2), y=torch.tensor(i)),
    "dtypes": lambda n, i: Data(
        x=torch.randn(n, 3).double(),
        a=torch.randn(n, 3).half(),
        b=torch.randn(n, 3).bfloat16(),
        c=torch.ones(n, 3, dtype=torch.uint8),
        d=torch.ones(n).bool(),
        e=torch.randn(n, 2, dtype=torch.complex64),
        f=torch.ones(n, 1, 2, 3, dtype=torch.int16),
    ),
    "strings": lambda n, i: Data(x=torch.randn(n, 2), name=f"jet {i}"),
    "lists": lambda n, i: Data(x=torch.randn(n, 2), parts=[torch.randn(n), torch.randn(2)]),
    "dict": lambda n, i: Data(x=torch.randn(n, 2), parts={"a": torch.randn(n)}),
    "subclass": lambda n, i: Plain(x=torch.randn(n, 2), y=torch.tensor([i])),
    "own inc": lambda n, i: OwnInc(
        x=torch.randn(n, 2), x_target=torch.randn(n + 1, 2), match_index=torch.arange(n)
    ),
    "batch key": lambda n, i: Data(x=torch.randn(n, 2), my_batch=torch.arange(n + 1)),
    "ptr key": lambda n, i: Data(x=torch.randn(n, 2), ptr=torch.arange(3)),
    "not joined": lambda n, i: Data(x=torch.randn(n, 2), image=torch.randn(1, 4, 4)),
    "hetero": lambda n, i: HeteroData(
        jet={"x": torch.randn(n, 2)}, track={"x": torch.randn(n + 1, 3)}
    ),
}
#: Shapes that are gathered at once; PyG's collate serves the others.
GATHERED = {
    *("jets", "only x", "only pos", "flat x", "no features", "two sets", "edges", "edges first"),
    *("int32 edges", "faces", "index", "num_nodes", "num_nodes and x", "no nodes", "node names"),
    *("scalars", "0-d tensor", "dtypes", "subclass", "not joined"),
    "ptr key",  # which InMemoryDataset.collate drops
}


def dataset_of(shape):
    """A small data set of one of the ``SHAPES``."""
    return in_memory(_graphs(SHAPES[shape]))
