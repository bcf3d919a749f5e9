"""The flat storage of an ``InMemoryDataset``: what of it can be gathered as a whole, and how."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Subset, get_worker_info
from torch_geometric.data import Data, InMemoryDataset
from torch_geometric.data.dataset import Dataset

from pyg_jets.ops.gather import flat_view, locate_kernel

__all__ = ["Field", "FlatStorage", "Group", "Unsuited"]

#: What must be PyG's own for the graphs of a data set to be exactly the slices of its storage.
_OWN = (
    (InMemoryDataset, ("get", "len")),
    (Dataset, ("__getitem__", "__len__", "indices")),
)
_DATA_METHODS = ("__inc__", "__cat_dim__", "num_nodes", "stores_as", "stores", "__setitem__")
#: Attributes from which PyG infers the number of nodes, and those for which it makes ``batch``.
_TELL_NODES = {"x", "feat", "pos", "node_type", "n_id"}
_ASK_NODES = {"num_nodes", "x", "pos", "edge_index", "face"}
#: An index with more leading rows than this is left to PyG.
_MAX_ROWS = 8


class Unsuited(Exception):
    """The storage cannot be gathered as a whole: PyG's own collate has to serve it."""


def _require(condition: Any) -> None:
    if not condition:
        raise Unsuited


class Group:
    """Attributes that share their slices.

    Args:
        slices: Where each graph begins, ``[graphs + 1]`` int64.
        n_graphs: Number of graphs.
    """

    def __init__(self, slices: Tensor, n_graphs: int) -> None:
        _require(slices.dtype == torch.int64 and slices.dim() == 1)
        _require(slices.device.type == "cpu" and len(slices) == n_graphs + 1)
        self.slices, self.array = slices, slices.contiguous().numpy()
        _require(self.array[0] >= 0 and (self.array[1:] >= self.array[:-1]).all())
        #: Whether each graph has one row, the row of its number.
        self.single = bool((self.array == np.arange(n_graphs + 1)).all())


class Field:
    """One attribute: its values over all graphs, and how they are joined.

    Args:
        key: Its name.
        value: Its values.
        group: Its slices.
    """

    def __init__(self, key: Any, value: Any, group: Group) -> None:
        _require(isinstance(key, str) and "batch" not in key and "adj" not in key)
        _require(key not in ("ptr", "num_nodes") and not key.endswith("_ptr"))
        _require(type(value) is Tensor and value.layout == torch.strided and not value.is_nested)
        _require(value.device.type == "cpu" and value.dim() > 0 and value.is_contiguous())
        _require(not (value.requires_grad or value.is_quantized or value.is_conj()))
        self.key, self.value, self.group = key, value, group
        # As Data.__inc__ and Data.__cat_dim__ have it: indices are joined along the last dimension.
        self.increment = "index" in key or key == "face"
        _require(not self.increment or value.dtype in (torch.int64, torch.int32))
        self.dim = value.dim() - 1 if self.increment else 0
        self.lead, self.rest = value.shape[: self.dim], value.shape[self.dim + 1 :]
        _require(group.array[-1] <= value.size(self.dim) and 1 <= self.lead.numel() <= _MAX_ROWS)
        #: The values as flat arrays of words, one for each leading row, and the words of one entry.
        self.sources = list(flat_view(value).reshape(self.lead.numel(), -1))
        self.width = self.rest.numel() * value.element_size() // self.sources[0].itemsize

    def rows(self, value: Tensor) -> list[np.ndarray]:
        """The memory of ``value`` as a flat array for each leading row."""
        flat = flat_view(value)
        return [flat] if len(self.sources) == 1 else list(flat.reshape(len(self.sources), -1))

    def empty(self, n: int) -> Tensor:
        """Room for ``n`` entries; in a loader's worker, in shared memory, as PyG does."""
        shape = (*self.lead, n, *self.rest)
        if get_worker_info() is None:
            return torch.empty(shape, dtype=self.value.dtype)
        size = self.lead.numel() * n * self.rest.numel() * self.value.element_size()
        storage = self.value.untyped_storage()._new_shared(size)
        out = torch.empty(0, dtype=self.value.dtype)
        return out.set_(storage, 0, shape)  # type: ignore[call-overload]


class FlatStorage:
    """The attributes of all graphs of a data set as flat tensors.

    Args:
        dataset: An ``InMemoryDataset``, or ``Subset``s of one.

    Raises:
        Unsuited: Where PyG would do something else than slice and join tensors.
    """

    def __init__(self, dataset: Any) -> None:
        self.base, maps = _unwrap(dataset)
        _require(isinstance(self.base, InMemoryDataset) and self.base.transform is None)
        for theirs, names in _OWN:
            _require(all(getattr(type(self.base), n) is getattr(theirs, n) for n in names))
        _require(not hasattr(self.base, "__getitems__"))
        data, slices = self.base._data, self.base.slices
        _require(isinstance(data, Data) and isinstance(slices, dict) and self.base.len() > 1)
        self.data_class = type(data)
        _require(all(getattr(self.data_class, n) is getattr(Data, n) for n in _DATA_METHODS))
        _require(not _fresh(self.data_class)._store)
        self.store: Any = data._store
        self.n_graphs = self.base.len()
        self.groups: list[Group] = []
        self.fields = [
            Field(key, self.store[key], self._group(each))
            for key, each in slices.items()
            if key in self.store
        ]
        self._find_nodes()
        self.map = _compose([*maps, range(self.n_graphs)])
        self._seen = self._identity()

    def _group(self, slices: Any) -> Group:
        _require(type(slices) is Tensor)
        for group in self.groups:
            if slices is group.slices or torch.equal(slices, group.slices):
                return group
        self.groups.append(Group(slices, self.n_graphs))
        return self.groups[-1]

    def _find_nodes(self) -> None:
        """How many nodes each graph has: a list of its own, or the slices of an attribute."""
        keys = {field.key for field in self.fields}
        counts = self.store.__dict__.get("_num_nodes")
        _require(counts is None or len(counts) == self.n_graphs)
        _require(counts is None or all(type(n) is int for n in counts))
        self.num_nodes = None if counts is None else np.array(counts, np.int64)
        told = [f for f in self.fields if f.key in _TELL_NODES]
        told += [f for f in self.fields if "node" in f.key]
        self.nodes = told[0].group if told else None
        has_nodes = bool(keys & _ASK_NODES) or any("node" in key for key in keys)
        self.makes_batch = has_nodes or counts is not None
        # From edges alone PyG guesses the number of nodes, and warns.
        asked = self.makes_batch or any(field.increment for field in self.fields)
        _require(not asked or counts is not None or told)

    def _identity(self) -> list[int]:
        _, maps = _unwrap(self.base)
        values = [self.store.get(field.key) for field in self.fields]
        counts = self.store.__dict__.get("_num_nodes")
        return [id(o) for o in (self.base._data, self.base.slices, counts, *maps, *values)]

    def is_current(self) -> bool:
        """Whether the data set still holds the same tensors, without a transform."""
        return self.base.transform is None and self._seen == self._identity()

    def locate(self, index: np.ndarray) -> np.ndarray:
        """The numbers in the storage of the graphs ``index``; negative ones count from the end.

        Raises:
            IndexError: If there is no such graph.
        """
        out = np.empty(len(index), np.int64)
        if not locate_kernel(index, self.map, out):
            raise IndexError(
                f"Expected graphs from 0 to {len(self.map) - 1}, but the sampler asks for others, "
                f"from {index.min()} to {index.max()}."
            )
        return out


def _unwrap(dataset: Any) -> tuple[Any, list[Any]]:
    """Strip ``Subset``s off, and list the index maps from the outermost to the innermost."""
    maps = []
    while type(dataset) is Subset:
        maps.append(dataset.indices)
        dataset = dataset.dataset
    if isinstance(dataset, InMemoryDataset) and dataset._indices is not None:
        maps.append(dataset._indices)
    return dataset, maps


def _fresh(cls: type) -> Any:
    try:
        return cls()
    except TypeError:
        raise Unsuited from None


def _absolute(index: np.ndarray, n: int) -> np.ndarray:
    if len(index) and index.min() < 0:
        index = np.where(index < 0, index + n, index)
    if len(index) and (index.min() < 0 or index.max() >= n):
        raise Unsuited  # PyG finds that out when it comes to the graph, or never
    return index


def _compose(maps: Iterable[Any]) -> np.ndarray:
    index: np.ndarray | None = None
    for each in maps:
        is_range = type(each) is range
        step = np.arange(each.start, each.stop, each.step) if is_range else np.asarray(each)
        _require(step.ndim == 1 and (step.dtype.kind in "iu" or step.size == 0))
        step = step.astype(np.int64)
        index = step if index is None else step[_absolute(index, len(step))]
    assert index is not None
    return index
