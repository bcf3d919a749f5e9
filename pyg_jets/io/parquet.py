"""Tables and jets in parquet, with checksums of every page and of the whole file.

Of jets, a row is a jet, and particle columns are lists.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from pyg_jets.errors import InputError, MissingFileError
from pyg_jets.files import write_aside
from pyg_jets.io.checksums import is_sealed, seal
from pyg_jets.io.file_type import refusal
from pyg_jets.jets import JetArray

__all__ = [
    "join_parquet",
    "open_parquet",
    "parquet_errors",
    "read_parquet",
    "verify_parquet",
    "write_columns",
    "write_parquet",
]

_KEY = b"pyg_jets"
_END = 8  # bytes: the length of the footer, and the magic bytes
_REMEDY = "write it again, or delete it and fetch it again"


def write_columns(
    columns: Mapping[str, Any], path: str | Path, head: Mapping[str, Any] | None = None
) -> None:
    """Write columns to ``path``, aside first, so that a cut write leaves no file.

    Args:
        columns: Arrays of NumPy or Arrow by name, of one length.
        path: The file; one that is there is replaced whole.
        head: Plain values that mark the file as one of jets.
    """
    import pyarrow as pa

    _write_tables([pa.table(dict(columns))], path, head)


def _write_tables(tables: Iterable[Any], path: str | Path, head: Mapping[str, Any] | None) -> None:
    """Write tables of the same columns one after the other into a file, a row group each."""
    import pyarrow.parquet as pq

    with write_aside(path) as part:
        writer = None
        try:
            for table in tables:
                if head is not None:
                    table = table.replace_schema_metadata({_KEY: json.dumps(head).encode()})
                if writer is None:
                    writer = pq.ParquetWriter(part, table.schema, write_page_checksum=True)
                writer.write_table(table)
        finally:
            if writer is not None:
                writer.close()
        seal(part, _footer_bytes(part))


def _footer_bytes(path: Path) -> int:
    """Length of the footer of a parquet file, which the last bytes state, with these."""
    with path.open("rb") as stream:
        stream.seek(max(path.stat().st_size - _END, 0))
        return int.from_bytes(stream.read(4), "little") + _END


@contextmanager
def open_parquet(
    path: str | Path, expected: str = "a whole parquet file", remedy: str = _REMEDY
) -> Iterator[Any]:
    """Give the ``pyarrow.parquet.ParquetFile`` of a file that is there, and not damaged.

    Args:
        path: The file.
        expected: What it should be, for messages.
        remedy: What to do where it is not, for messages.

    Raises:
        ValueError: If the file is cut short, damaged, or no parquet file.
    """
    import pyarrow.parquet as pq

    path = Path(path)
    with parquet_errors(path, expected, remedy):
        try:
            is_sealed(path, _footer_bytes(path))
        except InputError as error:
            raise refusal(path, str(error), expected, remedy) from None
        file = pq.ParquetFile(path, memory_map=True, page_checksum_verification=True)
    with file:
        yield file


@contextmanager
def parquet_errors(
    path: Path, expected: str = "a whole parquet file", remedy: str = _REMEDY
) -> Iterator[None]:
    """Raise what Arrow says of a damaged file as the error of a user's file.

    Args:
        path: The file.
        expected: What it should be.
        remedy: What to do where it is not.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # on damaged bytes Arrow raises nearly anything
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        state = f"cut short or no parquet file ({reason})"
        raise refusal(path, state, expected, remedy) from None


def write_parquet(jets: JetArray, path: str | Path) -> None:
    """Write jets to ``path``, aside first, so that a cut write leaves no file.

    Args:
        jets: The jets.
        path: The file; one that is there is replaced whole.

    Examples:
        >>> import tempfile, pathlib
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "jets.parquet"
        >>> jets = JetArray([[5.0], [7.0]], ("pt",), [0, 0, 2])
        >>> write_parquet(jets, path)
        >>> read_parquet(path).equals(jets)
        True
    """
    _write_tables([_as_table(jets)], path, {"columns": jets.columns})


def join_parquet(parts: Sequence[str | Path], path: str | Path) -> None:
    """Write the jets of several files of :func:`write_parquet` into one, a file at a time.

    Args:
        parts: The files, at least one, with the same columns.
        path: The file of all jets; one that is there is replaced whole.

    Raises:
        ValueError: If a file is damaged, or has other columns than the first.

    Examples:
        >>> import tempfile, pathlib
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> jets = JetArray([[5.0], [7.0]], ("pt",), [0, 0, 2], ids=[3, 4])
        >>> write_parquet(jets, folder / "part.parquet")
        >>> join_parquet([folder / "part.parquet"] * 2, folder / "jets.parquet")
        >>> read_parquet(folder / "jets.parquet").ids.tolist()
        [3, 4, 3, 4]
    """
    first = read_parquet(parts[0])

    def tables() -> Iterator[Any]:
        for part in parts:
            jets = read_parquet(part)
            JetArray.concatenate([first[:0], jets[:0]])  # refuses other columns
            yield _as_table(jets)

    _write_tables(tables(), path, {"columns": first.columns})


def _as_table(jets: JetArray) -> Any:
    """Jets as an Arrow table of a row each."""
    import pyarrow as pa

    offsets = pa.array(jets.ptr, pa.int64())
    columns = {
        f"particles.{name}": pa.LargeListArray.from_arrays(offsets, pa.array(jets.column(name)))
        for name in jets.columns
    }
    columns["jet_id"] = pa.array(jets.ids)
    if jets.labels is not None:
        columns["label"] = pa.array(jets.labels)
    columns |= {f"jets.{name}": pa.array(value) for name, value in jets.jets.items()}
    return pa.table(columns)


def read_parquet(path: str | Path) -> JetArray:
    """Read jets that :func:`write_parquet` wrote.

    Args:
        path: The file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is cut short or damaged, or was not written by this package.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(f"There is no file {path}: give the path of a parquet file of jets.")
    expected = "a whole parquet file of jets"
    with open_parquet(path, expected) as file, parquet_errors(path, expected):
        table = file.read()
        if _KEY not in (table.schema.metadata or {}):
            raise InputError(
                f"{path} is a parquet file, but not one of jets that pyg_jets wrote (columns "
                f"{', '.join(table.column_names[:5])}): read it with awkward and "
                "JetArray.from_awkward."
            )
        columns = json.loads(table.schema.metadata[_KEY])["columns"]
        lists = [table[f"particles.{name}"].combine_chunks() for name in columns]
        counts = np.asarray(lists[0].value_lengths(), np.int64) if columns else np.empty(0)
        per_jet = [name for name in table.column_names if not name.startswith("particles.")]
        flat = {name: table[name].to_numpy() for name in per_jet}
        particles = np.stack([np.asarray(values.flatten()) for values in lists], -1)
        ids, labels = flat.pop("jet_id"), flat.pop("label", None)
    try:
        return JetArray(
            particles,
            tuple(columns),
            np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
            labels,
            ids=ids,
            jets={name.removeprefix("jets."): value for name, value in flat.items()},
        )
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None


def verify_parquet(path: str | Path) -> str:
    """Read a file of jets whole, and compare its checksums.

    Args:
        path: The file.

    Returns:
        ``"ok"``, ``"unverified"`` (without a checksum, as an earlier version wrote it),
        ``"missing"``, or what is wrong with it.
    """
    path = Path(path)
    try:
        read_parquet(path)
        return "ok" if is_sealed(path, _footer_bytes(path)) else "unverified"
    except MissingFileError:
        return "missing"
    except InputError as error:
        return str(error).removeprefix(f"{path} is ")
