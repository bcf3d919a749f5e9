"""Ragged tables as flat files, one ``.npy`` a column: appended to in chunks, opened memory-mapped.

A folder holds ``NAME.npy`` for each column, ``GROUP.ptr.npy`` for each pointer, and ``meta.json``,
which is written last. NumPy itself cannot append to a ``.npy`` file, nor continue one after an
interruption.

Examples:
    >>> import tempfile, pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp()) / "jets"
    >>> writer = FlatWriter(folder)
    >>> ptr = np.array([0, 1, 3])
    >>> for _ in range(2):
    ...     writer.append({"x": np.ones((3, 2)), "y": np.array([0, 1])}, {"x": ptr, "y": None})
    >>> writer.finish({"by": "me"})
    >>> table = open_flat(folder)
    >>> len(table), table.columns["x"].shape, table.slices["x"].tolist(), table.meta
    (4, (6, 2), [0, 1, 3, 4, 6], {'by': 'me'})
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pyg_jets.errors import InputError, MissingFileError
from pyg_jets.files import read_json, write_json

__all__ = ["FlatTable", "FlatWriter", "join_flat", "open_flat"]

_META, _JOURNAL = "meta.json", "journal.json"
#: Seconds between two entries of the journal; each waits for the disk.
_JOURNAL_INTERVAL = 2.0
#: Rows that are copied at once where a column is transposed, and jets where tables are joined.
_ROWS, _JETS = 1 << 20, 1 << 14


@dataclass
class _Column:
    """One growing ``.npy`` file, whose header is written again, in the same place, at the end."""

    path: Path
    dtype: np.dtype
    row_shape: tuple[int, ...]
    rows: int = 0
    stream: BinaryIO = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.stream = self.path.open("r+b" if self.path.exists() else "w+b")
        self.write_header()
        self.start = self.stream.tell()
        self.stream.seek(self.start + self.rows * self.row_bytes)
        self.stream.truncate()

    @property
    def row_bytes(self) -> int:
        return self.dtype.itemsize * int(np.prod(self.row_shape, dtype=np.int64))

    def write_header(self) -> None:
        self.stream.seek(0)
        head = {
            "descr": self.dtype.str,
            "fortran_order": False,
            "shape": (self.rows, *self.row_shape),
        }
        np.lib.format.write_array_header_1_0(self.stream, head)

    def append(self, values: np.ndarray) -> None:
        if values.shape[1:] != self.row_shape:
            raise InputError(
                f"{self.path.stem} has rows of shape {list(self.row_shape)} so far, "
                f"but now of {list(values.shape[1:])}: give the same columns in every chunk."
            )
        if values.size:
            self.stream.write(np.ascontiguousarray(values, self.dtype).data.cast("B"))
        self.rows += len(values)

    def sync(self) -> None:
        self.stream.flush()
        os.fsync(self.stream.fileno())


class FlatWriter:
    """Appends chunks of a ragged table to flat files; an interrupted table is continued.

    Args:
        folder: The folder, made if missing; one that was not finished is continued from the last
            entry of its journal, and what was written after that is dropped.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        journal = self.folder / _JOURNAL
        state = read_json(journal) if journal.exists() else {"columns": {}, "place": None}
        #: Where in its source the next chunk begins, as given to :meth:`append`.
        self.place: Any = state["place"]
        self.groups: dict[str, str | None] = {}
        self.joined_last: list[str] = []
        self._columns: dict[str, _Column] = {}
        for name, (dtype, row_shape, rows) in state["columns"].items():
            self._column(name, np.dtype(dtype), tuple(row_shape), rows)
        self.groups, self.joined_last = state.get("groups", {}), state.get("joined_last", [])
        self._journal_time = time.monotonic()

    def _column(
        self, name: str, dtype: np.dtype, row_shape: tuple[int, ...], rows: int = 0
    ) -> _Column:
        if name not in self._columns:
            path = self.folder / f"{name}.npy"
            self._columns[name] = _Column(path, dtype, row_shape, rows)
        return self._columns[name]

    @property
    def rows(self) -> int:
        """Rows of the longest column so far, pointers aside."""
        return max((self._columns[n].rows for n in self.groups), default=0)

    def append(
        self,
        columns: Mapping[str, np.ndarray],
        slices: Mapping[str, np.ndarray | None],
        joined_last: Collection[str] = (),
        place: Any = None,
    ) -> None:
        """Append a chunk.

        Args:
            columns: The values ``{name: [rows, …]}``.
            slices: The pointer of each column within the chunk, or ``None`` for one row a jet.
                Columns that share their pointer, as one object, share its file.
            joined_last: Names of columns that are joined along their last dimension, as PyG's
                ``edge_index``, of shape ``[K, rows]`` here as in the finished table.
            place: Where in its source the next chunk begins (plain values), which :attr:`place`
                gives back to whoever continues an interrupted table.

        Raises:
            ValueError: If the columns are not those of the chunks before.
        """
        self._check(columns)
        owner: dict[int, str] = {}
        for name, values in columns.items():
            ptr = slices[name]
            if ptr is None:
                self.groups[name] = None
            elif id(ptr) in owner:
                self.groups[name] = owner[id(ptr)]
            else:
                owner[id(ptr)] = self.groups[name] = name
                self._append_ptr(name, ptr)
            rows = values.T if name in joined_last else values
            self._column(name, rows.dtype, rows.shape[1:]).append(rows)
        self.joined_last, self.place = sorted(joined_last), place
        if time.monotonic() - self._journal_time > _JOURNAL_INTERVAL:
            self.save_progress()

    def _check(self, columns: Mapping[str, Any]) -> None:
        if self.groups and set(columns) != set(self.groups):
            differing = ", ".join(sorted(set(columns) ^ set(self.groups)))
            raise InputError(
                f"Expected the columns of the chunks before ({', '.join(self.groups)}), but "
                f"{differing} is in only one of them: give jets that have the same columns."
            )

    def _append_ptr(self, group: str, ptr: np.ndarray) -> None:
        name = f"{group}.ptr"
        new = name not in self._columns
        column = self._column(name, np.dtype(np.int64), ())
        rows = self._columns[group].rows if group in self._columns else 0
        column.append(rows + (ptr if new else ptr[1:]) - ptr[0])

    def _sync(self) -> None:
        # In parallel: one after the other, each file would wait for the disk by itself.
        with ThreadPoolExecutor(max(len(self._columns), 1)) as pool:
            list(pool.map(_Column.sync, self._columns.values()))

    def save_progress(self) -> None:
        """Write the journal, once all rows are on the disk."""
        self._sync()
        columns = {n: (c.dtype.str, c.row_shape, c.rows) for n, c in self._columns.items()}
        layout = {"groups": self.groups, "joined_last": self.joined_last}
        state = {"columns": columns, "place": self.place}
        write_json(self.folder / _JOURNAL, state | layout)
        self._journal_time = time.monotonic()

    def close(self) -> None:
        """Write the journal and close the files; the table can be continued."""
        self.save_progress()
        for column in self._columns.values():
            column.stream.close()

    def finish(self, meta: Mapping[str, Any]) -> None:
        """Complete the table.

        Args:
            meta: Plain values to store beside it.
        """
        for column in self._columns.values():
            column.write_header()
        self._sync()
        for column in self._columns.values():
            column.stream.close()
        for name in self.joined_last:
            _transpose(self.folder / f"{name}.npy")
        layout = {"groups": self.groups, "joined_last": self.joined_last}
        write_json(self.folder / _META, {**meta, **layout})
        (self.folder / _JOURNAL).unlink(missing_ok=True)


def _transpose(path: Path) -> None:
    source = _map(path)
    aside = path.with_suffix(".part")
    target = np.lib.format.open_memmap(aside, "w+", source.dtype, source.shape[::-1])
    for start in range(0, len(source), _ROWS):
        target[:, start : start + _ROWS] = source[start : start + _ROWS].T
    target.flush()
    os.replace(aside, path)


def _map(path: Path) -> np.ndarray:
    """A column, memory-mapped copy-on-write, which torch takes without a warning."""
    with path.open("rb") as stream:
        np.lib.format.read_magic(stream)
        shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
        if 0 in shape:  # nothing to map
            return np.empty(shape, dtype)
        expected = stream.tell() + dtype.itemsize * int(np.prod(shape, dtype=np.int64))
    size = path.stat().st_size
    if size != expected:
        raise InputError(f"{path.name} has {size} bytes, not {expected}")
    return np.load(path, mmap_mode="c", allow_pickle=False)


@dataclass(frozen=True)
class FlatTable:
    """An opened table.

    Args:
        columns: The values ``{name: [rows, …]}``, memory-mapped.
        slices: The pointer ``[J + 1]`` of each column, or ``None`` for one row a jet.
        joined_last: The columns that are joined along their last dimension, ``[K, rows]``.
        meta: The plain values that are stored beside it.
    """

    columns: dict[str, np.ndarray]
    slices: dict[str, np.ndarray | None]
    joined_last: tuple[str, ...]
    meta: dict[str, Any]

    def __len__(self) -> int:
        name, ptr = next(iter(self.slices.items()))
        return len(self.columns[name]) if ptr is None else len(ptr) - 1

    def cut(self, start: int, stop: int) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Columns and slices of the jets ``start … stop - 1``; shared slices stay shared.

        Args:
            start: The first jet.
            stop: The jet after the last.
        """
        ptrs = {id(p): p[start : stop + 1] for p in self.slices.values() if p is not None}
        columns, slices = {}, {}
        for name, ptr in self.slices.items():
            slices[name] = None if ptr is None else ptrs[id(ptr)]
            a, b = (start, stop) if ptr is None else (ptr[start], ptr[stop])
            values = self.columns[name]
            columns[name] = values[..., a:b] if name in self.joined_last else values[a:b]
        return columns, slices


def open_flat(folder: str | Path) -> FlatTable:
    """Open a finished table, memory-mapped.

    Args:
        folder: Its folder.

    Raises:
        FileNotFoundError: If there is no finished table.
        ValueError: If a file is missing, cut short or not a column.
    """
    folder = Path(folder)
    if not (folder / _META).is_file():
        raise MissingFileError(f"{folder} holds no finished table: make it again.")
    meta = read_json(folder / _META)
    try:
        groups = meta.pop("groups")
        if outside := [n for n in {*groups, *groups.values()} if n and Path(n).name != n]:
            raise InputError(f"its column {outside[0]!r} leads out of it")
        # Tables of version 0.1.0 have the former name of the key.
        joined_last = tuple(meta.pop("across" if "across" in meta else "joined_last"))
        columns = {name: _map(folder / f"{name}.npy") for name in groups}
        ptrs = {g: _map(folder / f"{g}.ptr.npy") for g in {g for g in groups.values() if g}}
    except (OSError, ValueError, EOFError, KeyError, AttributeError) as error:
        raise InputError(f"{folder} is cut short or not ours ({error})") from None
    return FlatTable(columns, {n: g and ptrs[g] for n, g in groups.items()}, joined_last, meta)


def join_flat(parts: Iterable[Path], writer: FlatWriter) -> None:
    """Append finished tables one after the other, in blocks.

    Args:
        parts: Their folders.
        writer: The table to append to.
    """
    for part in parts:
        table = open_flat(part)
        for start in range(0, len(table), _JETS):
            columns, slices = table.cut(start, min(start + _JETS, len(table)))
            writer.append(columns, slices, table.joined_last)
