"""The top-tagging reference set: pandas tables in HDF5."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from pyg_jets import JetArray
from pyg_jets.datasets import TopTagging
from tests.datasets.layouts.layout import Layout, padded
from tests.datasets.layouts.momenta import cartesian

FILES = ("train.h5", "val.h5", "test.h5")
NAMES = [f"{name}_{i}" for i in range(200) for name in ("E", "PX", "PY", "PZ")]


def frame(jets: JetArray) -> pd.DataFrame:
    momenta = cartesian(jets)
    values = padded(jets, {n: momenta[n] for n in ("e", "px", "py", "pz")}, 200, np.float32)
    table = pd.DataFrame(values.reshape(len(jets), -1), columns=NAMES)
    truth = {name: np.zeros(len(jets), np.float32)
             for name in ("truthE", "truthPX", "truthPY", "truthPZ")}  # fmt: skip
    rest = {"ttv": np.zeros(len(jets), int), "is_signal_new": jets.labels % 2}
    return pd.concat([table, pd.DataFrame(truth), pd.DataFrame(rest)], axis=1)


def write(root: Path, jets: JetArray, complib: str = "zlib") -> None:
    (root / "raw").mkdir(parents=True, exist_ok=True)
    for name, part in zip(FILES, np.array_split(np.arange(len(jets)), 3), strict=True):
        path = root / "raw" / name
        frame(jets[part]).to_hdf(
            path, key="table", mode="w", format="table", complib=complib, complevel=5
        )


def tables(root: Path):
    for name in FILES:
        with h5py.File(root / "raw" / name) as file:
            yield file["table/table"][:]


def expected(root: Path) -> list[np.ndarray]:
    out = []
    for rows in tables(root):
        for jet in rows["values_block_0"][:, :800].reshape(len(rows), 200, 4).astype(float):
            e, px, py, pz = jet[jet[:, 0] > 0].T
            pt = np.hypot(px, py)
            mass = np.sqrt(np.maximum(e**2 - px**2 - py**2 - pz**2, 0))
            out.append(np.stack([pt, np.arcsinh(pz / pt), np.arctan2(py, px), mass], -1))
    return out


def labels(root: Path) -> np.ndarray:
    return np.concatenate([rows["values_block_1"][:, 1] for rows in tables(root)])


def change(root: Path, edit, name: str = "train.h5") -> None:
    """Rewrite a file after ``edit`` had the frame."""
    path = root / "raw" / name
    edited = edit(pd.read_hdf(path, "table").copy())
    edited.to_hdf(path, key="table", mode="w", format="table")


def put(column: str, value):
    def edit(table):
        table.loc[table.index[1], column] = value
        return table

    return lambda root: change(root, edit)


LAYOUT = Layout(
    TopTagging,
    write,
    expected,
    labels,
    wrong={
        "columns": (lambda root: change(root, lambda t: t.drop(columns="PX_3")), "PX_3"),
        "dtype": (lambda root: change(root, lambda t: t.assign(E_0=["hot"] * len(t))), "E_0"),
        "nan": (put("PX_0", np.nan), "train.h5: jet 1 has a NaN"),
        "negative": (put("E_0", -3.0), "train.h5: jet 1 has .* negative"),
        "label": (put("is_signal_new", 7), "label 7, but there are 2 classes"),
        "second": (
            lambda root: change(root, lambda t: t.drop(columns="PX_3"), "val.h5"),
            "val.h5.*PX_3",
        ),
    },
    exempt={"count": "the table has a fixed number of columns, and counts nothing"},
)
