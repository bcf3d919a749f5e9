"""Jet images of the LAGAN study: float32, not packed, one array a column."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from pyg_jets import JetArray
from pyg_jets.datasets.jet_images import JetImages
from tests.datasets.layouts.jet_net import change, put
from tests.datasets.layouts.layout import Layout, per_jet
from tests.datasets.layouts.momenta import axes, of_jets

FILE = "jet-images_Mass60-100_pT250-300_R1.25_Pix25.hdf5"


def images_of(jets: JetArray) -> np.ndarray:
    """As the authors make them, without the rotation: a histogram in (η, φ), turned upside up."""
    axis = axes(jets)
    eta = jets.column("eta") - axis["eta"]
    phi = (jets.column("phi") - axis["phi"] + np.pi) % (2 * np.pi) - np.pi
    edges = np.linspace(-1.25, 1.25, 26)
    return np.stack(
        [
            np.flipud(np.histogram2d(x, y, bins=edges, weights=pt)[0].T)
            for x, y, pt in zip(
                per_jet(eta, jets), per_jet(phi, jets), per_jet(jets.column("pt"), jets),
                strict=True,
            )
        ]
    )  # fmt: skip


def write(root: Path, jets: JetArray) -> None:
    (root / "raw").mkdir(parents=True, exist_ok=True)
    images = images_of(jets).astype(np.float32)
    images[3, 0, 0] = -1e-9  # rounding of the interpolation
    whole, n = of_jets(jets), len(jets)
    columns = {f"jet_{name}": whole[name] for name in ("pt", "eta", "phi", "mass")}
    columns |= {"jet_delta_R": np.linspace(0, 1, n), "signal": jets.labels % 2}
    columns |= {f"tau_{i}": np.linspace(0, 1 / i, n) for i in (1, 2, 3)}
    columns |= {"tau_21": np.full(n, -10.0), "tau_32": np.full(n, 0.5)}
    with h5py.File(root / "raw" / FILE, "w") as file:
        file["image"] = images
        for name, value in columns.items():
            file[name] = value.astype(np.float32)


def expected(root: Path) -> list[np.ndarray]:
    with h5py.File(root / "raw" / FILE) as file:
        images = file["image"][:]
    return [
        np.array(
            [
                (image[row, column], -1.2 + 0.1 * column, 1.2 - 0.1 * row)
                for row in range(25)
                for column in range(25)
                if image[row, column] > 0
            ]
        ).reshape(-1, 3)
        for image in images
    ]


def labels(root: Path) -> np.ndarray:
    with h5py.File(root / "raw" / FILE) as file:
        return file["signal"][:].astype(int)


LAYOUT = Layout(
    JetImages,
    write,
    expected,
    labels,
    wrong={
        "columns": (change(FILE, "jet_pt", lambda a: None), f"{FILE} has no dataset 'jet_pt'"),
        "dtype": (
            change(FILE, "image", lambda a: a.astype("S8")),
            f"{FILE}: dataset 'image' has dtype .*S8, expected floating-point",
        ),
        "nan": (change(FILE, "image", put((1, 9, 9), np.nan)), f"{FILE}: jet 1 has a NaN"),
        "negative": (change(FILE, "image", put((1, 9, 9), -0.5)), f"{FILE}: jet 1 has .* negative"),
        "count": (
            change(FILE, "image", lambda a: np.concatenate([a, a[:2]])),
            rf"{FILE} has different numbers of rows \('image' 43, 'signal' 41",
        ),
        "label": (change(FILE, "signal", put((1,), 2.0)), "label 2.0, but there are 2 classes"),
    },
    exempt={"second": "there is one file"},
)
