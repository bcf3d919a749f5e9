"""HDF5 files through h5py: what is damaged or of another layout is refused in one sentence."""

from __future__ import annotations

import math
import pickletools
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from pyg_jets.errors import InputError
from pyg_jets.files import require
from pyg_jets.io.file_type import check_file, refusal
from pyg_jets.io.inflate import inflate_library

__all__ = ["dataset_of", "names_of", "open_hdf5", "pandas_table", "read_rows"]

_WHOLE = "a whole HDF5 file"
_MAGIC = (b"\x89HDF\r\n\x1a\n",)
_OFFSETS = (0, 512, 1024, 2048)  # a user block may stand before the magic bytes
_CHUNK_CACHE = 1 << 26  # bytes: a chunk that two reads share is inflated once
_KINDS = {"f": "floating-point", "i": "signed integer", "u": "unsigned integer"}
_DEFLATE, _SHUFFLE = 1, 2  # numbers that HDF5 gives its filters


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
    path = check_file(path, "an HDF5 file", _MAGIC, _OFFSETS)
    h5py = require("h5py", "data")
    _has_plugins()
    try:
        file = h5py.File(path, "r", rdcc_nbytes=_CHUNK_CACHE, rdcc_w0=1.0)
    except (OSError, RuntimeError, ValueError) as error:
        if any(text in str(error) for text in ("lock file", "file locking", "already open")):
            state, remedy = f"open elsewhere ({error})", "wait until it is written, or close it"
            raise refusal(path, state, "a file that nobody writes", remedy) from None
        raise refusal(path, _damage(error), _WHOLE) from None
    with file:
        yield file


def _has_plugins() -> bool:
    """Whether hdf5plugin is installed; its import registers further filters with HDF5."""
    try:
        import_module("hdf5plugin")
    except ImportError:
        return False
    return True


def _damage(error: Exception) -> str:
    reason = " ".join(str(error).split()) or type(error).__name__
    cut = "truncated" in reason or "eof" in reason
    return f"cut short ({reason})" if cut else f"damaged ({reason})"


def dataset_of(
    file: Any, key: str, shape: Sequence[int | None] | None = None, kind: str | None = None
) -> Any:
    """Return the dataset ``key`` of a file after a check of its shape and dtype.

    Args:
        file: The open file, or a group of one.
        key: The name of the dataset.
        shape: The length of each axis, ``None`` for any. Default: any number of axes.
        kind: Letters of NumPy's kinds that are accepted, as ``"f"``, ``"iu"``, ``"fiu"``. Default:
            all.

    Raises:
        ValueError: If it is missing, a group, or of another shape or kind.
    """
    h5py = require("h5py", "data")
    path = file.file.filename
    try:
        _refuse_links(file, key)
        dataset = file.get(key)
        # Reading the shape and the dtype here reports a damaged header here.
        is_dataset = isinstance(dataset, h5py.Dataset) and (dataset.shape, dataset.dtype)
    except InputError:
        raise
    except Exception as error:  # h5py raises nearly anything for damaged bytes
        raise refusal(path, f"{_damage(error)} at {key!r}", _WHOLE) from None
    if not is_dataset:
        raise InputError(
            f"{path} has no dataset {key!r}, it holds {_member_names(file)}: give a file of this "
            "layout, or the name that it has there."
        )
    if shape is not None and not _shape_matches(dataset.shape, shape):
        raise InputError(
            f"{path}: dataset {key!r} has shape {dataset.shape}, expected "
            f"({', '.join('any' if n is None else str(n) for n in shape)}): give a file of this "
            "layout."
        )
    if kind is not None and dataset.dtype.kind not in kind:
        kinds = " or ".join(_KINDS.get(letter, f"kind {letter!r}") for letter in kind)
        raise InputError(
            f"{path}: dataset {key!r} has dtype {dataset.dtype}, expected {kinds}: give a file of "
            "this layout."
        )
    return dataset


def _refuse_links(group: Any, key: str) -> None:
    """Refuse a dataset whose values another file holds, which a stranger's file may choose.

    Raises:
        InputError: For an external link on the way to the dataset, or external or virtual storage.
    """
    h5py = require("h5py", "data")
    name = f"{group.file.filename}: {key!r}"
    parts = [part for part in key.split("/") if part]
    for i in range(len(parts)):
        link = group.get("/".join(parts[: i + 1]), getlink=True)
        if isinstance(link, h5py.SoftLink):
            _refuse_links(group.file, link.path)
        if isinstance(link, h5py.ExternalLink):
            raise _elsewhere(name, link.filename)
    dataset = group.get(key)
    if isinstance(dataset, h5py.Dataset):
        files = [place[0] for place in dataset.external or ()]
        if dataset.is_virtual:
            files += [s.file_name for s in dataset.virtual_sources() if s.file_name != "."]
        if files:
            raise _elsewhere(name, files[0])


def _elsewhere(name: str, file: Any) -> InputError:
    return InputError(
        f"{name} lies in another file, {file}, expected values in this one: copy them into one "
        "file, such as by h5repack."
    )


def _member_names(group: Any, limit: int = 20) -> str:
    """Names of what a group holds, as text; the name of a group inside it ends in a slash."""
    h5py = require("h5py", "data")
    try:
        names = [
            f"{name}/" if group.get(name, getclass=True) is h5py.Group else name
            for name in sorted(group)
        ]
    except Exception:  # it is damaged
        return "nothing"
    return ", ".join(names[:limit] + ["…"] * (len(names) > limit)) or "nothing"


def _shape_matches(shape: tuple[int, ...] | None, expected: Sequence[int | None]) -> bool:
    return (
        shape is not None
        and len(shape) == len(expected)
        and all(b is None or a == b for a, b in zip(shape, expected, strict=True))
    )


def names_of(file: Any, key: str) -> list[str]:
    """Read an array of names, stored as bytes or text, as a list of ``str``.

    Args:
        file: The open file, or a group of one.
        key: The name of the dataset.

    Raises:
        ValueError: If it is missing, or does not hold names.
    """
    dataset = dataset_of(file, key, kind="SOU")
    values = np.ravel(read_rows(dataset, 0, dataset.shape[0] if dataset.shape else 1))
    if not all(isinstance(value, bytes | str) for value in values):
        raise InputError(
            f"{file.file.filename}: dataset {key!r} holds {dataset.dtype}, expected names: give a "
            "file of this layout."
        )
    return [v.decode(errors="replace") if isinstance(v, bytes) else str(v) for v in values]


def pandas_table(file: Any, key: str, blocks: Mapping[str, Sequence[str]]) -> Any:
    """Return the rows of a data frame of known columns, as pandas wrote it with ``format="table"``.

    pandas stores all columns of one dtype as one array field of a compound row
    (``values_block_0 [n]``), and their names as a pickled list in an attribute. ``pandas.read_hdf``
    unpickles that list, which would run whatever code a file brings. Here its strings are read
    without running it, and compared with the published order of the columns.

    Args:
        file: The open file.
        key: The key of the frame, as in ``DataFrame.to_hdf(path, key=...)``.
        blocks: The names of the columns of each block, in order. All must hold numbers.

    Returns:
        The dataset, for :func:`read_rows`: column ``i`` of a block is ``rows[block][:, i]``.

    Raises:
        ValueError: If there is no such table, or if its columns or their order differ. Where the
            names cannot be read, only the number of columns of each block is compared.

    Examples:
        >>> import tempfile, pathlib, h5py
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "train.h5"
        >>> with h5py.File(path, "w") as file:
        ...     file["table/table"] = np.zeros(3, [("index", "i8"), ("values_block_0", "f4", 2)])
        >>> with open_hdf5(path) as file:
        ...     table = pandas_table(file, "table", {"values_block_0": ("E_0", "PX_0")})
        ...     read_rows(table, 0, 2)["values_block_0"].shape
        (2, 2)
    """
    path = file.file.filename
    if not _holds(file, key):
        dataset_of(file, key)  # refuses, with a list of what is there
    if _holds(file, f"{key}/axis0") and not _holds(file, f"{key}/table"):
        raise InputError(
            f"{path}: frame {key!r} is in pandas' fixed format, expected a table: write it again "
            'with DataFrame.to_hdf(..., format="table").'
        )
    table = dataset_of(file, f"{key}/table", (None,), "V")
    fields = table.dtype.fields or {}
    for block, columns in blocks.items():
        names = _pickled_strings(table, f"{block}_kind") or list(columns)
        if names != list(columns):
            pairs = enumerate(zip([*names, "nothing"], [*columns, "nothing"], strict=False))
            place, (name, expected) = next(pair for pair in pairs if pair[1][0] != pair[1][1])
            raise InputError(
                f"{path}: table {key!r} has {name} as column {place} of its {block}, expected "
                f"{expected}: give a file with the published columns in the published order."
            )
        dtype = fields[block][0] if block in fields else np.dtype("V")
        if dtype.shape != (len(columns),) or dtype.base.kind not in "fiu":
            raise InputError(
                f"{path}: table {key!r} has {dtype} as its {block}, expected {len(columns)} "
                f"columns of numbers, {columns[0]} to {columns[-1]}: give a file with the "
                "published columns in the published order."
            )
    return table


def _holds(file: Any, key: str) -> bool:
    try:
        return key in file
    except Exception as error:  # h5py raises nearly anything for damaged bytes
        raise refusal(file.file.filename, f"{_damage(error)} at {key!r}", _WHOLE) from None


def _pickled_strings(table: Any, attribute: str) -> list[str]:
    """The strings in a pickled attribute, read off its opcodes; none if that fails."""
    try:
        value = table.attrs.get(attribute, b"")
        pickled = value.encode() if isinstance(value, str) else np.asarray(value).tobytes()
        arguments = [argument for _, argument, _ in pickletools.genops(pickled)]
    except Exception:  # h5py and genops raise whatever the bytes lead them to
        return []
    return [argument for argument in arguments if isinstance(argument, str)]


def read_rows(dataset: Any, start: int, stop: int) -> np.ndarray:
    """Read the rows from ``start`` to ``stop`` at once, in the dtype of the file.

    HDF5 inflates with its own zlib. Where ``isal`` is installed, chunks of whole rows are taken
    packed from the file and inflated by that, which is about twice as fast. All else is left to
    HDF5, also chunks that hold parts of rows: to put the parts in place costs more than isal saves.

    Args:
        dataset: The dataset of h5py.
        start: The first row.
        stop: The row after the last; the rows end earlier where the dataset does.

    Raises:
        ValueError: If the data is damaged there, or packed by a filter that is not installed.
    """
    try:
        if not dataset.shape:
            return dataset[()]
        width = _shuffle_width(dataset)
        return dataset[start:stop] if width is None else _inflated_rows(dataset, width, start, stop)
    except Exception as error:  # h5py raises nearly anything for damaged bytes
        raise _read_error(dataset, start, stop, error) from None


def _shuffle_width(dataset: Any) -> int | None:
    """Bytes that are shuffled together, 1 for none; ``None`` if HDF5 itself has to read."""
    dtype = dataset.dtype
    if (
        dataset.chunks is None
        or dataset.chunks[1:] != dataset.shape[1:]
        or dtype.hasobject
        or dataset.id.get_type().get_size() != dtype.itemsize
        or inflate_library() is zlib
    ):
        return None
    plist = dataset.id.get_create_plist()
    filters = [plist.get_filter(i) for i in range(plist.get_nfilters())]
    codes = [code for code, *_ in filters]
    if codes not in ([_DEFLATE], [_SHUFFLE, _DEFLATE]):
        return None
    width = filters[0][2][0] if codes[0] == _SHUFFLE else 1
    return None if math.prod(dataset.chunks) * dtype.itemsize % width else width


def _inflated_rows(dataset: Any, width: int, start: int, stop: int) -> np.ndarray:
    length = dataset.chunks[0]
    start, stop, _ = slice(start, stop).indices(dataset.shape[0])
    first, last = -(-start // length) * length, stop // length * length
    if first >= last:
        return dataset[start:stop]
    rows = np.empty((stop - start, *dataset.shape[1:]), dataset.dtype)
    # The ends come from HDF5, whose cache keeps a chunk that the next read shares.
    rows[: first - start] = dataset[start:first]
    rows[last - start :] = dataset[last:stop]
    for row in range(first, last, length):
        block = rows[row - start : row - start + length]
        if not _inflate_chunk(dataset, row, width, block):
            block[...] = dataset[row : row + length]
    return rows


def _inflate_chunk(dataset: Any, row: int, width: int, block: np.ndarray) -> bool:
    """Fill ``block`` with the chunk that begins at ``row``, and return whether that succeeded."""
    library = inflate_library()
    try:
        skipped, packed = dataset.id.read_direct_chunk((row, *[0] * (block.ndim - 1)))
        plain = b"" if skipped else library.decompress(packed, zlib.MAX_WBITS, block.nbytes)
    except (OSError, RuntimeError, ValueError, library.error):
        return False  # absent or damaged: HDF5 reads it and says which
    if len(plain) != block.nbytes:
        return False
    shuffled = np.frombuffer(plain, np.uint8).reshape(width, -1)
    out = block.reshape(-1).view(np.uint8).reshape(-1, width)
    if width > 16:
        np.copyto(out, shuffled.T)
        return True
    for byte in range(width):  # some 3 times as fast as numpy's transposed copy
        out[:, byte] = shuffled[byte]
    return True


def _read_error(dataset: Any, start: int, stop: int, error: Exception) -> InputError:
    h5py = require("h5py", "data")
    name = f"{dataset.file.filename}: dataset {dataset.name!r}"
    try:
        plist = dataset.id.get_create_plist()
        filters = [plist.get_filter(i) for i in range(plist.get_nfilters())]
    except Exception:  # the list of filters is damaged
        filters = []
    missing = [
        f"{(label.decode(errors='replace') or 'a filter')!r} (HDF5 filter {code})"
        for code, _, _, label in filters
        if not h5py.h5z.filter_avail(code)
    ]
    if missing:
        remedy = "pip install hdf5plugin"
        if _has_plugins():  # it lacks a few, lzo among them
            remedy = "write the file again with zlib: ptrepack --complib=zlib OLD NEW"
        return InputError(
            f"{name} is packed with {' and '.join(missing)}, expected a filter that is installed: "
            f"{remedy}."
        )
    reason = " ".join(str(error).split()) or type(error).__name__
    state = f"damaged between rows {start} and {stop} ({reason})"
    return refusal(name, state, "whole rows")
