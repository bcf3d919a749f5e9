"""NumPy's npz and npy files, read a few rows at a time.

``numpy.load`` reads an array of an npz file whole, which for public sets takes gigabytes. Here
stored arrays are mapped, and compressed ones inflated as a stream.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from pyg_jets.errors import InputError
from pyg_jets.io.checksums import file_crc32
from pyg_jets.io.file_type import check_file, describe, refusal
from pyg_jets.io.inflate import data_offset, open_member

__all__ = ["NpzReader"]

_MAGIC = (b"PK\x03\x04", b"PK\x05\x06", b"\x93NUMPY")
_SKIP = 1 << 22  # bytes thrown away at once on the way to a later row


class NpzReader:
    """Arrays of an ``.npz`` file, or the one of an ``.npy`` file (as ``arr_0``), by rows.

    A compressed array is inflated once if its rows are asked for in order. Nothing is ever
    unpickled.

    Args:
        path: The file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is empty, cut short or of another kind.

    Examples:
        >>> import tempfile, pathlib
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "jets.npz"
        >>> np.savez_compressed(path, X=np.arange(12.0).reshape(4, 3), y=[0, 1, 1, 0])
        >>> with NpzReader(path) as reader:
        ...     print(reader.names, reader.shape("X"), reader.rows("y", 1, 3))
        ...     [chunk["X"].shape for chunk in reader.chunks(["X", "y"], 3)]
        ('X', 'y') (4, 3) [1 1]
        [(3, 3), (1, 3)]
    """

    def __init__(self, path: str | Path) -> None:
        self.path = check_file(path, "an npz or npy file", _MAGIC)
        self._infos: dict[str, zipfile.ZipInfo | None] = {"arr_0": None}
        self._arrays: dict[str, _MappedArray | _InflatedArray] = {}
        if describe(self.path) == "a NumPy .npy file":
            return
        try:
            with zipfile.ZipFile(self.path) as archive:
                infos = archive.infolist()
        except Exception as error:  # zipfile raises nearly anything for damaged bytes
            state = f"a zip archive that is cut short or damaged ({error})"
            raise refusal(self.path, state, "a whole npz file") from None
        arrays = [info for info in infos if info.filename.endswith(".npy")]
        self._infos = {info.filename.removesuffix(".npy"): info for info in arrays}

    def __enter__(self) -> NpzReader:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; arrays that were read stay usable."""
        for array in self._arrays.values():
            array.close()
        self._arrays.clear()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all arrays, in the order of the file."""
        return tuple(self._infos)

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of an array, from its header.

        Args:
            name: The array.
        """
        return self._array(name).shape

    def dtype(self, name: str) -> np.dtype:
        """The dtype of an array, from its header.

        Args:
            name: The array.
        """
        return self._array(name).dtype

    def rows(self, name: str, start: int, stop: int) -> np.ndarray:
        """Read the rows from ``start`` to ``stop``, or to the end where that comes first.

        Args:
            name: The array.
            start: The first row.
            stop: The row after the last.

        Raises:
            ValueError: If the array is missing, damaged, of Python objects, or a single value.
        """
        array = self._array(name)
        if not array.shape:
            raise InputError(
                f"{self.path}: array {name!r} is a single value, expected one row a jet: give the "
                "name of another."
            )
        start, stop, _ = slice(start, stop).indices(array.shape[0])
        if stop <= start:
            return np.empty((0, *array.shape[1:]), array.dtype)
        with self._errors_of(name):
            return array.rows(start, stop)

    def chunks(
        self, names: Sequence[str], size: int, start: int = 0
    ) -> Iterator[dict[str, np.ndarray]]:
        """Read several arrays in step.

        Args:
            names: The arrays, of equally many rows.
            size: Rows of a chunk; the last may have fewer.
            start: The row to begin with.

        Raises:
            ValueError: As :meth:`rows`, or if the arrays have different numbers of rows.
        """
        counts = {name: self.shape(name)[:1] for name in names}
        if len(set(counts.values())) > 1:
            lengths = ", ".join(f"{name}: {n[0] if n else 'no'}" for name, n in counts.items())
            raise InputError(
                f"{self.path} has arrays of different numbers of rows ({lengths}), expected one "
                "row a jet in each: write it again, or, if it was downloaded, delete it and fetch "
                "it again."
            )
        total = max((n[0] if n else 1 for n in counts.values()), default=0)
        for first in range(start, total, size):
            yield {name: self.rows(name, first, first + size) for name in names}

    def _array(self, name: str) -> _MappedArray | _InflatedArray:
        if name not in self._infos:
            raise InputError(
                f"{self.path} has no array {name!r}, it holds {', '.join(self.names) or 'nothing'}"
                ": give a file of this layout, or the name that it has there."
            )
        if name not in self._arrays:
            info = self._infos[name]
            array: _MappedArray | _InflatedArray
            with self._errors_of(name):
                if info is None:  # an npy file
                    array = _MappedArray(self.path, 0, self.path.stat().st_size)
                elif info.compress_type == zipfile.ZIP_STORED:
                    begin = data_offset(self.path, info)
                    array = _MappedArray(self.path, begin, info.file_size, info.CRC)
                else:
                    array = _InflatedArray(self.path, info)
            if array.dtype.hasobject:
                array.close()
                raise InputError(
                    f"{self.path}: array {name!r} holds Python objects ({array.dtype}), expected "
                    "numbers: to read it would run a pickle; save it again with a plain dtype."
                )
            self._arrays[name] = array
        return self._arrays[name]

    @contextmanager
    def _errors_of(self, name: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # as do NumPy, which evaluates a header, and zlib
            state = f"damaged in array {name!r} ({' '.join(str(error).split())})"
            raise refusal(self.path, state, "a whole npz or npy file") from None


class _MappedArray:
    """An array whose bytes stand in the file as they are.

    Their CRC, where there is one, is compared once, before the first rows are read.
    """

    def __init__(self, path: Path, begin: int, size: int, crc: int | None = None) -> None:
        self.path = path
        self._bytes, self._crc = (begin, begin + size), crc
        with path.open("rb") as file:
            file.seek(begin)
            self.shape, self._fortran, self.dtype = _read_header(file)
            self._begin = file.tell()
        _check_size(self, size - (self._begin - begin))

    def rows(self, start: int, stop: int) -> np.ndarray:
        if not math.prod(self.shape[1:]) * self.dtype.itemsize:
            return np.empty((stop - start, *self.shape[1:]), self.dtype)
        if self._crc is not None:
            if (own := file_crc32(self.path, *self._bytes)) != self._crc:
                raise InputError(f"its CRC is {own:08x}, the archive promises {self._crc:08x}")
            self._crc = None
        if self._fortran:
            return np.array(self._map(self._begin, self.shape, "F")[start:stop])
        # A map for each read: the pages of rows that were let go are let go with them.
        row = math.prod(self.shape[1:]) * self.dtype.itemsize
        return self._map(self._begin + start * row, (stop - start, *self.shape[1:]), "C")

    def _map(self, offset: int, shape: tuple[int, ...], order: Any) -> np.ndarray:
        # Copy on write, so that the rows can be changed and handed to torch like any others.
        mapped = np.memmap(self.path, self.dtype, "c", offset, shape, order)
        return mapped.view(np.ndarray)

    def close(self) -> None:
        """Nothing is open."""


class _InflatedArray:
    """An array that has to be inflated from its beginning."""

    def __init__(self, path: Path, info: zipfile.ZipInfo) -> None:
        self.path, self._info = path, info
        self._stream = open_member(path, info)
        try:
            self._start()
            _check_size(self, info.file_size - self._stream.tell())
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        self._row = 0
        self.shape, fortran, self.dtype = _read_header(self._stream)
        if fortran:
            raise InputError("it is compressed column by column: save it again in C order")

    def rows(self, start: int, stop: int) -> np.ndarray:
        if start < self._row:
            self.close()
            self._stream = open_member(self.path, self._info)
            self._start()
        row = math.prod(self.shape[1:]) * self.dtype.itemsize
        to_skip = (start - self._row) * row
        while to_skip:
            scrap = bytearray(min(_SKIP, to_skip))
            self._fill(scrap)
            to_skip -= len(scrap)
        out = np.empty((stop - start, *self.shape[1:]), self.dtype)
        self._fill(out.reshape(-1).view(np.uint8) if row else bytearray())
        self._row = stop
        if stop == self.shape[0] and self._stream.read(1):  # meets the end, where the CRC stands
            raise InputError(f"more follows after its {stop} rows")
        return out

    def _fill(self, buffer: Any) -> None:
        count = self._stream.readinto(buffer)
        if count < len(buffer):
            raise EOFError(f"it ends {len(buffer) - count} bytes early")

    def close(self) -> None:
        self._stream.close()


def _read_header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(file)
    raise InputError(f"its format has version {version}, expected (1, 0) or (2, 0)")


def _check_size(array: _MappedArray | _InflatedArray, size: int) -> None:
    needed = math.prod(array.shape) * array.dtype.itemsize
    if size != needed and not array.dtype.hasobject:
        raise InputError(f"shape {array.shape} needs {needed} bytes, there are {size}")
