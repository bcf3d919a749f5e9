"""EnergyFlow's quark and gluon jets: packed npz."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from particle import Particle

from pyg_jets import JetArray
from pyg_jets.datasets.quark_gluon import QuarkGluon
from tests.datasets.layouts.layout import Layout, padded

FILES = ("QG_jets.npz", "QG_jets_1.npz")


def write(root: Path, jets: JetArray) -> None:
    (root / "raw").mkdir(parents=True, exist_ok=True)
    for name, part in zip(FILES, np.array_split(np.arange(len(jets)), 2), strict=True):
        some = jets[part]
        columns = {n: some.column(n) for n in ("pt", "rapidity", "phi", "pdgid")}
        values = padded(some, columns, int(some.counts.max()))
        values[..., 2] %= 2 * np.pi  # published in [0, 2 pi)
        np.savez_compressed(root / "raw" / name, X=values, y=(some.labels % 2).astype(float))


def arrays(root: Path):
    for name in FILES:
        with np.load(root / "raw" / name) as file:
            yield file["X"], file["y"]


def expected(root: Path) -> list[np.ndarray]:
    out = []
    for x, _ in arrays(root):
        for jet in x:
            pt, y, phi, number = jet[jet[:, 0] > 0].T
            kinds = [Particle.from_pdgid(int(i)) for i in number]
            mass = np.array([float(k.mass or 0) / 1000 for k in kinds])
            pz = np.sqrt(pt**2 + mass**2) * np.sinh(y)
            charge = [float(k.charge) for k in kinds]
            out.append(np.stack([pt, np.arcsinh(pz / pt), phi, mass, charge, number], -1))
    return out


def labels(root: Path) -> np.ndarray:
    return np.concatenate([y for _, y in arrays(root)])


def change(name: str, **edits):
    """Rewrite a file with arrays edited or dropped (``None``)."""

    def spoil(root: Path) -> None:
        path = root / "raw" / name
        with np.load(path) as file:
            held = dict(file)
        for key, edit in edits.items():
            held[key] = held[key] if edit is None else edit(held[key].copy())
        np.savez_compressed(path, **{k: v for k, v in held.items() if edits.get(k, k) is not None})

    return spoil


def put(index, value):
    def edit(values):
        values[index] = value
        return values

    return edit


LAYOUT = Layout(
    QuarkGluon,
    write,
    expected,
    labels,
    options={"n_files": 2},
    wrong={
        "columns": (change(FILES[0], y=None), "QG_jets.npz.*no array 'y'"),
        "dtype": (change(FILES[0], X=lambda x: x.astype("U8")), "QG_jets.npz: X has .* dtype"),
        "nan": (change(FILES[0], X=put((1, 0, 1), np.nan)), "QG_jets.npz: jet 1 has a NaN"),
        "negative": (change(FILES[0], X=put((1, 0, 0), -1.0)), "jet 1 has .* negative"),
        "count": (change(FILES[0], y=lambda y: y[:-1]), "different numbers of rows"),
        "label": (change(FILES[0], y=put(2, 3.0)), "jet 2 has the label 3"),
        "second": (change(FILES[1], X=lambda x: x[..., :3]), "QG_jets_1.npz: X has shape"),
    },
)
