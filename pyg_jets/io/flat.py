"""Ragged tables as flat files, one ``.npy`` a column, opened memory-mapped and checked.

A folder holds ``NAME.npy`` for each column, ``GROUP.ptr.npy`` for each pointer, and ``meta.json``,
with the dtype, the shape and the CRC-32 of each array; :class:`~pyg_jets.io.flat_writer.FlatWriter`
writes it last.

Opening a table compares the size, dtype and shape of each array with ``meta.json``, and checks the
pointers: their checksum, that they do not fall, and that they end with their column. The checksums
of the values are compared too where the table has up to 256 MiB; :func:`verify_flat` compares all.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from pyg_jets.errors import InputError, MissingFileError
from pyg_jets.io.checksums import file_crc32, file_identity, read_checked_json

__all__ = ["META", "FlatTable", "map_column", "open_flat", "verify_flat"]

#: The file of a finished table.
META = "meta.json"
#: Bytes of a table up to which opening it compares the checksums of all values, which takes 20 ms
#: with isal and 60 ms with zlib, of the second until a process has its first batch.
_CHECKED_BYTES = 1 << 28


def _read_head(path: Path) -> tuple[int, tuple[int, ...], np.dtype]:
    """Where the values of a ``.npy`` file begin, their shape and dtype."""
    try:
        with path.open("rb") as stream:
            np.lib.format.read_magic(stream)
            shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(stream)
            expected = stream.tell() + dtype.itemsize * math.prod(shape)
            if fortran_order or dtype.hasobject or any(n < 0 for n in shape):
                raise InputError("it holds another kind of array")
            size = path.stat().st_size
            if size != expected:
                raise InputError(f"it has {size} bytes, not {expected}")
            return stream.tell(), shape, dtype
    except OSError:
        raise
    except Exception as error:  # NumPy evaluates the head, and raises nearly anything
        reason = str(error).splitlines()[0][:100] if str(error) else type(error).__name__
        raise InputError(f"{path.name} is cut short or damaged: {reason}") from None


def map_column(path: Path, entry: Sequence[Any] | None = None) -> np.ndarray:
    """A column, memory-mapped copy-on-write, which torch takes without a warning."""
    start, shape, dtype = _read_head(path)
    if entry is not None and [dtype.str, list(shape)] != [entry[0], list(entry[1])]:
        raise InputError(f"{path.name} is damaged: it holds {dtype} {shape}, not {entry[:2]}")
    if 0 in shape:  # nothing to map
        return np.empty(shape, dtype)
    return np.memmap(path, dtype, "c", start, shape).view(np.ndarray)


def _check_values(path: Path, expected: int) -> None:
    """Compare the checksum of the values of an array, once in a process."""
    checksum = _values_crc32(path, file_identity(path))
    if checksum != expected:
        raise InputError(
            f"{path.name} is damaged: its values have the CRC {checksum:08x}, not {expected:08x}"
        )


@lru_cache(maxsize=4096)
def _values_crc32(path: Path, identity: tuple[int, ...]) -> int:
    return file_crc32(path, _read_head(path)[0])


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


def open_flat(folder: str | Path, verify: bool = False) -> FlatTable:
    """Open a finished table, memory-mapped, and check that it is whole.

    Args:
        folder: Its folder.
        verify: Whether to compare the checksums of all values, however large the table is.

    Raises:
        FileNotFoundError: If there is no finished table.
        ValueError: If a file is missing, cut short, damaged or not a column.
    """
    folder = Path(folder)
    if not (folder / META).is_file():
        raise MissingFileError(f"{folder} holds no finished table: make it again.")
    try:
        table, arrays = _open(folder)
        size = sum(column.nbytes for column in table.columns.values())
        for name, entry in arrays.items():
            if verify or size <= _CHECKED_BYTES or name.endswith(".ptr"):
                _check_values(folder / f"{name}.npy", entry[2])
        _check_pointers(table)
    except (OSError, ValueError, TypeError, IndexError) as error:
        reason = str(error).removeprefix(f"{folder}{os.sep}").removesuffix(": make it again.")
        raise InputError(f"{folder} is damaged ({reason}): make it again.") from None
    return table


def _open(folder: Path) -> tuple[FlatTable, dict[str, list]]:
    """A table, and dtype, shape and checksum of each array; none where an earlier version wrote."""
    meta = read_checked_json(folder / META, with_checksum="arrays")
    try:
        groups, arrays = dict(meta.pop("groups")), dict(meta.pop("arrays", {}))
        # Tables of version 0.1.0 have the former name of the key.
        joined_last = tuple(meta.pop("across" if "across" in meta else "joined_last"))
        names = {*groups, *(f"{group}.ptr" for group in groups.values() if group)}
        if not names or (arrays and set(arrays) != names):
            raise KeyError("arrays")
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{META} is not one of ours, it lacks {error}") from None
    maps = {name: map_column(_file_of(folder, name), arrays.get(name)) for name in names}
    ptrs = {name: g and maps[f"{g}.ptr"] for name, g in groups.items()}
    return FlatTable({name: maps[name] for name in groups}, ptrs, joined_last, meta), arrays


def _file_of(folder: Path, name: str) -> Path:
    if Path(name).name != name:
        raise InputError(f"its column {name!r} leads out of it")
    return folder / f"{name}.npy"


def _check_pointers(table: FlatTable) -> None:
    """Refuse pointers that fall, or do not fit their column or each other."""
    for name, ptr in table.slices.items():
        rows = table.columns[name].shape[-1 if name in table.joined_last else 0]
        if ptr is None:
            if rows != len(table):
                raise InputError(f"{name} has {rows} rows for {len(table)} jets")
        elif len(ptr) != len(table) + 1 or ptr[0] != 0 or ptr[-1] != rows:
            raise InputError(f"the pointer of {name} does not fit its {rows} rows")
    for ptr in {id(ptr): ptr for ptr in table.slices.values() if ptr is not None}.values():
        if not (ptr[1:] >= ptr[:-1]).all():
            raise InputError("a pointer falls")


def verify_flat(folder: str | Path) -> dict[str, str]:
    """Compare every array of a finished table with the checksum that was stored with it.

    Args:
        folder: Its folder.

    Returns:
        For each file ``"ok"``, ``"unverified"`` (an earlier version stored no checksum), or what is
        wrong with it.

    Examples:
        >>> import tempfile
        >>> from pyg_jets.io.flat_writer import FlatWriter
        >>> folder = Path(tempfile.mkdtemp())
        >>> writer = FlatWriter(folder)
        >>> writer.append({"y": np.arange(3)}, {"y": None})
        >>> writer.finish({})
        >>> verify_flat(folder)
        {'y.npy': 'ok', 'meta.json': 'ok'}
    """
    folder = Path(folder)
    checks: dict[str, str] = {}
    try:
        meta = read_checked_json(folder / META, with_checksum="arrays")
        arrays = dict(meta.get("arrays", {}))
        for name in arrays:
            file = _file_of(folder, name)
            try:
                map_column(file, arrays[name])
                _check_values(file, arrays[name][2])
                checks[file.name] = "ok"
            except (OSError, ValueError) as error:
                checks[file.name] = str(error).removeprefix(f"{file.name} is ")
        if arrays and set(checks.values()) <= {"ok"}:
            open_flat(folder)
        checks[META] = "ok" if arrays else "unverified"
    except (OSError, ValueError) as error:
        checks[META] = str(error).removeprefix(f"{folder / META} is ")
    return checks
