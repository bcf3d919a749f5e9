"""JetNet: one HDF5 file a kind of jet, float32, not packed."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from pyg_jets import JetArray
from pyg_jets.datasets.jet_net import JetNet
from tests.datasets.layouts.layout import Layout, padded
from tests.datasets.layouts.momenta import axes, of_jets

KINDS = ("g", "q", "t", "w", "z")


def hardest_first(jets: JetArray) -> JetArray:
    owner = np.repeat(np.arange(len(jets)), jets.counts)
    order = np.lexsort((-jets.column("pt"), owner))
    return JetArray(jets.particles[order], jets.columns, jets.ptr, jets.labels)


def write_kind(path: Path, jets: JetArray, length: int) -> None:
    axis, whole = axes(jets), of_jets(jets)
    columns = {
        "etarel": jets.column("eta") - axis["eta"],
        "phirel": (jets.column("phi") - axis["phi"] + np.pi) % (2 * np.pi) - np.pi,
        "ptrel": jets.column("pt") / axis["pt"],
        "mask": np.ones(len(jets.particles)),
    }
    counts = np.minimum(jets.counts, length)
    features = np.stack([whole["pt"], whole["eta"], whole["mass"], counts], -1)
    with h5py.File(path, "w") as file:
        file["particle_features"] = padded(jets, columns, length, np.float32)
        file["jet_features"] = features.astype(np.float32)


def write(root: Path, jets: JetArray, length: int = 30) -> None:
    (root / "raw").mkdir(parents=True, exist_ok=True)
    jets = hardest_first(jets)
    for i, kind in enumerate(KINDS):
        name = f"{kind}{'' if length == 30 else length}.hdf5"
        write_kind(root / "raw" / name, jets[jets.labels % 5 == i], length)


def of_kind(path: Path) -> list[np.ndarray]:
    with h5py.File(path) as file:
        return [jet[jet[:, 3] == 1][:, :3] for jet in file["particle_features"][:]]


def expected(root: Path) -> list[np.ndarray]:
    return [jet for kind in KINDS for jet in of_kind(root / "raw" / f"{kind}.hdf5")]


def labels(root: Path) -> np.ndarray:
    counts = [len(of_kind(root / "raw" / f"{kind}.hdf5")) for kind in KINDS]
    return np.repeat(np.arange(5), counts)


def change(name: str, key: str, edit):
    """Rewrite an array of a file after ``edit`` had it; it is gone where that gives none."""

    def spoil(root: Path) -> None:
        with h5py.File(root / "raw" / name, "r+") as file:
            edited = edit(file[key][:])
            del file[key]
            if edited is not None:
                file[key] = edited

    return spoil


def put(place: tuple, value: float):
    def edit(array: np.ndarray) -> np.ndarray:
        array[place] = value
        return array

    return edit


LAYOUT = Layout(
    JetNet,
    write,
    expected,
    labels,
    wrong={
        "columns": (
            change("g.hdf5", "particle_features", lambda a: a[..., :3]),
            r"g.hdf5: dataset 'particle_features' has shape .* 30, 3\), expected \(any, 30, 4\)",
        ),
        "dtype": (
            change("g.hdf5", "particle_features", lambda a: a.astype("S8")),
            "g.hdf5: dataset 'particle_features' has dtype .*S8, expected floating-point",
        ),
        "nan": (
            change("g.hdf5", "particle_features", put((1, 0, 2), np.nan)),
            "g.hdf5: jet 1 has a NaN",
        ),
        "negative": (
            change("g.hdf5", "particle_features", put((1, 0, 2), -0.5)),
            "g.hdf5: jet 1 has .* negative",
        ),
        "count": (
            change("g.hdf5", "jet_features", put((1, 3), 2)),
            "g.hdf5: the mask of jet 1 counts 30 particles, but jet_features declares 2",
        ),
        "second": (
            change("q.hdf5", "jet_features", lambda a: None),
            "q.hdf5 has no dataset 'jet_features', it holds particle_features",
        ),
    },
    exempt={"label": "the file's name is the class"},
)
