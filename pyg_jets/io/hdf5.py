"""HDF5 files through h5py, with a sentence for each way in which they can be broken."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from pyg_jets.errors import InputError
from pyg_jets.files import require
from pyg_jets.io.hdf5_chunks import read_chunked
from pyg_jets.io.sniff import check_file, refusal

__all__ = ["dataset_of", "names_of", "open_hdf5", "read_rows"]

_EXPECTED = "an HDF5 file"
_WHOLE = "a whole HDF5 file"
_MAGIC = (b"\x89HDF\r\n\x1a\n",)
_OFFSETS = (0, 512, 1024, 2048)  # a user block may stand before the magic bytes
_CHUNK_CACHE = 1 << 26  # a chunk that two reads share is inflated once
_KINDS = {"f": "floating-point", "i": "signed integer", "u": "unsigned integer"}


@contextmanager
def open_hdf5(path: str | Path) -> Iterator[Any]:
    """Give the ``h5py.File`` of ``path``, open for reading, with the filters of hdf5plugin.

    Args:
        path: The file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is empty, cut short, or no HDF5 file.

    Examples:
        >>> import tempfile, pathlib, h5py
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "jets.h5"
        >>> with h5py.File(path, "w") as file:
        ...     file["pt"] = [500.0, 510.0, 520.0]
        >>> with open_hdf5(path) as file:
        ...     read_rows(dataset_of(file, "pt", (None,), "f"), 1, 3)
        array([510., 520.])
    """
    path = check_file(path, _EXPECTED, _MAGIC, _OFFSETS)
    h5py = require("h5py", "data")
    _has_plugins()
    try:
        file = h5py.File(path, "r", rdcc_nbytes=_CHUNK_CACHE, rdcc_w0=1.0)
    except (OSError, RuntimeError, ValueError) as error:
        if any(words in str(error) for words in ("lock file", "file locking", "already open")):
            found, remedy = f"open elsewhere ({error})", "wait until it is written, or close it"
            raise refusal(path, found, "a file that nobody writes", remedy) from None
        raise refusal(path, _broken(error), _WHOLE) from None
    with file:
        yield file


def _has_plugins() -> bool:
    try:
        import_module("hdf5plugin")
    except ImportError:
        return False
    return True


def _broken(error: Exception) -> str:
    reason = " ".join(str(error).split())
    if "truncated" in reason or "eof" in reason:
        return f"cut short ({reason})"
    return f"damaged ({reason})"


def dataset_of(
    file: Any, key: str, shape: Sequence[int | None] | None = None, kind: str | None = None
) -> Any:
    """Return the dataset ``key`` of a file, checked.

    Args:
        file: The open file, or a group of one.
        key: The name of the dataset.
        shape: The length of each axis, ``None`` for any. Default: any number of axes.
        kind: Letters of NumPy's kinds that are taken, as ``"f"``, ``"iu"``, ``"fiu"``.

    Raises:
        ValueError: If it is missing, a group, or of another shape or kind.
    """
    name = file.file.filename
    data = _get(file, key)
    if data is None:
        held = ", ".join(_held(file)) or "nothing"
        raise InputError(
            f"{name} has no dataset {key!r}, it holds {held}: give a file of this layout, or the "
            "name that it has there."
        )
    if shape is not None and not _fits(data.shape, shape):
        raise InputError(
            f"{name}: dataset {key!r} has shape {data.shape}, expected "
            f"({', '.join('any' if n is None else str(n) for n in shape)}): give a file of this "
            "layout."
        )
    if kind is not None and data.dtype.kind not in kind:
        kinds = " or ".join(_KINDS.get(letter, f"kind {letter!r}") for letter in kind)
        raise InputError(
            f"{name}: dataset {key!r} has dtype {data.dtype}, expected {kinds}: give a file of "
            "this layout."
        )
    return data


def _get(file: Any, key: str) -> Any:
    h5py = require("h5py", "data")
    try:
        found = file.get(key)
        # The shape and dtype are read here, so that a damaged header is met here.
        return found if isinstance(found, h5py.Dataset) and (found.shape, found.dtype) else None
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        found = f"{_broken(error)} at {key!r}"
        raise refusal(file.file.filename, found, _WHOLE) from None


def _held(group: Any, limit: int = 20) -> list[str]:
    """Names of what a group holds; a group inside it ends in a slash."""
    h5py = require("h5py", "data")
    try:
        found = [
            f"{name}/" if group.get(name, getclass=True) is h5py.Group else name
            for name in sorted(group)
        ]
    except (OSError, RuntimeError, KeyError):
        return []
    return found[:limit] + ["…"] * (len(found) > limit)


def _fits(found: tuple[int, ...] | None, expected: Sequence[int | None]) -> bool:
    return (
        found is not None
        and len(found) == len(expected)
        and all(b is None or a == b for a, b in zip(found, expected, strict=True))
    )


def read_rows(dataset: Any, start: int, stop: int) -> np.ndarray:
    """Read the rows from ``start`` to ``stop`` at once, in the dtype of the file.

    Raises:
        ValueError: If the data there is damaged, or packed by a filter that is not installed.
    """
    try:
        rows = read_chunked(dataset, start, stop)
        return dataset[start:stop] if rows is None else rows
    except (OSError, RuntimeError, ValueError, TypeError) as error:
        raise _read_error(dataset, start, stop, error) from None


def _read_error(dataset: Any, start: int, stop: int, error: Exception) -> ValueError:
    name = f"{dataset.file.filename}: dataset {dataset.name!r}"
    missing = _missing_filters(dataset)
    if missing:
        remedy = "pip install hdf5plugin"
        if _has_plugins():  # it lacks a few, lzo among them
            remedy = "write the file again with zlib: ptrepack --complib=zlib OLD NEW"
        return InputError(
            f"{name} is packed with {' and '.join(missing)}, expected a filter that is installed: "
            f"{remedy}."
        )
    reason = " ".join(str(error).split())
    return InputError(
        f"{name} is damaged between rows {start} and {stop} ({reason}), expected "
        f"{dataset.shape[0]} whole rows: delete the file and fetch it again."
    )


def _missing_filters(dataset: Any) -> list[str]:
    h5py = require("h5py", "data")
    plist = dataset.id.get_create_plist()
    filters = [plist.get_filter(i) for i in range(plist.get_nfilters())]
    return [
        f"{(name.decode(errors='replace') or 'a filter')!r} (HDF5 filter {code})"
        for code, _, _, name in filters
        if not h5py.h5z.filter_avail(code)
    ]


def names_of(file: Any, key: str) -> list[str]:
    """Read an array of names, stored as bytes or text, as a list of ``str``.

    Raises:
        ValueError: If it is missing, or not of names.
    """
    data = dataset_of(file, key, kind="SOU")
    values = np.ravel(read_rows(data, 0, data.shape[0]) if data.shape else data[()])
    if not all(isinstance(value, bytes | str) for value in values):
        raise InputError(
            f"{file.file.filename}: dataset {key!r} holds {data.dtype}, expected names: give a "
            "file of this layout."
        )
    return [v.decode(errors="replace") if isinstance(v, bytes) else str(v) for v in values]
