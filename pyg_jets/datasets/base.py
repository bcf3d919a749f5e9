"""What every data set shares: one processed file, opened memory-mapped, and splits."""

from __future__ import annotations

import inspect
import shutil
from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch_geometric.data import Data, InMemoryDataset

from pyg_jets.columns import check_names
from pyg_jets.files import content_hash, locked, write_aside
from pyg_jets.jets import JetArray

__all__ = ["SPLITS", "JetDataset", "assign_splits"]

SPLITS = ("train", "val", "test")
_FILE = "jets.pt"


def assign_splits(events: np.ndarray, fractions: Sequence[float]) -> np.ndarray:
    """A split 0, 1, 2 for each event number, by a hash of the number alone.

    So an event stays in its split when more are generated, and its jets never part.

    Args:
        events: Event numbers ``[J]`` int64.
        fractions: Shares of train, val and test; they sum to 1.

    Examples:
        >>> assign_splits(np.array([1, 1, 2, 3, 4, 6]), (0.5, 0.2, 0.3)).tolist()
        [1, 1, 1, 0, 0, 2]
    """
    fractions = tuple(float(f) for f in fractions)
    if len(fractions) != 3 or min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-6:
        raise ValueError(
            f"Expected three fractions (train, val, test) that sum to 1, but got {fractions}."
        )
    with np.errstate(over="ignore"):  # splitmix64 counts on the wrap
        mixed = events.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
        mixed ^= mixed >> np.uint64(31)
    return np.searchsorted(np.cumsum(fractions)[:2], mixed / 2.0**64, side="right")


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
    """Jets as PyG graphs, kept in one file that is opened memory-mapped.

    ``root/raw`` holds what was generated or downloaded and is never deleted; ``root/processed``
    holds one folder for each combination of arguments that shape the content. Two processes may ask
    for the same data set at once: one builds it, the other waits. A data set pickles as its path.

    Args:
        root: The folder.
        split: ``"train"``, ``"val"``, ``"test"``, or ``None`` for all jets.
        split_fractions: Shares of the three.
        content: The arguments of the subclass that shape the content.
        transform: A transform of each item when it is read.
        pre_transform: A transform of each item before it is stored.
        pre_filter: Keeps the items for which it is true.
        force_reload: Process again even if the processed file is there.
    """

    #: Names of the classes, in the order of their labels.
    classes: tuple[str, ...] = ()
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
        self.content_hash = content_hash(_fingerprint(shaping))
        super().__init__(str(root), transform, pre_transform, pre_filter, force_reload=force_reload)
        self._open()

    @abstractmethod
    def load_jets(self) -> JetArray:
        """The jets, labelled, with the integer jet column ``event``; generates what is missing."""

    @property
    def processed_dir(self) -> str:
        """The folder of this combination of arguments."""
        return str(Path(self.root) / "processed" / self.content_hash)

    @property
    def processed_file_names(self) -> list[str]:
        """The one processed file."""
        return [_FILE]

    @property
    def has_process(self) -> bool:
        """There always is something to process."""
        return True

    def _process(self) -> None:
        done = Path(self.processed_paths[0])
        if done.exists() and not self.force_reload:
            return
        with locked(self.processed_dir):
            if self.force_reload or not done.exists():
                self.process()

    def process(self) -> None:
        """Build the flat storage and write it, whole or not at all."""
        jets = self.load_jets()
        splits = assign_splits(jets.jets["event"], self.split_fractions)
        data, slices = jets.with_jets(split=splits).to_storage(self.axis)
        if self.pre_filter is not None or self.pre_transform is not None:
            data, slices = self._apply_to_items(data, slices)
        stored = {
            "data": data.to_dict(),
            "slices": dict(slices),
            "jet_columns": list(jets.float_jet_columns),
        }
        target = Path(self.processed_dir)
        with write_aside(target / _FILE) as part:
            torch.save(stored, part)

    def _apply_to_items(self, data: Data, slices: dict) -> tuple[Data, dict]:
        whole = InMemoryDataset()
        whole._data, whole.slices = data, slices
        items = [whole[i] for i in range(len(whole))]
        if self.pre_filter is not None:
            items = [item for item in items if self.pre_filter(item)]
        if self.pre_transform is not None:
            items = [self.pre_transform(item) for item in items]
        if not items:
            raise ValueError("pre_filter leaves no jet: give one that keeps some.")
        return self.collate(items)

    def _open(self) -> None:
        path = Path(self.processed_paths[0])
        try:
            stored = torch.load(path, weights_only=True, mmap=True)
        except (RuntimeError, EOFError, OSError) as error:
            raise ValueError(
                f"{path} is cut short or not ours ({str(error).splitlines()[0]}): "
                "use force_reload=True."
            ) from None
        self._data, self.slices = Data.from_dict(stored["data"]), stored["slices"]
        self.jet_columns = tuple(stored["jet_columns"])
        if self.split is not None:
            self._indices = self.split_indices(self.split)

    def split_indices(self, split: str) -> list[int]:
        """Indices into the whole data set of the jets of one split."""
        (split,) = check_names((split,), SPLITS, "split")
        return torch.nonzero(self._data.split == SPLITS.index(split)).flatten().tolist()

    def get_split(self, split: str) -> JetDataset:
        """The same data set, one split of it."""
        if self.split is None:
            return self.index_select(self.split_indices(split))
        if split != self.split:
            raise ValueError(
                f"This data set holds the split {self.split!r} only, but {split!r} is wanted: "
                "make it with split=None."
            )
        return self

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
        self._data_list, indices = None, self._indices
        self._open()
        self._indices = indices

    def clear(self) -> None:
        """Delete the processed file of these arguments (what was generated stays)."""
        shutil.rmtree(self.processed_dir, ignore_errors=True)
