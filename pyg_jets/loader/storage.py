"""The flat storage of an ``InMemoryDataset``: whether it can be gathered as a whole, and how."""

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

__all__ = ["Attribute", "FlatStorage", "NotGatherable", "SharedSlices"]

#: Methods of a data set that must be PyG's own for its graphs to be the slices of its storage.
_DATASET_METHODS = (
    (InMemoryDataset, ("get", "len")),
    (Dataset, ("__getitem__", "__len__", "indices")),
)
#: Methods of a graph that must be PyG's own for a batch to be the joined slices.
_DATA_METHODS = ("__inc__", "__cat_dim__", "num_nodes", "stores_as", "stores", "__setitem__")
#: Attributes from which PyG infers the number of nodes, and those for which it makes ``batch``.
_GIVE_NUM_NODES = {"x", "feat", "pos", "node_type", "n_id"}
_NEED_NUM_NODES = {"num_nodes", "x", "pos", "edge_index", "face"}
#: An index with more leading rows than this is left to PyG.
_MAX_ROWS = 8


class NotGatherable(Exception):
    """PyG's own collate has to serve a data set; the message is the reason, as "its … is …"."""


def _require(condition: Any, reason: str) -> None:
    if not condition:
        raise NotGatherable(reason)


class SharedSlices:
    """The slices that some attributes of a data set have in common.

    Args:
        slices: Where each graph begins, ``[graphs + 1]`` int64.
        n_graphs: Number of graphs.
        key: Name of the first of the attributes, for the reason why they cannot be gathered.
    """

    def __init__(self, slices: Tensor, n_graphs: int, key: str) -> None:
        reason = f"the slices of its attribute {key!r} are no int64 vector of {n_graphs + 1} places"
        _require(slices.dtype == torch.int64 and slices.dim() == 1, reason)
        _require(slices.device.type == "cpu" and len(slices) == n_graphs + 1, reason)
        self.slices, self.array = slices, slices.contiguous().numpy()
        rises = self.array[0] >= 0 and (self.array[1:] >= self.array[:-1]).all()
        _require(rises, f"the slices of its attribute {key!r} fall somewhere")
        #: Whether each graph has one row, the row of its number.
        self.single = bool((self.array == np.arange(n_graphs + 1)).all())


class Attribute:
    """One attribute of all graphs: its values, and how those of several graphs are joined.

    Args:
        key: Its name.
        value: Its values.
        slices: Where each graph begins.
    """

    def __init__(self, key: Any, value: Any, slices: SharedSlices) -> None:
        name = f"its attribute {key!r}"
        special = f"{name} has a name to which PyG gives a meaning of its own"
        _require(isinstance(key, str) and "batch" not in key and "adj" not in key, special)
        _require(key not in ("ptr", "num_nodes") and not key.endswith("_ptr"), special)
        _require(type(value) is Tensor, f"{name} is a {type(value).__name__}, not a plain tensor")
        _require(value.layout == torch.strided and not value.is_nested, f"{name} is not dense")
        _require(value.device.type == "cpu", f"{name} is on the device {value.device}")
        _require(value.dim() > 0 and value.is_contiguous(), f"{name} is not contiguous in memory")
        _require(not value.requires_grad, f"{name} requires a gradient")
        _require(not (value.is_quantized or value.is_conj()), f"{name} is quantized or conjugated")
        self.key, self.value, self.slices = key, value, slices
        # As Data.__inc__ and Data.__cat_dim__ have it: indices are joined along the last dimension.
        self.increment = "index" in key or key == "face"
        is_integer = value.dtype in (torch.int64, torch.int32)
        _require(not self.increment or is_integer, f"{name} is an index of {value.dtype}")
        self.dim = value.dim() - 1 if self.increment else 0
        self.lead, self.rest = value.shape[: self.dim], value.shape[self.dim + 1 :]
        _require(slices.array[-1] <= value.size(self.dim), f"{name} is shorter than its slices say")
        _require(1 <= self.lead.numel() <= _MAX_ROWS, f"{name} has {self.lead.numel()} rows")
        #: The values as flat arrays of words, one for each leading row, and the words of one entry.
        self.sources = list(flat_view(value).reshape(self.lead.numel(), -1))
        self.width = self.rest.numel() * value.element_size() // self.sources[0].itemsize

    def rows(self, value: Tensor) -> list[np.ndarray]:
        """The memory of ``value`` as a flat array for each leading row."""
        flat = flat_view(value)
        return [flat] if len(self.sources) == 1 else list(flat.reshape(len(self.sources), -1))

    def empty(self, n: int) -> Tensor:
        """Uninitialised memory for ``n`` entries; in a worker it is shared, as PyG's is."""
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
        NotGatherable: Where PyG would do something else than slice and join tensors.
    """

    def __init__(self, dataset: Any) -> None:
        self.base, index_maps = _unwrap(dataset)
        kind = type(self.base).__name__
        _require(isinstance(self.base, InMemoryDataset), f"a {kind} is no InMemoryDataset")
        _require(
            self.base.transform is None,
            "its transform is applied to single graphs; a batch_transform of the loader is "
            "applied to whole batches",
        )
        for owner, names in _DATASET_METHODS:
            for name in names:
                is_own = getattr(type(self.base), name) is not getattr(owner, name)
                _require(not is_own, f"{kind} has a method {name} of its own")
        _require(
            not hasattr(self.base, "__getitems__"), f"{kind} has a method __getitems__ of its own"
        )
        data, slices = self.base._data, self.base.slices
        _require(isinstance(data, Data), f"its graphs are {type(data).__name__}, not Data")
        _require(isinstance(slices, dict) and self.base.len() > 1, "it has fewer than two graphs")
        self.data_class = type(data)
        for name in _DATA_METHODS:
            is_own = getattr(self.data_class, name) is not getattr(Data, name)
            _require(not is_own, f"{self.data_class.__name__} has a method {name} of its own")
        try:
            is_empty = not self.data_class()._store
        except TypeError:
            is_empty = False
        _require(is_empty, f"{self.data_class.__name__}() is not an empty graph")
        self.store: Any = data._store
        self.n_graphs = self.base.len()
        self.slices: list[SharedSlices] = []
        self.attributes = [
            Attribute(key, self.store[key], self._shared(each, key))
            for key, each in slices.items()
            if key in self.store
        ]
        self._find_nodes()
        self.map = _compose([*index_maps, range(self.n_graphs)])
        self._inspected = self._identity()

    def _shared(self, slices: Any, key: str) -> SharedSlices:
        kind = type(self.store[key]).__name__
        _require(type(slices) is Tensor, f"its attribute {key!r} is a {kind}, not a plain tensor")
        for shared in self.slices:
            if slices is shared.slices or torch.equal(slices, shared.slices):
                return shared
        self.slices.append(SharedSlices(slices, self.n_graphs, key))
        return self.slices[-1]

    def _find_nodes(self) -> None:
        """How many nodes each graph has: a list of its own, or the slices of an attribute."""
        keys = {attribute.key for attribute in self.attributes}
        counts = self.store.__dict__.get("_num_nodes")
        if counts is not None:
            is_list = len(counts) == self.n_graphs and all(type(n) is int for n in counts)
            _require(is_list, "its num_nodes is no list of one integer a graph")
        self.num_nodes = None if counts is None else np.array(counts, np.int64)
        of_nodes = [a for a in self.attributes if a.key in _GIVE_NUM_NODES]
        of_nodes += [a for a in self.attributes if "node" in a.key]
        self.nodes = of_nodes[0].slices if of_nodes else None
        has_nodes = bool(keys & _NEED_NUM_NODES) or any("node" in key for key in keys)
        self.makes_batch = has_nodes or counts is not None
        needs_nodes = self.makes_batch or any(a.increment for a in self.attributes)
        _require(
            not needs_nodes or counts is not None or of_nodes,
            "the number of nodes of its graphs can only be guessed from their edges",
        )

    def _identity(self) -> list[int]:
        _, index_maps = _unwrap(self.base)
        values = [self.store.get(attribute.key) for attribute in self.attributes]
        counts = self.store.__dict__.get("_num_nodes")
        return [id(o) for o in (self.base._data, self.base.slices, counts, *index_maps, *values)]

    def is_current(self) -> bool:
        """Whether the data set still holds the same tensors, without a transform."""
        return self.base.transform is None and self._inspected == self._identity()

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
    index_maps = []
    while type(dataset) is Subset:
        index_maps.append(dataset.indices)
        dataset = dataset.dataset
    if isinstance(dataset, InMemoryDataset) and dataset._indices is not None:
        index_maps.append(dataset._indices)
    return dataset, index_maps


def _compose(index_maps: Iterable[Any]) -> np.ndarray:
    """The graph of the storage for each graph of the outermost subset."""
    index: np.ndarray | None = None
    for each in index_maps:
        is_range = type(each) is range
        step = np.arange(each.start, each.stop, each.step) if is_range else np.asarray(each)
        is_index = step.ndim == 1 and (step.dtype.kind in "iu" or step.size == 0)
        _require(is_index, "its subset is not chosen by a list of integers")
        step = step.astype(np.int64)
        if index is None:
            index = step
            continue
        index = np.where(index < 0, index + len(step), index)
        # PyG raises an error when it comes to such a graph, or never.
        outside = bool(len(index)) and (index.min() < 0 or index.max() >= len(step))
        _require(not outside, "its subset names a graph that does not exist")
        index = step[index]
    assert index is not None
    return index
