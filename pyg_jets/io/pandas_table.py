"""Tables that pandas wrote to HDF5 (``format="table"``), read with h5py alone.

pandas keeps the names of the columns in pickled attributes. They are never unpickled: the strings
are read off the opcodes.
"""

from __future__ import annotations

import pickletools
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from pyg_jets.errors import InputError
from pyg_jets.io.hdf5 import dataset_of, open_hdf5, read_rows

__all__ = ["PandasTable", "pickled_names"]

_STRINGS = {
    "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE",
    "BINUNICODE8",
}  # fmt: skip
_AROUND_STRINGS = {
    "PROTO", "FRAME", "MARK", "LIST", "EMPTY_LIST", "APPEND", "APPENDS", "TUPLE", "TUPLE1",
    "TUPLE2", "TUPLE3", "PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE", "STOP",
}  # fmt: skip


def pickled_names(pickled: bytes) -> list[str] | None:
    """Read a pickled list of strings off its opcodes; ``None`` if it is anything else.

    Examples:
        >>> import pickle
        >>> pickled_names(pickle.dumps(["E_0", "PX_0"]))
        ['E_0', 'PX_0']
        >>> pickled_names(pickle.dumps([print])) is None
        True
    """
    names: list[str] = []
    try:
        for opcode, argument, _ in pickletools.genops(pickled):
            if opcode.name in _STRINGS:
                names.append(str(argument))
            elif opcode.name not in _AROUND_STRINGS:
                return None
    except Exception:  # genops raises whatever the bytes lead it to
        return None
    return names


class PandasTable:
    """A data frame in an HDF5 file, by rows: no pandas, no pickle, one read for a range of rows.

    Args:
        path: The file.
        key: The key of the frame, as in ``DataFrame.to_hdf(path, key=...)``.
        order: Names of all columns in the order of their blocks, to fall back on where the file
            has no readable names.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is broken, has no such table, or neither names nor ``order``.

    Examples:
        >>> import tempfile, pathlib, h5py
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "train.h5"
        >>> rows = np.zeros(3, [("index", "i8"), ("values_block_0", "f4", 2)])
        >>> names = b"(lp1\\nS'E_0'\\np2\\naS'PX_0'\\na."
        >>> with h5py.File(path, "w") as file:
        ...     file["table/table"] = rows
        ...     file["table/table"].attrs["values_block_0_kind"] = names
        >>> with PandasTable(path) as table:
        ...     print(table.columns, table.num_rows, table.block_of("PX_0"))
        ...     table.take(table.rows(0, 2), ["PX_0"]).shape
        ('E_0', 'PX_0') 3 ('values_block_0', 1)
        (2, 1)
    """

    def __init__(
        self, path: str | Path, key: str = "table", order: Sequence[str] | None = None
    ) -> None:
        self.path, self.key = Path(path), key
        with ExitStack() as stack:
            file = stack.enter_context(open_hdf5(path))
            self._data = _table_of(file, key)
            self.dtype = self._data.dtype
            self._where = self._find_columns(order)
            self._known_places: dict[tuple[str, ...], list[tuple[np.dtype, int]]] = {}
            self._close = stack.pop_all()

    def __enter__(self) -> PandasTable:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; rows that were read stay."""
        self._close.close()

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, block by block."""
        return tuple(self._where)

    @property
    def num_rows(self) -> int:
        """Number of rows."""
        return self._data.shape[0]

    def block_of(self, name: str) -> tuple[str, int]:
        """The block of a column, and its position in it.

        Raises:
            ValueError: If there is no such column.
        """
        if name not in self._where:
            held = ", ".join(self.columns[:20]) + ", …" * (len(self.columns) > 20)
            raise InputError(
                f"{self.path}: table {self.key!r} has no column {name!r}, it has {held}: give a "
                "file of this layout, or the name that it has there."
            )
        return self._where[name]

    def rows(self, start: int, stop: int) -> np.ndarray:
        """Read a range of rows, whole, as they stand in the file.

        Returns:
            A structured array, for :meth:`take`.

        Raises:
            ValueError: If the file is damaged there, or packed by a filter that is not installed.
        """
        return read_rows(self._data, start, stop)

    def take(self, rows: np.ndarray, names: Sequence[str]) -> np.ndarray:
        """Columns of rows, as ``[rows, len(names)]``.

        A view, without a copy, where the columns stand at equal distances in the row.

        Args:
            rows: What :meth:`rows` gave.
            names: The columns, in any order.

        Raises:
            ValueError: If there is no such column.
        """
        places = self._places(tuple(names))
        kinds = {dtype for dtype, _ in places}
        if len(kinds) > 1:
            return np.stack([_strided(rows, *place, 1, 1)[:, 0] for place in places], 1)
        if not places:
            return np.empty((len(rows), 0))
        return _gather(rows, kinds.pop(), np.array([offset for _, offset in places]))

    def _places(self, names: tuple[str, ...]) -> list[tuple[np.dtype, int]]:
        if names not in self._known_places:  # hundreds of names, the same for every chunk
            self._known_places[names] = [self._place(name) for name in names]
        return self._known_places[names]

    def _place(self, name: str) -> tuple[np.dtype, int]:
        block, position = self.block_of(name)
        field, offset = self.dtype.fields[block][:2]
        return field.base, offset + position * field.base.itemsize

    def _find_columns(self, order: Sequence[str] | None) -> dict[str, tuple[str, int]]:
        names = {block: self._names_of(block) for block in self.dtype.names if block != "index"}
        known = {name for found in names.values() for name in found or ()}
        spare = [name for name in order or () if name not in known]
        where: dict[str, tuple[str, int]] = {}
        for block, found in names.items():
            width = _width(self.dtype[block])
            if found is None:
                found, spare = spare[:width], spare[width:]
            if len(set(found)) != width or not where.keys().isdisjoint(found):
                raise InputError(
                    f"{self.path}: table {self.key!r} does not name the {width} columns of its "
                    f"{block}, and order= leaves {len(found)} names for them, expected {width} "
                    "different ones: give all names of the published layout as order=."
                )
            where |= {name: (block, position) for position, name in enumerate(found)}
        return where

    def _names_of(self, block: str) -> list[str] | None:
        """Names of a block as the file gives them, if they are whole."""
        width = _width(self.dtype[block])
        names = pickled_names(_attribute(self._data, f"{block}_kind"))
        if names is None or len(names) != width or len(set(names)) != width:
            # A column of its own is a field of its own name.
            own = not block.startswith("values_block_") and not self.dtype[block].shape
            return [block] if own else None
        return names


def _table_of(file: Any, key: str) -> Any:
    if f"{key}/axis0" in file and f"{key}/table" not in file:
        raise InputError(
            f"{file.filename}: frame {key!r} is in pandas' fixed format, expected a table: write "
            'it again with DataFrame.to_hdf(..., format="table").'
        )
    if key not in file:
        dataset_of(file, key)  # says what is there
    data = dataset_of(file, f"{key}/table", shape=(None,), kind="V")
    if not data.dtype.names:
        raise InputError(
            f"{file.filename}: dataset {key + '/table'!r} has dtype {data.dtype}, expected rows of "
            "columns: give a table that pandas wrote."
        )
    return data


def _attribute(data: Any, name: str) -> bytes:
    try:
        value = data.attrs.get(name, b"")
    except (OSError, RuntimeError, TypeError, ValueError):  # of a kind that h5py cannot read
        return b""
    if isinstance(value, str):
        return value.encode(errors="surrogateescape")
    return value if isinstance(value, bytes) else getattr(value, "tobytes", bytes)()


def _width(field: np.dtype) -> int:
    return int(np.prod(field.shape, dtype=int))


def _gather(rows: np.ndarray, dtype: np.dtype, offsets: np.ndarray) -> np.ndarray:
    first, gaps = int(offsets[0]), np.diff(offsets)
    even = len(gaps) == 0 or (gaps[0] > 0 and (gaps == gaps[0]).all())
    step = int(gaps[0]) if even and len(gaps) else dtype.itemsize
    if even and step % dtype.itemsize == 0:
        return _strided(rows, dtype, first, len(offsets), step // dtype.itemsize)
    first = int(offsets.min())
    places, rest = np.divmod(offsets - first, dtype.itemsize)
    if rest.any():
        return np.stack([_strided(rows, dtype, int(o), 1, 1)[:, 0] for o in offsets], 1)
    return _strided(rows, dtype, first, int(places.max()) + 1, 1).take(places, 1)


def _strided(rows: np.ndarray, dtype: np.dtype, offset: int, count: int, step: int) -> np.ndarray:
    """View ``count`` columns of each row, ``step`` apart, the first at ``offset`` bytes."""
    span = (count - 1) * step + 1
    view = np.dtype(
        {
            "names": ["x"],
            "formats": [(dtype, (span,))],
            "offsets": [offset],
            "itemsize": rows.dtype.itemsize,
        }
    )
    return rows.view(view)["x"][:, ::step]
