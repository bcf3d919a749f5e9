"""Any file of jets as named columns of one row a jet: parquet, HDF5, ROOT, npz and npy."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from pyg_jets.errors import InputError
from pyg_jets.files import require
from pyg_jets.io.file_type import check_file, describe, refusal
from pyg_jets.io.hdf5 import dataset_of, open_hdf5, read_rows
from pyg_jets.io.jagged import Block
from pyg_jets.io.npz import NpzReader
from pyg_jets.io.parquet_table import parquet_table
from pyg_jets.io.root import TreeReader, open_tree
from pyg_jets.io.table import Lists, Table

__all__ = ["open_table"]

_KINDS = {
    "an HDF5 file": "hdf5",
    "a zip archive": "npz",
    "an empty zip archive": "npz",
    "a NumPy .npy file": "npz",
    "a ROOT file": "root",
    "a parquet file": "parquet",
}
_SUFFIXES = {
    ".h5": "hdf5", ".hdf5": "hdf5", ".hdf": "hdf5", ".npz": "npz", ".npy": "npz",
    ".root": "root", ".parquet": "parquet", ".pq": "parquet",
}  # fmt: skip


def open_table(path: str | Path, tree: str | None = None) -> AbstractContextManager[Table]:
    """Open a file of jets, of the kind that its first bytes say, or else its suffix.

    Args:
        path: The file.
        tree: The tree of a ROOT file; needed only if there are several.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is empty, cut short, or of no known kind.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "jets.npz"
        >>> np.savez(path, X=np.ones((3, 5, 4)), y=[0, 1, 1])
        >>> with open_table(path) as table:
        ...     print(table.names, [chunk["X"].shape for chunk in table.chunks(["X"], 2)])
        ('X', 'y') [(2, 5, 4), (1, 5, 4)]
    """
    path = check_file(path, "a file of jets", (b"",))
    found = describe(path)
    kind = _KINDS.get(found) or _SUFFIXES.get(path.suffix.lower())
    if kind is None:
        remedy = "convert it, or fetch it again"
        raise refusal(path, found, "a parquet, HDF5, ROOT, npz or npy file", remedy)
    return _root(path, tree) if kind == "root" else _OPEN[kind](path)


class _Arrays(Table):
    """What HDF5 and npz have in common: arrays whose first axis is that of the jets."""

    @abstractmethod
    def shape(self, name: str) -> tuple[int, ...]: ...

    @abstractmethod
    def rows(self, name: str, start: int, stop: int) -> np.ndarray: ...

    def chunks(
        self, names: Sequence[str], size: int, start: int = 0
    ) -> Iterator[dict[str, np.ndarray | Lists]]:
        self.check(names)
        counts = {name: (self.shape(name) or ("no",))[0] for name in names}
        if len(set(counts.values())) > 1 or "no" in counts.values():
            found = ", ".join(f"{name} has {n}" for name, n in counts.items())
            raise InputError(
                f"{self.path} has arrays of different numbers of rows ({found}), expected one row "
                "a jet in each: mend the file."
            )
        total = int(next(iter(counts.values()), 0))
        for first in range(start, total, size):
            stop = min(first + size, total)
            yield {name: self.rows(name, first, stop) for name in names}


class _Npz(_Arrays):
    def __init__(self, reader: NpzReader):
        super().__init__(reader.path, reader.names)
        self._reader = reader

    def shape(self, name: str) -> tuple[int, ...]:
        return self._reader.shape(name)

    def rows(self, name: str, start: int, stop: int) -> np.ndarray:
        return self._reader.rows(name, start, stop)


@contextmanager
def _npz(path: Path) -> Iterator[Table]:
    with NpzReader(path) as reader:
        yield _Npz(reader)


class _HDF5(_Arrays):
    def __init__(self, path: Path, file: Any):
        names: list[str] = []
        try:
            file.visititems(lambda name, item: names.extend([name] * hasattr(item, "dtype")))
        except (OSError, RuntimeError, KeyError) as error:
            raise refusal(path, f"damaged ({error})", "a whole HDF5 file") from None
        super().__init__(path, names)
        self._file = file

    def shape(self, name: str) -> tuple[int, ...]:
        return dataset_of(self._file, name).shape

    def rows(self, name: str, start: int, stop: int) -> np.ndarray:
        return read_rows(dataset_of(self._file, name), start, stop)


@contextmanager
def _hdf5(path: Path) -> Iterator[Table]:
    with open_hdf5(path) as file:
        yield _HDF5(path, file)


class _Tree(Table):
    def __init__(self, reader: TreeReader):
        super().__init__(reader.path, reader.names)
        self._reader = reader

    def check(self, wanted: Sequence[str]) -> None:
        super().check([name for name in wanted if not self._reader.has(name)])
        for name in wanted:
            self._reader.find(name)

    def chunks(
        self, names: Sequence[str], size: int, start: int = 0
    ) -> Iterator[dict[str, np.ndarray | Lists]]:
        self.check(names)
        for array in self._reader.chunks(names, size, start):
            block = Block(self.path, array)
            yield {name: _from_awkward(block, array, name) for name in names}


def _from_awkward(block: Block, array: Any, name: str) -> np.ndarray | Lists:
    column = array[name]
    if column.ndim == 1:
        return block.numbers(name)
    if column.layout.purelist_isregular:  # an array of fixed size in each entry
        return require("awkward", "data").to_numpy(column)
    return Lists(*block.lists(name))


@contextmanager
def _root(path: Path, tree: str | None) -> Iterator[Table]:
    with open_tree(path, tree) as reader:
        yield _Tree(reader)


_OPEN = {"parquet": parquet_table, "hdf5": _hdf5, "npz": _npz}
