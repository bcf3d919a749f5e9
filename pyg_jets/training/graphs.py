"""Data sets of PyG and torch as `JetDataModule` reads them: subsets, parts, graphs without ids."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Subset
from torch_geometric.data import Data, Dataset, InMemoryDataset

from pyg_jets.datasets import JetDataset
from pyg_jets.datasets.splits import SPLITS, assign_splits
from pyg_jets.errors import InputError, InputTypeError

__all__ = ["SPLIT_FRACTIONS", "as_graphs", "split_graphs"]

#: Shares of train, val and test of a data set that has no splits of its own.
SPLIT_FRACTIONS = (0.7, 0.15, 0.15)


def split_graphs(dataset: Any) -> tuple[Dataset, dict[str, Dataset]]:
    """A data set of graphs, and its three splits.

    A :class:`~pyg_jets.datasets.JetDataset` has its own splits, also below a ``Subset``; any other
    data set is split by a hash of the position of each graph. Graphs without ``jet_id`` get their
    position, where they lie in memory.

    Args:
        dataset: A data set of PyG, a ``torch.utils.data.Subset`` of one, a list of ``Data``, or
            three of these: ``(train, val, test)``.

    Raises:
        InputTypeError: For something else.
        InputError: For graphs without particles ``x [n, F]``.

    Examples:
        >>> graphs = [Data(x=torch.ones(2, 3), y=torch.tensor([i % 2])) for i in range(20)]
        >>> whole, splits = split_graphs(graphs)
        >>> len(whole), {name: len(split) for name, split in splits.items()}
        (20, {'train': 16, 'val': 3, 'test': 1})
        >>> split_graphs((graphs[:10], graphs[10:15], graphs[15:]))[1]["val"][0].jet_id
        tensor([10])
    """
    if _are_parts(dataset):
        parts: list[Dataset] = []
        for part in dataset:
            parts.append(as_graphs(part, start=sum(map(len, parts))))
        return parts[0], dict(zip(SPLITS, parts, strict=True))
    whole = as_graphs(dataset)
    if isinstance(whole, JetDataset):
        return whole, {split: whole.get_split(split) for split in SPLITS}
    split = assign_splits(np.arange(len(whole)), SPLIT_FRACTIONS)
    chosen = [np.flatnonzero(split == i) for i in range(len(SPLITS))]
    return whole, {n: whole.index_select(i) for n, i in zip(SPLITS, chosen, strict=True)}


def _are_parts(dataset: Any) -> bool:
    """Whether it is ``(train, val, test)``, not a list of graphs."""
    is_sequence = isinstance(dataset, Sequence) and not isinstance(dataset, Dataset)
    if not is_sequence or any(isinstance(part, Data) for part in dataset):
        return False
    if len(dataset) != len(SPLITS):
        raise InputError(
            f"Expected a data set, or three of them as (train, val, test), but got {len(dataset)}."
        )
    return True


def as_graphs(dataset: Any, start: int = 0) -> Dataset:
    """The graphs as a data set of PyG, each with a ``jet_id`` where they lie in memory.

    Args:
        dataset: A data set of PyG, a ``torch.utils.data.Subset`` of one, or a list of ``Data``.
        start: The first ``jet_id`` of those that have none.

    Raises:
        InputTypeError: For something else.
        InputError: For graphs without particles ``x [n, F]``.
    """
    if isinstance(dataset, Subset):
        return as_graphs(dataset.dataset, start).index_select([int(i) for i in dataset.indices])
    if isinstance(dataset, list | tuple) and all(isinstance(data, Data) for data in dataset):
        graphs = InMemoryDataset()
        if len(dataset):
            graphs._data, graphs.slices = graphs.collate(list(dataset))
        dataset = graphs
    if not isinstance(dataset, Dataset):
        raise InputTypeError(
            f"Expected a data set of PyG, a Subset of one, or a list of Data, but got "
            f"{type(dataset).__name__}: pyg_jets.JetArray.to_pyg() makes graphs of arrays."
        )
    if len(dataset) and not isinstance(dataset, JetDataset):
        x = dataset[0].get("x")
        if x is None or x.dim() != 2:
            raise InputError(
                f"Expected graphs with particles x [n, F], but those of {dataset} have "
                f"{'none' if x is None else f'x of shape {list(x.shape)}'}."
            )
    return _numbered(dataset, start)


def _numbered(dataset: Dataset, start: int) -> Dataset:
    """The data set with a ``jet_id`` for each graph, where it has none and lies in memory."""
    if not isinstance(dataset, InMemoryDataset) or dataset.slices is None:
        return dataset
    if "jet_id" in dataset._data:
        return dataset
    out, n_graphs = copy.copy(dataset), dataset.len()
    out._data, out._data_list = copy.copy(dataset._data), None
    out._data.jet_id = torch.arange(start, start + n_graphs)
    out.slices = {**dataset.slices, "jet_id": torch.arange(n_graphs + 1)}
    return out
