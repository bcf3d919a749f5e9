"""Files in the idx format of MNIST, plain or in gzip.

torchvision reads them too, but is no dependency for the sake of one format.
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from pyg_jets.io.file_type import check_file, refusal

__all__ = ["read_idx"]

_GZIP = b"\x1f\x8b"
_UINT8 = 0x08
_DTYPES = {_UINT8: "uint8", 9: "int8", 11: "int16", 12: "int32", 13: "float32", 14: "float64"}


def read_idx(path: str | Path, n_axes: int) -> np.ndarray:
    """Read an array of unsigned bytes.

    The file begins with two zeros, a byte for the dtype and one for the number of axes, and the
    length of each axis as a big-endian 32-bit integer.

    Args:
        path: The file, as ``train-images-idx3-ubyte.gz``; its first bytes tell whether it is
            compressed.
        n_axes: How many axes the array must have.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is empty, cut short, too long, of another type or with other axes.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "labels-idx1-ubyte"
        >>> _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
        >>> read_idx(path, 1)
        array([7, 2, 1], dtype=uint8)
    """
    path = check_file(path, "an idx file", (_GZIP, *(bytes([0, 0, code]) for code in _DTYPES)))
    content = path.read_bytes()
    if content.startswith(_GZIP):
        try:
            content = gzip.decompress(content)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            state = f"cut short or damaged ({' '.join(str(error).split())})"
            raise refusal(path, state, "a whole gzip file") from None
    begin = 4 + 4 * n_axes
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _DTYPES:
        state = f"a file of another kind (it begins with {content[:4]!r})"
        raise refusal(path, state, f"an idx file of {n_axes} axes")
    if content[2] != _UINT8 or content[3] != n_axes:
        state = f"an idx file of {_DTYPES[content[2]]} with {content[3]} axes"
        raise refusal(path, state, f"one of uint8 with {n_axes}")
    if len(content) < begin:
        raise refusal(path, "cut short (it ends inside its head)", "a whole idx file")
    shape = tuple(int(n) for n in np.frombuffer(content[4:begin], ">u4"))
    missing = begin + math.prod(shape) - len(content)
    if missing > 0:
        raise refusal(path, f"cut short ({missing} bytes are missing)", "a whole idx file")
    if missing < 0:
        raise refusal(path, f"longer than the {shape[0]:,} rows it declares", "a whole idx file")
    return np.frombuffer(content, np.uint8, offset=begin).reshape(shape)
