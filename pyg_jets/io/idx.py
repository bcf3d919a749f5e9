"""Files in the idx format of MNIST, plain or in gzip, read a few rows at a time."""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from pyg_jets.io.file_type import check_file, refusal

__all__ = ["IdxReader"]

_GZIP, _BYTES = b"\x1f\x8b", 0x08
_KINDS = {8: "uint8", 9: "int8", 11: "int16", 12: "int32", 13: "float32", 14: "float64"}
_BROKEN = (EOFError, zlib.error, gzip.BadGzipFile)
_SKIP = 1 << 22  # bytes thrown away at once on the way to a later row


class IdxReader:
    """The array of unsigned bytes in an idx file, by rows.

    Args:
        path: The file, as ``train-images-idx3-ubyte.gz``; packed or not is seen from its bytes.
        n_axes: How many axes its array must have.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is empty, cut short, of another kind or with other axes.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "labels-idx1-ubyte"
        >>> _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
        >>> with IdxReader(path, 1) as reader:
        ...     reader.shape, list(reader.chunks(2))
        ((3,), [array([7, 2], dtype=uint8), array([1], dtype=uint8)])
    """

    def __init__(self, path: str | Path, n_axes: int) -> None:
        self.path = check_file(path, "an idx file", (_GZIP, *(bytes([0, 0, k]) for k in _KINDS)))
        with self.path.open("rb") as file:
            packed = file.read(2) == _GZIP
        self._stream: Any = gzip.GzipFile(self.path) if packed else self.path.open("rb")
        try:
            self.shape = self._head(n_axes)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> IdxReader:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def _head(self, n_axes: int) -> tuple[int, ...]:
        magic = self._read(4)
        if magic[:2] != b"\0\0" or magic[2] not in _KINDS:
            found = f"a file of another kind (it begins with {magic!r})"
            raise refusal(self.path, found, f"an idx file of {n_axes} axes")
        if magic[2] != _BYTES or magic[3] != n_axes:
            found = f"an idx file of {_KINDS[magic[2]]} with {magic[3]} axes"
            raise refusal(self.path, found, f"one of uint8 with {n_axes}")
        return tuple(int(n) for n in np.frombuffer(self._read(4 * n_axes), ">u4"))

    def _read(self, n: int) -> bytes:
        with self._guard():
            found = self._stream.read(n)
        if len(found) < n:
            raise refusal(
                self.path, f"cut short ({n - len(found)} bytes are missing)", "a whole idx file"
            )
        return found

    @contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            yield
        except _BROKEN as error:
            found = f"cut short or damaged ({' '.join(str(error).split())})"
            raise refusal(self.path, found, "a whole gzip file") from None

    def chunks(self, size: int, start: int = 0) -> Iterator[np.ndarray]:
        """The rows from ``start`` on, ``size`` at once.

        Raises:
            ValueError: If the file holds fewer or more bytes than its head declares.
        """
        row, total = math.prod(self.shape[1:]), self.shape[0]
        left = min(start, total) * row
        while left:
            left -= len(self._read(min(_SKIP, left)))
        for first in range(start, total, size):
            count = min(size, total - first)
            values = np.frombuffer(self._read(count * row), np.uint8)
            if first + count == total:
                self._check_end()
            yield values.reshape(count, *self.shape[1:])

    def _check_end(self) -> None:
        with self._guard():  # gzip compares its checksum here
            more = self._stream.read(1)
        if more:
            raise refusal(
                self.path, f"longer than the {self.shape[0]:,} rows it declares", "a whole idx file"
            )
