"""Any file of jets as named columns of one row a jet: parquet, HDF5, ROOT, npz and npy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pyg_jets.errors import InputError
from pyg_jets.files import require
from pyg_jets.io.file_type import check_file, describe, refusal
from pyg_jets.io.hdf5 import dataset_of, open_hdf5, read_rows
from pyg_jets.io.npz import NpzReader
from pyg_jets.io.parquet import open_parquet, parquet_errors
from pyg_jets.io.root import FlatBranches, TreeReader, open_tree

__all__ = ["Lists", "Table", "open_table", "packages_for"]

_FORMATS = {
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
_LISTED = 30  # names in a message


class Lists(NamedTuple):
    """A column of a list a row: the lengths ``[J]``, and all values one after the other.

    Where the lists are of records, ``values`` has an array for each field.
    """

    counts: np.ndarray
    values: np.ndarray | Mapping[str, np.ndarray]


class Table(ABC):
    """Named columns of a file, one row a jet; :func:`open_table` makes one.

    Args:
        path: The file.
        names: Names of the columns.
    """

    def __init__(self, path: Path, names: Iterable[str]):
        self.path, self.names = path, tuple(names)

    def check(self, wanted: Sequence[str]) -> None:
        """Refuse names that the file does not have.

        Args:
            wanted: The names.

        Raises:
            ValueError: With the names that the file has.
        """
        missing = [name for name in wanted if name not in self.names]
        if missing:
            names = ", ".join(self.names[:_LISTED]) + ", …" * (len(self.names) > _LISTED)
            raise InputError(
                f"{self.path} has no {' and no '.join(map(repr, missing))}, it holds "
                f"{names or 'nothing'}: give the name that it has there."
            )

    @abstractmethod
    def chunks(
        self, names: Sequence[str], size: int, start: int = 0
    ) -> Iterator[dict[str, np.ndarray | Lists]]:
        """Read columns in ranges of rows.

        Args:
            names: The columns.
            size: Rows of a chunk, at most.
            start: The row to begin with.

        Yields:
            Columns of a number a row ``[J]``, of padded arrays ``[J, P, …]``, and of lists.

        Raises:
            ValueError: If a column is missing, damaged, or of another length than the others.
        """


def packages_for(path: str | Path) -> tuple[str, ...]:
    """The packages of the extra ``data`` that :func:`open_table` needs for a file.

    Args:
        path: The file.
    """
    path = Path(path)
    if not path.is_file():
        return ()
    return {"root": ("uproot",), "hdf5": ("h5py",)}.get(str(_format(path)), ())


def _format(path: Path) -> str | None:
    return _FORMATS.get(describe(path)) or _SUFFIXES.get(path.suffix.lower())


@contextmanager
def open_table(path: str | Path, tree: str | None = None) -> Iterator[Table]:
    """Open a file of jets, of the type that its first bytes show, or else its suffix.

    Args:
        path: The file.
        tree: The tree of a ROOT file; needed only if there are several.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is empty, cut short, or of no known type.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "jets.npz"
        >>> np.savez(path, X=np.ones((3, 5, 4)), y=[0, 1, 1])
        >>> with open_table(path) as table:
        ...     print(table.names, [chunk["X"].shape for chunk in table.chunks(["X"], 2)])
        ('X', 'y') [(2, 5, 4), (1, 5, 4)]
    """
    path = check_file(path, "a file of jets", (b"",))
    description, format = describe(path), _format(path)
    if format == "root":
        with open_tree(path, tree) as reader:
            yield _RootTable(reader)
    elif format == "hdf5":
        with open_hdf5(path) as file:
            yield _HDF5Table(path, file)
    elif format == "npz":
        with NpzReader(path) as arrays:
            yield _NpzTable(arrays)
    elif format == "parquet":
        check_file(path, "a parquet file", (b"PAR1",))
        with open_parquet(path) as file:
            yield _ParquetTable(path, file)
    else:
        expected = "a parquet, HDF5, ROOT, npz or npy file"
        raise refusal(path, description, expected, "convert it, or give the path of another file")


class _ArrayTable(Table):
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
            lengths = ", ".join(f"{name} has {n}" for name, n in counts.items())
            raise InputError(
                f"{self.path} has arrays of different numbers of rows ({lengths}), expected one "
                "row a jet in each: mend the file."
            )
        total = int(next(iter(counts.values()), 0))
        for first in range(start, total, size):
            stop = min(first + size, total)
            yield {name: self.rows(name, first, stop) for name in names}


class _NpzTable(_ArrayTable):
    def __init__(self, reader: NpzReader):
        super().__init__(reader.path, reader.names)
        self._reader = reader

    def shape(self, name: str) -> tuple[int, ...]:
        return self._reader.shape(name)

    def rows(self, name: str, start: int, stop: int) -> np.ndarray:
        return self._reader.rows(name, start, stop)


class _HDF5Table(_ArrayTable):
    def __init__(self, path: Path, file: Any):
        names: list[str] = []
        try:
            file.visititems(lambda name, item: names.extend([name] * hasattr(item, "dtype")))
        except Exception as error:  # h5py raises nearly anything for damaged bytes
            state = f"damaged ({' '.join(str(error).split())})"
            raise refusal(path, state, "a whole HDF5 file") from None
        super().__init__(path, names)
        self._file = file

    def shape(self, name: str) -> tuple[int, ...]:
        return dataset_of(self._file, name).shape

    def rows(self, name: str, start: int, stop: int) -> np.ndarray:
        return read_rows(dataset_of(self._file, name), start, stop)


class _RootTable(Table):
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
            flat = FlatBranches(self.path, array)
            yield {name: self._column(flat, array[name], name) for name in names}

    @staticmethod
    def _column(flat: FlatBranches, array: Any, name: str) -> np.ndarray | Lists:
        if array.ndim == 1 and array.layout.purelist_parameter("__array__") in (
            "string",
            "bytestring",
        ):
            return require("awkward", "data").to_numpy(array)
        if array.ndim == 1:
            return flat.numbers(name)
        if array.layout.purelist_isregular:  # an array of fixed size in each entry
            return require("awkward", "data").to_numpy(array)
        return Lists(*flat.lists(name))


class _ParquetTable(Table):
    def __init__(self, path: Path, file: Any):
        super().__init__(path, file.schema_arrow.names)
        self._file = file

    def chunks(
        self, names: Sequence[str], size: int, start: int = 0
    ) -> Iterator[dict[str, np.ndarray | Lists]]:
        self.check(names)
        meta = self._file.metadata
        ends = np.cumsum([meta.row_group(i).num_rows for i in range(meta.num_row_groups)])
        first = int(np.searchsorted(ends, start, side="right"))
        skip = start - (int(ends[first - 1]) if first else 0)
        groups = list(range(first, meta.num_row_groups))
        with parquet_errors(self.path):
            batches = self._file.iter_batches(size, groups, list(names)) if groups else iter(())
        while True:
            with parquet_errors(self.path):
                batch = next(batches, None)
            if batch is None:
                return
            if skip < batch.num_rows:
                rows = batch.slice(skip)
                yield {name: self._column(rows.column(name), name) for name in names}
            skip = max(skip - batch.num_rows, 0)

    def _column(self, array: Any, name: str) -> np.ndarray | Lists:
        import pyarrow as pa
        from pyarrow import types

        if isinstance(array.type, pa.BaseExtensionType):
            array = array.storage  # what its name stands for is left alone
        if types.is_list(array.type) or types.is_large_list(array.type):
            counts = np.asarray(array.value_lengths().fill_null(0), np.int64)
            return Lists(counts, self._values(array.flatten(), name))
        if types.is_fixed_size_list(array.type):  # padded
            values = self._values(array.flatten(), name)
            if isinstance(values, np.ndarray) and len(values) == len(array) * array.type.list_size:
                return values.reshape(len(array), -1)
            raise InputError(
                f"{self.path}: {name!r} holds {array.type} with gaps, expected plain lists: write "
                "it again."
            )
        return array.to_numpy(zero_copy_only=False)

    def _values(self, array: Any, name: str) -> np.ndarray | Mapping[str, np.ndarray]:
        import pyarrow as pa
        from pyarrow import types

        if isinstance(array.type, pa.BaseExtensionType):
            array = array.storage
        if types.is_struct(array.type):
            fields = [field.name for field in array.type]
            columns = dict(zip(fields, array.flatten(), strict=True))
            return {f: column.to_numpy(zero_copy_only=False) for f, column in columns.items()}
        if types.is_nested(array.type):
            raise InputError(
                f"{self.path}: {name!r} holds lists of {array.type}, expected lists of numbers: "
                "flatten them."
            )
        return array.to_numpy(zero_copy_only=False)
