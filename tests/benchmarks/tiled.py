"""Files in public layouts with as many jets as asked for, made by tiling Pythia jets."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from pyg_jets import kinematics
from tests.benchmarks.harness import pythia_jets

__all__ = ["quark_gluon_file", "top_tagging_file"]

#: Rows that are written at once.
_BLOCK = 20_000


def _padded(columns: list[np.ndarray], ptr: np.ndarray, length: int, dtype: Any) -> np.ndarray:
    out = np.zeros((len(ptr) - 1, length, len(columns)), dtype)
    for j in range(len(ptr) - 1):
        n = min(length, ptr[j + 1] - ptr[j])
        for i, column in enumerate(columns):
            out[j, :n, i] = column[ptr[j] : ptr[j] + n]
    return out


def top_tagging_file(root: Path, n_jets: int, packed: bool) -> Path:
    """``raw/train.h5`` as published: 804 columns a row; packed with blosc, or as it is.

    Args:
        root: The root of the data set.
        n_jets: Number of rows.
        packed: Whether to pack it.
    """
    import h5py
    import hdf5plugin

    jets = pythia_jets()
    momenta = kinematics.to_cartesian(
        *(jets.column(name).astype(float) for name in ("pt", "eta", "phi", "mass"))
    )
    columns = [momenta[i] for i in (3, 0, 1, 2)]
    values = _padded(columns, jets.ptr, 200, np.float32).reshape(len(jets), -1)
    names = [f"{name}_{i}" for i in range(200) for name in ("E", "PX", "PY", "PZ")]
    names += ["truthE", "truthPX", "truthPY", "truthPZ"]
    blocks = {"values_block_0": names, "values_block_1": ["ttv", "is_signal_new"]}
    row = np.dtype([("index", "i8"), ("values_block_0", "f4", 804), ("values_block_1", "i8", 2)])
    path = root / "raw" / "train.h5"
    path.parent.mkdir(parents=True, exist_ok=True)
    how: Any = hdf5plugin.Blosc(cname="blosclz", clevel=5) if packed else {}
    with h5py.File(path, "w") as file:
        table = file.create_dataset("table/table", (n_jets,), row, chunks=(512,), **how)
        for block, held in blocks.items():
            table.attrs[f"{block}_kind"] = np.bytes_(pickle.dumps(held, 0))
        for start in range(0, n_jets, _BLOCK):
            which = np.arange(start, min(start + _BLOCK, n_jets)) % len(jets)
            rows = np.zeros(len(which), row)
            rows["index"] = np.arange(start, start + len(which))
            rows["values_block_0"][:, :800] = values[which]
            rows["values_block_1"][:, 1] = jets.labels[which]
            table[start : start + len(which)] = rows
    return path


def quark_gluon_file(root: Path, n_jets: int, packed: bool) -> Path:
    """``raw/QG_jets.npz`` as published: ``X [N, 139, 4]`` float64 and ``y [N]``.

    Args:
        root: The root of the data set.
        n_jets: Number of jets.
        packed: Whether to deflate it.
    """
    jets = pythia_jets()
    columns = [jets.column(name) for name in ("pt", "rapidity", "phi", "pdgid")]
    values = _padded(columns, jets.ptr, 139, np.float64)
    which = np.arange(n_jets) % len(jets)
    path = root / "raw" / "QG_jets.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    save = np.savez_compressed if packed else np.savez
    save(path, X=values[which], y=jets.labels[which].astype(float))
    return path
