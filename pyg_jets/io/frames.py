"""Tables of numbers in HDF5 with unnamed columns: pandas' fixed and table format, or one array."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pyg_jets.errors import InputError
from pyg_jets.io.hdf5 import dataset_of, read_rows

__all__ = ["NumberFrame", "number_frame"]


class NumberFrame:
    """Rows of numbers, read in ranges; :func:`number_frame` makes one.

    Args:
        path: The file, for messages.
        key: The name of the frame, for messages.
        blocks: Datasets of h5py, the field of each to take (``None`` for the dataset itself), and
            the places of its columns in a row.
    """

    def __init__(self, path: Path, key: str, blocks: list[tuple[Any, str | None, np.ndarray]]):
        self.path, self.key, self._blocks = path, key, blocks
        lengths = {len(dataset) for dataset, _, _ in blocks}
        if len(lengths) != 1:
            raise InputError(
                f"{path}: the blocks of {key!r} have different numbers of rows "
                f"({', '.join(map(str, sorted(lengths)))}): write the file again."
            )
        (self.n_rows,) = lengths
        self.width = sum(len(places) for *_, places in blocks)

    def rows(self, start: int, stop: int) -> np.ndarray:
        """The rows from ``start`` to ``stop``, ``[n, width]`` float32 or float64."""
        parts = []
        for dataset, name, _ in self._blocks:
            rows = read_rows(dataset, start, stop)
            parts.append(rows if name is None else rows[name])
        if len(parts) == 1 and parts[0].dtype in (np.float32, np.float64):
            return parts[0]
        joint = np.empty((len(parts[0]), self.width))
        for part, (*_, places) in zip(parts, self._blocks, strict=True):
            joint[:, places] = part
        return joint


def number_frame(file: Any, key: str | None = None) -> NumberFrame:
    """Find the table of numbers in a file.

    Args:
        file: The open file.
        key: The key of the frame, as in ``DataFrame.to_hdf(path, key=…)``, or the name of an
            array ``[N, width]``. Default: the only one of the file.

    Raises:
        ValueError: If there is none or there are several, or if it holds other than numbers.

    Examples:
        >>> import tempfile, pathlib, h5py
        >>> from pyg_jets.io.hdf5 import open_hdf5
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "events.h5"
        >>> with h5py.File(path, "w") as file:
        ...     file["events"] = np.arange(12.0).reshape(4, 3)
        >>> with open_hdf5(path) as file:
        ...     frame = number_frame(file)
        ...     frame.width, frame.rows(1, 2)
        (3, array([[3., 4., 5.]]))
    """
    path = Path(file.filename)
    if key is None:
        names = _members(file, path)
        if len(names) != 1:
            raise InputError(
                f"{path} holds {', '.join(names) or 'nothing'}, expected one table of events: "
                "keep one in the file."
            )
        key = names[0]
    blocks: list[tuple[Any, str | None, np.ndarray]]
    if _is_group(file, key, path):
        members = _members(file[key], path)
        if "table" in members:
            blocks = _table_blocks(path, dataset_of(file, f"{key}/table", (None,), "V"))
        else:
            blocks = _fixed_blocks(path, file, key, members)
    else:
        dataset = dataset_of(file, key, (None, None), "fiu")
        blocks = [(dataset, None, np.arange(dataset.shape[1]))]
    return NumberFrame(path, key, blocks)


def _members(group: Any, path: Path) -> list[str]:
    try:
        return sorted(group)
    except Exception as error:  # h5py raises nearly anything for damaged bytes
        raise _damaged(path, error) from None


def _is_group(file: Any, key: str, path: Path) -> bool:
    try:
        return hasattr(file[key], "keys")
    except KeyError:
        return False  # dataset_of says what there is
    except Exception as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> InputError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return InputError(
        f"{path} is damaged ({reason}), expected a whole HDF5 file: write it again, or, if it was "
        "downloaded, delete it and fetch it again."
    )


def _table_blocks(path: Path, table: Any) -> list[tuple[Any, str | None, np.ndarray]]:
    """The blocks of pandas' table format, one field of a compound row each."""
    blocks, width = [], 0
    for name in table.dtype.names or ():
        if not name.startswith("values_block_"):
            continue
        dtype = table.dtype.fields[name][0]
        if dtype.base.kind not in "fiu" or len(dtype.shape) != 1:
            raise _no_numbers(path, table.name, dtype)
        blocks.append((table, name, np.arange(width, width + dtype.shape[0])))
        width += dtype.shape[0]
    if not blocks:
        raise _no_numbers(path, table.name, table.dtype)
    return blocks


def _fixed_blocks(
    path: Path, file: Any, key: str, members: list[str]
) -> list[tuple[Any, str | None, np.ndarray]]:
    """The blocks of pandas' fixed format, an array each, in the order of ``axis0``."""
    axis = _whole(file, f"{key}/axis0")
    place = {name: i for i, name in enumerate(axis.tolist())}
    blocks: list[tuple[Any, str | None, np.ndarray]] = []
    while f"block{len(blocks)}_values" in members:
        name = f"{key}/block{len(blocks)}"
        dataset = dataset_of(file, f"{name}_values")
        if dataset.dtype.kind not in "fiu" or len(dataset.shape) != 2:
            raise _no_numbers(path, f"{name}_values", dataset.dtype)
        items = _whole(file, f"{name}_items")
        blocks.append((dataset, None, np.array([place.get(i, -1) for i in items.tolist()], int)))
    order = np.sort(np.concatenate([p for *_, p in blocks])) if blocks else np.empty(0, int)
    if not blocks or not np.array_equal(order, np.arange(len(axis))):
        raise InputError(
            f"{path}: the blocks of {key!r} hold other columns than its axis0 names: write the "
            "file again, with DataFrame.to_hdf."
        )
    return blocks


def _whole(file: Any, name: str) -> np.ndarray:
    dataset = dataset_of(file, name, (None,))
    return read_rows(dataset, 0, dataset.shape[0])


def _no_numbers(path: Path, key: str, dtype: Any) -> InputError:
    return InputError(
        f"{path}: {key!r} holds {dtype}, expected columns of numbers: write the numbers only."
    )
