"""Jets in parquet: one row a jet, particle columns as lists."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from pyg_jets.errors import InputError, MissingFileError
from pyg_jets.files import write_aside
from pyg_jets.io.file_type import refusal
from pyg_jets.jets import JetArray

__all__ = ["read_parquet", "write_parquet"]

_KEY = b"pyg_jets"


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
    import pyarrow as pa
    import pyarrow.parquet as pq

    offsets = pa.array(jets.ptr, pa.int64())
    columns = {
        f"particles.{name}": pa.LargeListArray.from_arrays(offsets, pa.array(jets.column(name)))
        for name in jets.columns
    }
    columns["jet_id"] = pa.array(jets.ids)
    if jets.labels is not None:
        columns["label"] = pa.array(jets.labels)
    columns |= {f"jets.{name}": pa.array(value) for name, value in jets.jets.items()}
    head = {_KEY: json.dumps({"columns": jets.columns}).encode()}
    with write_aside(path) as part:
        table = pa.table(columns).replace_schema_metadata(head)
        pq.write_table(table, part, write_page_checksum=True)


def read_parquet(path: str | Path) -> JetArray:
    """Read jets that :func:`write_parquet` wrote.

    Args:
        path: The file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is cut short, or was not written by this package.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = Path(path)
    if not path.is_file():
        raise MissingFileError(f"There is no file {path}: give the path of a parquet file of jets.")
    try:
        table = pq.read_table(path, page_checksum_verification=True)
    except (pa.ArrowInvalid, pa.ArrowException, OSError) as error:
        state = f"cut short or no parquet file ({str(error).splitlines()[0]})"
        raise refusal(path, state, "a whole parquet file of jets") from None
    if _KEY not in (table.schema.metadata or {}):
        raise InputError(
            f"{path} is a parquet file, but not one of jets that pyg_jets wrote (columns "
            f"{', '.join(table.column_names[:5])}): read it with awkward and JetArray.from_awkward."
        )
    columns = json.loads(table.schema.metadata[_KEY])["columns"]
    lists = [table[f"particles.{name}"].combine_chunks() for name in columns]
    counts = np.asarray(lists[0].value_lengths(), dtype=np.int64) if columns else np.empty(0)
    flat = {name: table[name].to_numpy() for name in table.column_names if "particles." not in name}
    return JetArray(
        np.stack([np.asarray(values.flatten()) for values in lists], -1),
        tuple(columns),
        np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
        flat.pop("label", None),
        ids=flat.pop("jet_id"),
        jets={name.removeprefix("jets."): value for name, value in flat.items()},
    )
