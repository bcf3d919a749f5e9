"""`Hooks`: a chunk of jets on its way to the flat files, through PyG's filter and transform."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch_geometric.data import Data, InMemoryDataset

from pyg_jets.errors import InputError
from pyg_jets.io.flat import FlatWriter

__all__ = ["Hooks"]


@dataclass(frozen=True)
class Hooks:
    """``pre_filter`` and ``pre_transform``, applied graph by graph where there are any."""

    pre_filter: Callable[[Data], bool] | None = None
    pre_transform: Callable[[Data], Data] | None = None

    def append(
        self,
        writer: FlatWriter,
        tensors: Mapping[str, Any],
        slices: Mapping[str, np.ndarray | None],
        place: Any = None,
        across: Collection[str] = (),
    ) -> None:
        """Append a chunk to ``writer``.

        Args:
            writer: The table.
            tensors: The attributes of a ``Data`` of all jets of the chunk.
            slices: The slices of each; ``None`` for one row a jet.
            place: Where the next chunk begins, see :class:`~pyg_jets.io.flat.FlatWriter`.
            across: Those that are joined along their last dimension, as ``edge_index``.
        """
        if self.pre_filter is not None or self.pre_transform is not None:
            items = self._items(tensors, slices)
            if not items:
                writer.place = place
                return
            single = {name for name, ptr in slices.items() if ptr is None}
            tensors, slices, across = _joined(items, single)
        arrays = {name: np.asarray(value) for name, value in tensors.items()}
        writer.append(arrays, slices, across, place)

    def _items(self, tensors: Mapping[str, Any], slices: Mapping[str, Any]) -> list[Data]:
        n_jets = next(len(v) for n, v in tensors.items() if slices[n] is None)
        whole: Any = InMemoryDataset()
        each = torch.arange(n_jets + 1)
        whole._data = Data(**{n: torch.tensor(np.asarray(v)) for n, v in tensors.items()})
        whole.slices = {n: each if s is None else torch.tensor(s) for n, s in slices.items()}
        items = [whole[i] for i in range(n_jets)]
        if self.pre_filter is not None:
            items = [item for item in items if self.pre_filter(item)]
        return items if self.pre_transform is None else [self.pre_transform(i) for i in items]


def _joined(
    items: list[Data], single: set[str]
) -> tuple[dict[str, Any], dict[str, np.ndarray | None], set[str]]:
    """Attributes, slices, and the names of those that are joined along their last dimension."""
    # One graph more, since PyG does not join one that is alone.
    data, cuts = InMemoryDataset.collate([*items, items[0]])
    tensors: dict[str, Any] = {}
    slices: dict[str, np.ndarray | None] = {}
    across = set()
    for name, value in data.to_dict().items():
        if not isinstance(value, torch.Tensor):
            raise InputError(
                f"pre_transform gives {name} as {type(value).__name__}, but only tensors are "
                "stored: use transform= for it."
            )
        ptr = np.asarray(cuts[name][:-1])
        is_single = name in single and np.array_equal(ptr, np.arange(len(items) + 1))
        slices[name] = None if is_single else ptr
        if data.__cat_dim__(name, value) == -1:
            across.add(name)
        tensors[name] = value[..., : ptr[-1]] if name in across else value[: ptr[-1]]
    return tensors, slices, across
