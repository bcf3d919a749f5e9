"""What every data set shares: flat files, opened memory-mapped, and splits."""

from __future__ import annotations

import copy
import inspect
import os
import shutil
from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch_geometric.data import Data, InMemoryDataset

from pyg_jets.columns import CANONICAL, check_names
from pyg_jets.datasets.items import Hooks
from pyg_jets.datasets.splits import SPLITS, assign_splits
from pyg_jets.errors import InputError
from pyg_jets.files import content_hash, data_path, locked
from pyg_jets.io.flat import FlatWriter, open_flat
from pyg_jets.jets import JetArray

__all__ = ["GeneratedDataset", "JetDataset"]

#: Counted up when the same arguments begin to give other processed files.
_FORMAT = 2


def _fingerprint(value: Any) -> Any:
    """Everything of an argument that may shape the content, as plain values."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, list | tuple):
        return [_fingerprint(v) for v in value]
    if isinstance(value, set | frozenset):
        return sorted(map(repr, value))
    if isinstance(value, dict):
        return {str(k): _fingerprint(v) for k, v in sorted(value.items())}
    if inspect.isfunction(value):
        held = [cell.cell_contents for cell in value.__closure__ or ()]
        return [value.__qualname__, *map(_fingerprint, (value.__code__, value.__defaults__, held))]
    if inspect.iscode(value):  # its repr holds an address, which is another one in each process
        return [value.co_code.hex(), value.co_names, _fingerprint(value.co_consts)]
    return [type(value).__qualname__, _fingerprint(getattr(value, "__dict__", repr(value)))]


class JetDataset(InMemoryDataset):
    """Jets as PyG graphs, kept in flat files that are opened memory-mapped.

    ``root/raw`` holds what was generated or downloaded and is never deleted; ``root/processed``
    holds one folder for each combination of arguments that shape the content. Two processes may ask
    for the same data set at once: one builds it, the other waits. A data set pickles as its path.
    A relative ``root`` lies below the folder that the environment variable ``PYG_JETS_DATA`` names.

    Args:
        root: The folder.
        split: ``"train"``, ``"val"``, ``"test"``, or ``None`` for all jets.
        split_fractions: Shares of the three.
        content: The arguments of the subclass that shape the content.
        transform: A transform of each item when it is read.
        pre_transform: A transform of each item before it is stored.
        pre_filter: Keeps the items for which it is true.
        force_reload: Process again even if the processed files are there.
    """

    #: Names of the classes, in the order of their labels.
    classes: tuple[str, ...] = ()
    #: Names of the columns of ``x [n, F]``.
    columns: tuple[str, ...] = CANONICAL
    #: Names of the columns of ``jet [1, K]``.
    jet_columns: tuple[str, ...] = ()
    #: Whether jets lie on a plane (``"origin"``) or around a jet axis (``"jet"``).
    axis = "jet"

    def __init__(
        self,
        root: str | Path,
        split: str | None,
        split_fractions: Sequence[float],
        content: dict[str, Any],
        transform: Callable[[Data], Data] | None = None,
        pre_transform: Callable[[Data], Data] | None = None,
        pre_filter: Callable[[Data], bool] | None = None,
        force_reload: bool = False,
    ):
        if split is not None:
            check_names((split,), SPLITS, "split")
        assign_splits(np.empty(0, np.int64), split_fractions)
        self.split, self.split_fractions = split, tuple(split_fractions)
        shaping = [type(self).__name__, content, self.split_fractions, pre_transform, pre_filter]
        self.content = content
        self.content_hash = content_hash(_fingerprint([_FORMAT, *shaping]))
        super().__init__(
            str(data_path(root)), transform, pre_transform, pre_filter, force_reload=force_reload
        )
        self._open()

    @abstractmethod
    def build(self, folder: Path) -> None:
        """Make the flat files in ``folder``, where an interrupted build may have left some."""

    @property
    def processed_dir(self) -> str:
        """The folder of this combination of arguments."""
        return str(Path(self.root) / "processed" / self.content_hash)

    @property
    def processed_file_names(self) -> list[str]:
        """The file that is written last."""
        return ["meta.json"]

    @property
    def has_process(self) -> bool:
        """There always is something to process."""
        return True

    @property
    def num_classes(self) -> int:
        """Number of classes; 0 where jets have no labels."""
        return len(self.classes)

    @property
    def follow_batch(self) -> tuple[str, ...] | None:
        """What a loader gives a ``_batch`` and a ``_ptr`` of its own: the second set of pairs."""
        return ("x_target",) if "x_target" in self._data else None

    def _is_processed(self) -> bool:
        return Path(self.processed_paths[0]).exists() and not self.force_reload

    def _process(self) -> None:
        if not self._is_processed():
            with locked(self.processed_dir):
                if not self._is_processed():
                    self.process()

    def process(self) -> None:
        """Build the flat storage beside its place, and rename it there when it is whole."""
        target = Path(self.processed_dir)
        building = target.with_name(f".{target.name}.building")
        if self.force_reload:
            shutil.rmtree(building, ignore_errors=True)
        self.build(building)
        if target.exists():
            old = target.with_name(f".{target.name}.old")
            shutil.rmtree(old, ignore_errors=True)
            os.replace(target, old)
            os.replace(building, target)
            shutil.rmtree(old)
        else:
            os.replace(building, target)

    def _open(self) -> None:
        try:
            table = open_flat(self.processed_dir)
        except (ValueError, FileNotFoundError) as error:
            raise InputError(f"{str(error).rstrip('.')}: use force_reload=True.") from None
        each = torch.arange(len(table) + 1)
        ptrs = {id(s): torch.from_numpy(s) for s in table.slices.values() if s is not None}
        self._data = Data(**{n: torch.from_numpy(v) for n, v in table.columns.items()})
        self.slices = {n: each if s is None else ptrs[id(s)] for n, s in table.slices.items()}
        self._per_jet = {name for name, ptr in table.slices.items() if ptr is None}
        self.columns = tuple(table.meta["columns"])
        self.jet_columns = tuple(table.meta["jet_columns"])
        self._data_list = _NothingKept()
        if self.split is not None:
            self._indices = self.split_indices(self.split)

    def split_indices(self, split: str) -> np.ndarray:
        """Indices into the whole data set of the jets of one split, ``[n]`` int64."""
        (split,) = check_names((split,), SPLITS, "split")
        return np.flatnonzero(self._data.split.numpy() == SPLITS.index(split))

    def get_split(self, split: str) -> JetDataset:
        """The same data set, one split of it."""
        if self.split is None:
            part = copy.copy(self)
            part._indices = self.split_indices(split)
            return part
        if split != self.split:
            raise InputError(
                f"This data set holds the split {self.split!r} only, but {split!r} is wanted: "
                "make it with split=None."
            )
        return self

    def __getattr__(self, key: str) -> Any:
        # PyG takes a subset apart, graph by graph; a column of jets needs no more than an index.
        data, indices = self.__dict__.get("_data"), self.__dict__.get("_indices")
        if indices is not None and data is not None and key in self.__dict__.get("_per_jet", ()):
            return data[key][torch.as_tensor(np.asarray(indices))]
        return super().__getattr__(key)

    def observables(self, level: str) -> dict[str, np.ndarray]:
        """Jet columns ``{name: [J]}`` of one level, ``"gen"`` or ``"reco"``, of these jets."""
        chosen = torch.as_tensor(list(self.indices()))
        found = {
            name.removeprefix(f"{level}_"): self._data.jet[chosen, i].numpy()
            for i, name in enumerate(self.jet_columns)
            if name.startswith(f"{level}_")
        }
        if (counts := self._data.get(f"{level}_multiplicity")) is not None:
            found["multiplicity"] = counts[chosen].numpy()
        return found

    def __getstate__(self) -> dict[str, Any]:
        return {
            k: v for k, v in self.__dict__.items() if k not in ("_data", "slices", "_data_list")
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        indices = self._indices
        self._open()
        self._indices = indices

    def clear(self) -> None:
        """Delete the processed files of these arguments (what was generated stays)."""
        shutil.rmtree(self.processed_dir, ignore_errors=True)


class GeneratedDataset(JetDataset):
    """A data set whose jets are made at once, in memory."""

    @abstractmethod
    def load_jets(self) -> JetArray:
        """The jets, labelled, with the integer jet column ``event``; generates what is missing."""

    def build(self, folder: Path) -> None:
        """Store what :meth:`load_jets` gives."""
        jets = self.load_jets()
        splits = assign_splits(jets.jets["event"], self.split_fractions)
        data, slices = jets.with_jets(split=splits).to_storage(self.axis)
        shutil.rmtree(folder, ignore_errors=True)
        writer, ptr = FlatWriter(folder), slices["x"]
        shared = {name: s.numpy() if s is ptr else None for name, s in slices.items()}
        Hooks(self.pre_filter, self.pre_transform).append(writer, data.to_dict(), shared)
        if not writer.rows:
            raise InputError("pre_filter leaves no jet: give one that keeps some.")
        writer.finish({"columns": jets.columns, "jet_columns": jets.float_jet_columns})


class _NothingKept(list):
    """In place of PyG's list of all graphs taken so far, which would outgrow the memory."""

    def __getitem__(self, index: Any) -> Any:
        return None

    def __setitem__(self, index: Any, value: Any) -> None:
        pass
