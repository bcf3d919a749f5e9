"""Columns of any parquet file, row group by row group."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from pyg_jets.errors import InputError
from pyg_jets.io.file_type import check_file, refusal
from pyg_jets.io.table import Lists, Table

__all__ = ["parquet_table"]


class _ParquetTable(Table):
    def __init__(self, path: Path, file: Any):
        super().__init__(path, file.schema_arrow.names)
        self._file = file

    def chunks(
        self, names: Sequence[str], size: int, start: int = 0
    ) -> Iterator[dict[str, np.ndarray | Lists]]:
        self.check(names)
        meta = self._file.metadata
        ends = np.cumsum([meta.row_group(i).num_rows for i in range(meta.num_row_groups)])
        first = int(np.searchsorted(ends, start, side="right"))
        skip = start - (int(ends[first - 1]) if first else 0)
        groups = list(range(first, meta.num_row_groups))
        with _arrow(self.path):
            batches = self._file.iter_batches(size, groups, list(names)) if groups else iter(())
        while True:
            with _arrow(self.path):
                batch = next(batches, None)
            if batch is None:
                return
            if skip < batch.num_rows:
                rows = batch.slice(skip)
                yield {name: _from_arrow(rows.column(name), self.path, name) for name in names}
            skip = max(skip - batch.num_rows, 0)


def _from_arrow(array: Any, path: Path, name: str) -> np.ndarray | Lists:
    from pyarrow import types

    if types.is_list(array.type) or types.is_large_list(array.type):
        counts = np.asarray(array.value_lengths().fill_null(0), np.int64)
        return Lists(counts, _values(array.flatten(), path, name))
    if types.is_fixed_size_list(array.type):  # padded
        values = _values(array.flatten(), path, name)
        if isinstance(values, np.ndarray) and len(values) == len(array) * array.type.list_size:
            return values.reshape(len(array), -1)
        raise InputError(
            f"{path}: {name!r} holds {array.type} with gaps, expected plain lists: write it again."
        )
    return array.to_numpy(zero_copy_only=False)


def _values(array: Any, path: Path, name: str) -> np.ndarray | Mapping[str, np.ndarray]:
    from pyarrow import types

    if types.is_struct(array.type):
        fields = [field.name for field in array.type]
        columns = dict(zip(fields, array.flatten(), strict=True))
        return {f: column.to_numpy(zero_copy_only=False) for f, column in columns.items()}
    if types.is_nested(array.type):
        raise InputError(
            f"{path}: {name!r} holds lists of {array.type}, expected lists of numbers."
        )
    return array.to_numpy(zero_copy_only=False)


@contextmanager
def _arrow(path: Path) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise refusal(path, f"cut short or damaged ({reason})", "a whole parquet file") from None


@contextmanager
def parquet_table(path: Path) -> Iterator[Table]:
    """Give the columns of a parquet file.

    Args:
        path: The file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is empty, cut short, or no parquet file.
    """
    check_file(path, "a parquet file", (b"PAR1",))
    import pyarrow.parquet as pq

    with _arrow(path):
        file = pq.ParquetFile(path, memory_map=True)
    with file:
        yield _ParquetTable(path, file)
