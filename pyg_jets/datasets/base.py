"""`JetDataset`: PyG's data set over flat files that are opened memory-mapped, with splits."""

from __future__ import annotations

import copy
import inspect
import os
import shutil
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch_geometric.data import Data, InMemoryDataset

from pyg_jets.columns import CANONICAL, check_names
from pyg_jets.datasets.splits import SPLITS, assign_splits
from pyg_jets.errors import InputError
from pyg_jets.files import content_hash, data_path, locked
from pyg_jets.io.flat import META, open_flat
from pyg_jets.io.flat_writer import FlatWriter
from pyg_jets.jets import JetArray
from pyg_jets.substructure.observables import requested

__all__ = ["GeneratedDataset", "JetDataset", "append_graphs", "check_columns"]

#: Attributes of a graph that number it, and are no observables.
_NUMBERED = ("y", "jet_id", "event", "split", "variant_of")
#: Counted up when the same arguments begin to give other processed files.
_FORMAT = 2
#: Names that a computed jet column cannot have.
_RESERVED = {
    "angle", "batch", "edge_attr", "edge_index", "event", "jet", "jet_id", "pos", "ptr", "split",
    "variant_of", "weight", "x", "x_target", "y",
}  # fmt: skip


def _fingerprint(value: Any) -> Any:
    """An argument as plain values, from which the name of the processed folder is hashed."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, list | tuple):
        return [_fingerprint(v) for v in value]
    if isinstance(value, set | frozenset):
        return sorted(map(repr, value))
    if isinstance(value, dict):
        return {str(k): _fingerprint(v) for k, v in sorted(value.items())}
    if inspect.isfunction(value):
        closure = [cell.cell_contents for cell in value.__closure__ or ()]
        parts = (value.__code__, value.__defaults__, closure)
        return [value.__qualname__, *map(_fingerprint, parts)]
    if inspect.iscode(value):  # its repr holds an address, which differs between processes
        return [value.co_code.hex(), value.co_names, _fingerprint(value.co_consts)]
    return [type(value).__qualname__, _fingerprint(getattr(value, "__dict__", repr(value)))]


class JetDataset(InMemoryDataset):
    """Jets as PyG graphs, kept in flat files that are opened memory-mapped.

    ``root/raw`` holds what was generated or downloaded and is never deleted; ``root/processed``
    holds one folder for each combination of arguments that shape the content. Two processes may ask
    for the same data set at once: one builds it, the other waits. A data set pickles as its path.
    A relative ``root`` lies below the folder that the environment variable ``PYG_JETS_DATA`` names.

    A subclass implements :meth:`build`, and opens what it built by calling this ``__init__`` last.

    Args:
        root: The folder.
        split: ``"train"``, ``"val"``, ``"test"``, or ``None`` for all jets.
        split_fractions: Shares of the three, which sum to 1.
        content: The arguments of the subclass that shape the content, as plain values.
        transform: Applied to each graph when it is read.
        pre_transform: Applied to each graph before it is stored.
        pre_filter: Only graphs for which it is true are stored.
        force_reload: Process again even if the processed files exist.
    """

    #: Names of the classes, in the order of their labels.
    classes: tuple[str, ...] = ()
    #: Names of the columns of ``x [n, F]``.
    columns: tuple[str, ...] = CANONICAL
    #: Names of the columns of ``jet [1, K]``.
    jet_columns: tuple[str, ...] = ()
    #: Whether jets lie on a plane (``"origin"``) or around a jet axis (``"jet"``).
    axis = "jet"
    #: The jet columns that are computed, and the observable in each.
    requested_jet_columns: Mapping[str, str] = {}
    #: The features that the data set was asked for; empty where it keeps its default columns.
    requested_features: tuple[str, ...] = ()

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
        self.root, self.force_reload = os.path.expanduser(data_path(root)), force_reload
        if not self._is_processed():
            self.require_packages()
        super().__init__(self.root, transform, pre_transform, pre_filter, force_reload=force_reload)
        self._open()

    @abstractmethod
    def build(self, folder: Path) -> None:
        """Make the flat files in ``folder``, which may hold those of an interrupted build."""

    def require_packages(self) -> None:
        """Raise a `MissingExtraError`, before anything is written, for a package that is needed."""

    @property
    def processed_dir(self) -> str:
        """The folder of this combination of arguments."""
        return str(Path(self.root) / "processed" / self.content_hash)

    @property
    def processed_file_names(self) -> list[str]:
        """The file that is written last."""
        return [META]

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
        """Attributes to which a loader gives ``_batch`` and ``_ptr``: the second set of pairs."""
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
        old = target.with_name(f".{target.name}.old")
        if self.force_reload:
            shutil.rmtree(building, ignore_errors=True)
        self.build(building)
        shutil.rmtree(old, ignore_errors=True)  # a killed process may have left it
        if target.exists():
            os.replace(target, old)
        os.replace(building, target)
        shutil.rmtree(old, ignore_errors=True)

    def _open(self) -> None:
        try:
            table = open_flat(self.processed_dir)
        except (ValueError, FileNotFoundError) as error:
            said = str(error).replace("make it again", "use force_reload=True")
            raise InputError(said) from None
        each = torch.arange(len(table) + 1)
        ptrs = {id(s): torch.from_numpy(s) for s in table.slices.values() if s is not None}
        self._data = Data(**{n: torch.from_numpy(v) for n, v in table.columns.items()})
        self.slices = {n: each if s is None else ptrs[id(s)] for n, s in table.slices.items()}
        self._per_jet = {name for name, ptr in table.slices.items() if ptr is None}
        self.columns = tuple(table.meta["columns"])
        self.jet_columns = tuple(table.meta["jet_columns"])
        self.classes = tuple(table.meta.get("classes", self.classes))
        self._data_list = _NoCache()
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
            if self._indices is not None:  # of a part of the jets, such as dataset[:1000]
                chosen = np.asarray(self._indices, np.int64)
                part._indices = chosen[np.isin(chosen, part._indices)]
            return part
        if split != self.split:
            raise InputError(
                f"This data set holds the split {self.split!r} only, but {split!r} is wanted: "
                "make it with split=None."
            )
        return self

    def __getattr__(self, key: str) -> Any:
        # PyG joins the graphs of a subset one by one; a jet column only needs to be indexed.
        data, indices = self.__dict__.get("_data"), self.__dict__.get("_indices")
        if indices is not None and data is not None and key in self.__dict__.get("_per_jet", ()):
            return data[key][torch.as_tensor(np.asarray(indices))]
        return super().__getattr__(key)

    @property
    def whole_columns(self) -> tuple[str, ...]:
        """Names of the jet columns that are whole numbers, ``[1]`` int64 each, without labels."""
        numbers = (name for name in sorted(self._per_jet) if name not in _NUMBERED)
        return tuple(name for name in numbers if self._data[name].dtype == torch.int64)

    def observables(self, level: str | None) -> dict[str, np.ndarray]:
        """Jet columns ``{name: [J]}`` of one level, ``"gen"`` or ``"reco"``, of these jets.

        Args:
            level: The level, which the names then lack; ``None`` for all columns.
        """
        chosen, prefix = torch.as_tensor(list(self.indices())), f"{level}_" if level else ""
        columns = {
            name.removeprefix(prefix): self._data.jet[chosen, i].numpy()
            for i, name in enumerate(self.jet_columns)
            if name.startswith(prefix)
        }
        if (counts := self._data.get(f"{prefix}multiplicity")) is not None:
            columns["multiplicity"] = counts[chosen].numpy()
        return columns

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


def check_columns(jet_columns: Sequence[str] | Mapping[str, str] | None) -> dict[str, str]:
    """The columns to compute, and the observable in each.

    Args:
        jet_columns: Names of observables, or ``{column: observable}``.

    Raises:
        InputError: For an unknown observable, or a column that has a meaning of its own.
    """
    columns = requested(jet_columns)
    if taken := sorted(_RESERVED & set(columns)):
        raise InputError(
            f"Expected jet_columns of other names than {', '.join(taken)}, which have a meaning of "
            "their own in a graph or in training."
        )
    return columns


class GeneratedDataset(JetDataset):
    """A data set whose jets fit into memory; its arguments are those of :class:`JetDataset`."""

    @abstractmethod
    def load_jets(self) -> JetArray:
        """The jets, labelled, with the integer jet column ``event``; generates missing ones."""

    def build(self, folder: Path) -> None:
        """Write the jets of :meth:`load_jets` to flat files."""
        jets = self.load_jets()
        splits = assign_splits(jets.jets["event"], self.split_fractions)
        data, slices = jets.with_jets(split=splits).to_storage(self.axis)
        shutil.rmtree(folder, ignore_errors=True)
        writer, ptr = FlatWriter(folder), slices["x"]
        shared = {name: s.numpy() if s is ptr else None for name, s in slices.items()}
        append_graphs(writer, data.to_dict(), shared, self.pre_filter, self.pre_transform)
        if not writer.rows:
            raise InputError("pre_filter leaves no jet: give one that keeps some jets.")
        writer.finish({"columns": jets.columns, "jet_columns": jets.float_jet_columns})


class _NoCache(list):
    """Replaces PyG's cache of all graphs that were taken, which would outgrow the memory."""

    def __getitem__(self, index: Any) -> Any:
        return None

    def __setitem__(self, index: Any, value: Any) -> None:
        pass


def append_graphs(
    writer: FlatWriter,
    tensors: Mapping[str, Any],
    slices: Mapping[str, np.ndarray | None],
    pre_filter: Callable[[Data], bool] | None,
    pre_transform: Callable[[Data], Data] | None,
    place: Any = None,
) -> None:
    """Append graphs to a table, after ``pre_filter`` and ``pre_transform``.

    Only these two need single graphs: without them all graphs are appended at once.

    Args:
        writer: The table.
        tensors: The attributes of all graphs, joined, as of one ``Data``.
        slices: Where each graph begins in an attribute; ``None`` for one row a graph.
        pre_filter: Only graphs for which it is true are appended.
        pre_transform: Applied to each of these.
        place: Where the next graphs begin, see :class:`~pyg_jets.io.flat.FlatWriter`.

    Raises:
        InputError: If ``pre_transform`` gives something other than tensors.
    """
    joined_last: set[str] = set()
    if pre_filter is not None or pre_transform is not None:
        n_graphs = next(len(v) for name, v in tensors.items() if slices[name] is None)
        dataset: Any = InMemoryDataset()
        rows = torch.arange(n_graphs + 1)
        dataset._data = Data(**{n: torch.tensor(np.asarray(v)) for n, v in tensors.items()})
        dataset.slices = {n: rows if s is None else torch.tensor(s) for n, s in slices.items()}
        graphs = [dataset[i] for i in range(n_graphs)]
        if pre_filter is not None:
            graphs = [graph for graph in graphs if pre_filter(graph)]
        if pre_transform is not None:
            graphs = [pre_transform(graph) for graph in graphs]
        if not graphs:
            writer.place = place
            return
        one_row = {name for name, ptr in slices.items() if ptr is None}
        tensors, slices, joined_last = _join(graphs, one_row)
    arrays = {name: np.asarray(value) for name, value in tensors.items()}
    writer.append(arrays, slices, joined_last, place)


def _join(
    graphs: list[Data], one_row: set[str]
) -> tuple[dict[str, Any], dict[str, np.ndarray | None], set[str]]:
    """Attributes, slices, and the names of those that are joined along their last dimension."""
    # PyG does not join a single graph, so one more is added and cut off again.
    data, cuts = InMemoryDataset.collate([*graphs, graphs[0]])
    tensors: dict[str, Any] = {}
    slices: dict[str, np.ndarray | None] = {}
    joined_last = set()
    for name, value in data.to_dict().items():
        if not isinstance(value, torch.Tensor):
            raise InputError(
                f"pre_transform gives {name} as {type(value).__name__}, but only tensors are "
                "stored: use transform= for it."
            )
        ptr = np.asarray(cuts[name][:-1])
        has_one_row = name in one_row and np.array_equal(ptr, np.arange(len(graphs) + 1))
        slices[name] = None if has_one_row else ptr
        if data.__cat_dim__(name, value) == -1:
            joined_last.add(name)
        tensors[name] = value[..., : ptr[-1]] if name in joined_last else value[: ptr[-1]]
    return tensors, slices, joined_last
