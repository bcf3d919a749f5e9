"""A PyG batch, with all its metadata, gathered at once from flat storage.

PyG's ``collate`` makes a ``Data`` object of each graph and joins their tensors one by one. The
storage of a data set holds them joined already, so that copying the chosen rows gives the same
batch in a fraction of the time.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Batch, Data

from pyg_jets.loader.storage import Attribute, FlatStorage, SharedSlices
from pyg_jets.ops.gather import batch_kernel, gather_kernel, pointer_kernel, ragged_rows
from pyg_jets.ops.kernel import over_jets, use_kernels
from pyg_jets.ops.pointer import counts_to_ptr, ptr_to_batch

__all__ = ["Assembler"]

#: Below this many particles a second thread loses on a plain copy (measured: 100 µs a hand-over).
_MIN_PARTICLES_FOR_THREADS = 1 << 18


class Assembler:
    """Joins graphs of a storage to the ``Batch`` that PyG's collate makes of them.

    Args:
        storage: The graphs.
        follow_batch: Attributes that get a ``_batch`` and a ``_ptr`` of their own.
        exclude_keys: Attributes that are left out.
    """

    def __init__(
        self,
        storage: FlatStorage,
        follow_batch: Iterable[str] | None = None,
        exclude_keys: Iterable[str] | None = None,
    ) -> None:
        exclude = set(exclude_keys or ())
        self.storage, self.follow_batch = storage, set(follow_batch or ())
        self.attributes = [a for a in storage.attributes if a.key not in exclude]
        self.increments = [a for a in self.attributes if a.increment]
        self.keeps_num_nodes = storage.num_nodes is not None and "num_nodes" not in exclude
        # The class of a batch is looked up anew at each call, which takes as long as all the rest.
        self._template = Batch(_base_cls=Data) if storage.data_class is Data else None

    def __call__(self, index: np.ndarray) -> Any:
        """The batch of the graphs ``index`` ``[J]`` int64.

        Raises:
            IndexError: If there is no such graph.
        """
        index, by_kernel = self.storage.locate(index), use_kernels()
        gathers = {s: _Gather.of_slices(s, index, by_kernel) for s in self.storage.slices}
        nodes = self._nodes(index, gathers)
        mapping: dict[str, Any] = {}
        private: dict[str, Any] = {"_mapping": mapping}
        for attribute in self.attributes:
            key, gather = attribute.key, gathers[attribute.slices]
            mapping[key] = gather.values(attribute)
            if key in self.follow_batch:
                mapping[f"{key}_batch"] = gather.graph_numbers()
                mapping[f"{key}_ptr"] = gather.ptr.clone()
        if nodes is not None:
            if self.keeps_num_nodes:
                private["_num_nodes"] = counts = nodes.ptr.diff().tolist()
                mapping["num_nodes"] = sum(counts)
            if self.storage.makes_batch:
                mapping["batch"], mapping["ptr"] = nodes.graph_numbers(), nodes.ptr.clone()
            nodes.run()
        for gather in gathers.values():
            gather.run()
        private["_num_graphs"] = len(index)
        private["_slice_dict"] = {a.key: gathers[a.slices].ptr for a in self.attributes}
        private["_inc_dict"] = self._increment(mapping, gathers, nodes, len(index))
        return self._batch(private)

    def _nodes(self, index: np.ndarray, gathers: dict[SharedSlices, _Gather]) -> _Gather | None:
        if self.storage.num_nodes is not None:
            counts = torch.from_numpy(self.storage.num_nodes[index])
            return _Gather(counts_to_ptr(counts), by_kernel=use_kernels())
        return None if self.storage.nodes is None else gathers[self.storage.nodes]

    def _increment(
        self,
        mapping: dict[str, Any],
        gathers: dict[SharedSlices, _Gather],
        nodes: _Gather | None,
        n_graphs: int,
    ) -> dict[str, Tensor]:
        """Shift indices by the nodes of the graphs before; return the shifts of all attributes."""
        zeros = torch.from_numpy(np.zeros(n_graphs, np.int64))
        shifts = {attribute.key: zeros for attribute in self.attributes}
        for attribute in self.increments:
            assert nodes is not None
            shift = shifts[attribute.key] = nodes.ptr[:-1].clone()
            counts = gathers[attribute.slices].ptr.diff()
            mapping[attribute.key] += shift.repeat_interleave(counts).to(attribute.value.dtype)
        return shifts

    def _batch(self, private: dict[str, Any]) -> Any:
        if self._template is None:
            batch = Batch(_base_cls=self.storage.data_class)
        else:  # what copy.copy would do, without its detours
            batch = object.__new__(type(self._template))
            batch.__dict__.update(self._template.__dict__)
            batch.__dict__["_store"] = object.__new__(type(self._template._store))
            batch._store._parent = batch
        batch._store.__dict__.update(private)
        return batch


class _Gather:
    """The copies of the chosen graphs for attributes that share their slices.

    Args:
        ptr: Where each graph goes, ``[J + 1]``.
        starts: Where each graph comes from, ``[J]``.
        by_kernel: Whether kernels do the copying.
    """

    def __init__(
        self, ptr: Tensor, starts: np.ndarray | None = None, by_kernel: bool = True
    ) -> None:
        self.ptr, self.array, self.by_kernel = ptr, ptr.numpy(), by_kernel
        self.starts = np.empty(0, np.int64) if starts is None else starts
        self.total = int(self.array[-1])
        self._rows: Tensor | None = None
        self._copies: list[tuple[np.ndarray, int, np.ndarray]] = []
        self._numbers: list[np.ndarray] = []

    @classmethod
    def of_slices(cls, slices: SharedSlices, index: np.ndarray, by_kernel: bool) -> _Gather:
        if slices.single:
            return cls(torch.from_numpy(np.arange(len(index) + 1)), index, by_kernel)
        ptr, starts = torch.empty(len(index) + 1, dtype=torch.int64), np.empty_like(index)
        pointer_kernel(slices.array, index, starts, ptr.numpy())
        return cls(ptr, starts, by_kernel)

    def values(self, attribute: Attribute) -> Tensor:
        """A tensor for the values of ``attribute``, filled by :meth:`run` at the latest."""
        out = attribute.empty(self.total)
        if self.by_kernel:
            for source, target in zip(attribute.sources, attribute.rows(out), strict=True):
                self._copies.append((source, attribute.width, target))
            return out
        if self._rows is None:
            self._rows = ragged_rows(torch.from_numpy(self.starts), self.ptr)
        return torch.index_select(attribute.value, attribute.dim, self._rows, out=out)

    def graph_numbers(self) -> Tensor:
        """A tensor for the graph of each entry, filled by :meth:`run` at the latest."""
        if not self.by_kernel:
            return ptr_to_batch(self.ptr)
        out = torch.empty(self.total, dtype=torch.int64)
        self._numbers.append(out.numpy())
        return out

    def run(self) -> None:
        """Fill the tensors that :meth:`values` and :meth:`graph_numbers` gave."""
        if not (self._copies or self._numbers):
            return

        def run(start: int, stop: int) -> None:
            for source, width, target in self._copies:
                gather_kernel(source, self.starts, self.array, width, target, start, stop)
            for target in self._numbers:
                batch_kernel(self.array, target, start, stop)

        over_jets(run, self.array, 1 if self.total < _MIN_PARTICLES_FOR_THREADS else None)
        self._copies, self._numbers = [], []
