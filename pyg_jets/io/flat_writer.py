"""Writing of ragged tables as flat files: appended to in chunks, continued where interrupted.

NumPy itself cannot append to a ``.npy`` file, nor continue one after an interruption.

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

import io
import os
import time
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pyg_jets.errors import InputError
from pyg_jets.files import remove_unfinished
from pyg_jets.io.checksums import crc32, file_crc32, read_checked_json, write_checked_json
from pyg_jets.io.flat import META, map_column, open_flat

__all__ = ["FlatWriter", "join_flat"]

_JOURNAL = "journal.json"
#: Seconds between two entries of the journal; each waits for the disk.
_JOURNAL_INTERVAL = 2.0
#: Rows that are copied at once where a column is transposed, and jets where tables are joined.
_ROWS, _JETS = 1 << 20, 1 << 14


@dataclass
class _Column:
    """One growing ``.npy`` file, whose header is written again, in the same place, at the end.

    Rows after the first ``rows``, of which ``checksum`` is the CRC-32, are dropped.
    """

    path: Path
    dtype: np.dtype
    row_shape: tuple[int, ...]
    rows: int = 0
    checksum: int = 0
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
        self.stream.write(_header(self.dtype, (self.rows, *self.row_shape)))

    def append(self, values: np.ndarray) -> None:
        if values.shape[1:] != self.row_shape:
            raise InputError(
                f"{self.path.stem} has rows of shape {list(self.row_shape)} so far, "
                f"but now of {list(values.shape[1:])}: give the same columns in every chunk."
            )
        if values.size:
            content = np.ascontiguousarray(values, self.dtype).data.cast("B")
            self.stream.write(content)
            self.checksum = crc32(content, self.checksum)
        self.rows += len(values)

    def sync(self) -> None:
        self.stream.flush()
        os.fsync(self.stream.fileno())


def _header(dtype: np.dtype, shape: tuple[int, ...]) -> bytes:
    """The head of a ``.npy`` file; its length is the same for any number of rows."""
    stream = io.BytesIO()
    head = {"descr": dtype.str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, head)
    return stream.getvalue()


class FlatWriter:
    """Appends chunks of a ragged table to flat files; an interrupted table is continued.

    Args:
        folder: The folder, made if missing; a table that was not finished is continued from the
            last place in its journal, and what was written after that is dropped. It begins anew if
            what was written before is damaged. A finished table is overwritten.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / META).unlink(missing_ok=True)
        remove_unfinished(self.folder)
        self._columns: dict[str, _Column] = {}
        journal = self._read_journal()
        for name, (dtype, row_shape, rows, checksum) in journal["columns"].items():
            self._column(name, np.dtype(dtype), tuple(row_shape), rows, checksum)
        self.groups: dict[str, str | None] = journal["groups"]
        self.joined_last: list[str] = journal["joined_last"]
        self.place = journal["place"]
        self._journal_time = time.monotonic()

    def _read_journal(self) -> dict[str, Any]:
        """The journal; an empty one if there is none, or if it or what it tells of is damaged."""
        try:
            journal = read_checked_json(self.folder / _JOURNAL, with_checksum="columns")
            for name, (dtype, row_shape, rows, checksum) in journal["columns"].items():
                start = len(_header(np.dtype(dtype), (rows, *row_shape)))
                size = rows * np.dtype(dtype).itemsize * int(np.prod(row_shape, dtype=np.int64))
                path = self.folder / f"{name}.npy"
                if file_crc32(path, start, start + size) != checksum:
                    raise InputError(f"{path} is damaged.")
        except (OSError, ValueError):  # an earlier version wrote no checksums
            return {"columns": {}, "groups": {}, "joined_last": [], "place": None}
        return journal

    @property
    def place(self) -> Any:
        """Where in its source the next chunk begins, as given to :meth:`append`.

        To set it says that all rows up to here belong to what comes before this place.
        """
        return self._journal["place"]

    @place.setter
    def place(self, place: Any) -> None:
        columns = {
            name: (column.dtype.str, column.row_shape, column.rows, column.checksum)
            for name, column in self._columns.items()
        }
        layout = {"groups": dict(self.groups), "joined_last": self.joined_last}
        self._journal: dict[str, Any] = {"columns": columns, "place": place, **layout}

    def _column(
        self,
        name: str,
        dtype: np.dtype,
        row_shape: tuple[int, ...],
        rows: int = 0,
        checksum: int = 0,
    ) -> _Column:
        if name not in self._columns:
            path = self.folder / f"{name}.npy"
            self._columns[name] = _Column(path, dtype, row_shape, rows, checksum)
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
                gives back to whoever continues an interrupted table. Default: not known, and an
                interrupted table is continued from the last place that was given.

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
        self.joined_last = sorted(joined_last)
        if place is not None:
            self.place = place
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
        """Write the journal up to :attr:`place`, once all rows are on the disk."""
        self._sync()
        write_checked_json(self.folder / _JOURNAL, self._journal)
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
        arrays = {
            name: (column.dtype.str, (column.rows, *column.row_shape), column.checksum)
            for name, column in self._columns.items()
        }
        for name in self.joined_last:
            arrays[name] = _transpose(self.folder / f"{name}.npy")
        layout = {"groups": self.groups, "joined_last": self.joined_last, "arrays": arrays}
        write_checked_json(self.folder / META, {**meta, **layout})
        (self.folder / _JOURNAL).unlink(missing_ok=True)


def _transpose(path: Path) -> tuple[str, tuple[int, ...], int]:
    """Transpose a column on the disk, and return its dtype, shape and checksum then."""
    source = map_column(path)
    aside = path.with_suffix(".part")
    target = np.lib.format.open_memmap(aside, "w+", source.dtype, source.shape[::-1])
    for start in range(0, len(source), _ROWS):
        target[:, start : start + _ROWS] = source[start : start + _ROWS].T
    target.flush()
    checksum = 0
    for row in target:
        checksum = crc32(row, checksum)
    os.replace(aside, path)
    return target.dtype.str, target.shape, checksum


def join_flat(parts: Iterable[Path], writer: FlatWriter) -> None:
    """Append finished tables one after the other, in blocks.

    Args:
        parts: Their folders.
        writer: The table to append to.
    """
    for part in parts:
        table = open_flat(part, verify=True)
        for start in range(0, len(table), _JETS):
            columns, slices = table.cut(start, min(start + _JETS, len(table)))
            writer.append(columns, slices, table.joined_last)
