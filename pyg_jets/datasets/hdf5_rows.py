"""Arrays of an HDF5 file that belong together, read in step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from pyg_jets.errors import InputError
from pyg_jets.io.hdf5 import read_rows

__all__ = ["rows_in_step"]


def rows_in_step(
    datasets: Mapping[str, Any], start: int, size: int
) -> Iterator[tuple[int, int, dict[str, np.ndarray]]]:
    """Give ``first, stop`` and the rows between them of each dataset, each read once.

    Args:
        datasets: Datasets of one file, with a row a jet.
        start: The first row.
        size: Rows in a chunk, at most.

    Raises:
        ValueError: If they have different numbers of rows.

    Examples:
        >>> import tempfile, pathlib, h5py
        >>> with h5py.File(pathlib.Path(tempfile.mkdtemp()) / "jets.h5", "w") as file:
        ...     file["pt"] = [500.0, 510.0, 520.0]
        ...     [(i, k, rows["pt"]) for i, k, rows in rows_in_step({"pt": file["pt"]}, 1, 9)]
        [(1, 3, array([510., 520.]))]
    """
    counts = {name: dataset.shape[0] for name, dataset in datasets.items()}
    if len(set(counts.values())) > 1:
        file = next(iter(datasets.values())).file.filename
        found = ", ".join(f"{name!r} {count}" for name, count in counts.items())
        raise InputError(
            f"{file} has different numbers of rows ({found}), expected one row a jet in each: "
            "delete the file and fetch it again."
        )
    total = next(iter(counts.values()))
    for first in range(start, total, size):
        stop = min(first + size, total)
        yield first, stop, {name: read_rows(d, first, stop) for name, d in datasets.items()}
