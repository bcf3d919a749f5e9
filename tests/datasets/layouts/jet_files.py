"""A user's own files: npz here, two of them, each with a padded array, labels and event numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pyg_jets import JetArray
from pyg_jets.datasets.jet_files import JetFiles
from tests.datasets.layouts.layout import Layout, padded

NAMES = ("pt", "eta", "phi", "mass")
COLUMNS = {name: ("X", i) for i, name in enumerate(NAMES)}
CLASSES = ("w", "qcd", "top")
FILES = ("jets_0.npz", "jets_1.npz")


def arrays(jets: JetArray) -> dict[str, np.ndarray]:
    columns = {name: jets.column(name) for name in NAMES}
    return {
        "X": padded(jets, columns, int(jets.counts.max()) + 2),
        "y": jets.labels % len(CLASSES),
        "number": 7 * jets.labels,
    }


def write(root: Path, jets: JetArray) -> None:
    (root / "raw").mkdir(parents=True, exist_ok=True)
    for name, part in zip(FILES, (slice(None, 20), slice(20, None)), strict=True):
        np.savez_compressed(root / "raw" / name, **arrays(jets[part]))


def read(root: Path, name: str) -> dict[str, np.ndarray]:
    with np.load(root / "raw" / name, allow_pickle=False) as file:
        return dict(file)


def expected(root: Path) -> list[np.ndarray]:
    return [one[one[:, 0] > 0] for name in FILES for one in read(root, name)["X"]]


def labels(root: Path) -> np.ndarray:
    return np.concatenate([read(root, name)["y"] for name in FILES])


def change(edit, name: str = FILES[0]):
    """Rewrite a file after ``edit`` had its arrays."""

    def spoil(root: Path) -> None:
        held = read(root, name)
        edit(held)
        np.savez_compressed(root / "raw" / name, **held)

    return spoil


def put(array: str, at, value):
    def edit(held):
        held[array][at] = value

    return change(edit)


LAYOUT = Layout(
    JetFiles,
    write,
    expected,
    labels,
    options={
        "files": ["jets_*.npz"],
        "columns": COLUMNS,
        "jets": {"event": "number"},
        "label": "y",
        "classes": CLASSES,
    },
    wrong={
        "columns": (
            change(lambda held: held.update(Z=held.pop("X"))),
            r"jets_0.npz has no 'X', it holds y, number, Z: give the name",
        ),
        "dtype": (
            change(lambda held: held.update(X=held["X"].astype("U8"))),
            r"jets_0.npz: 'X'\[0\] holds <U8, expected numbers",
        ),
        "nan": (put("X", (1, 0, 1), np.nan), "jets_0.npz: jet 1 has a NaN"),
        "negative": (put("X", (1, 0, 0), -3.0), "jets_0.npz: jet 1 has .* negative"),
        "count": (
            change(lambda held: held.update(y=np.append(held["y"], [0, 1]))),
            "jets_0.npz has arrays of different numbers of rows .*X has 20.* y has 22",
        ),
        "label": (
            put("y", 4, 3),
            r"jets_0.npz: jet 4 is the first of 1 of 41 jets without a label in 'y' \(3: 1\), "
            "expected one of w, qcd, top, numbered from 0 to 2",
        ),
        "second": (
            change(lambda held: held.update(X=held["X"][..., :3]), FILES[1]),
            r"jets_1.npz: 'X' has columns 0 to 2 .* but 3 is wanted",
        ),
    },
)
