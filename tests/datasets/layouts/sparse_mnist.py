"""MNIST as published: idx files in gzip, two a split. The images here are of Pythia jets."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np

from pyg_jets import JetArray
from pyg_jets.datasets.sparse_mnist import SparseMNIST
from tests.datasets.layouts.layout import Layout, per_jet
from tests.datasets.layouts.momenta import axes

N_PIXELS = 12
FILES = {"train": "train", "test": "t10k"}


def images_of(jets: JetArray) -> np.ndarray:
    axis = axes(jets)
    rows = np.stack(
        [
            jets.column("eta") - axis["eta"],
            (jets.column("phi") - axis["phi"] + np.pi) % (2 * np.pi) - np.pi,
            jets.column("pt"),
        ],
        -1,
    )
    edges = np.linspace(-0.9, 0.9, 29)
    out = []
    for x, y, pt in (one.T for one in per_jet(rows, jets)):
        # In steps of 5, so that equally bright pixels are many.
        sums = np.histogram2d(-y, x, bins=edges, weights=pt)[0]
        out.append(np.minimum(5 * np.ceil(sums), 255).astype(np.uint8))
    return np.stack(out)


def write_idx(path: Path, array: np.ndarray, code: int = 8) -> None:
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "wb") as file:
        file.write(head + array.tobytes())


def read_idx(path: Path) -> np.ndarray:
    raw = gzip.decompress(path.read_bytes())
    shape = struct.unpack_from(f">{raw[3]}I", raw, 4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)


def images_path(root: Path, split: str = "train") -> Path:
    return root / "raw" / f"{FILES[split]}-images-idx3-ubyte.gz"


def labels_path(root: Path, split: str = "train") -> Path:
    return root / "raw" / f"{FILES[split]}-labels-idx1-ubyte.gz"


def write(root: Path, jets: JetArray) -> None:
    (root / "raw").mkdir(parents=True, exist_ok=True)
    images, digits = images_of(jets), (jets.labels % 10).astype(np.uint8)
    for split, part in zip(FILES, (slice(None, 25), slice(25, None)), strict=True):
        write_idx(images_path(root, split), images[part])
        write_idx(labels_path(root, split), digits[part])


def points(image: np.ndarray, n_pixels: int) -> np.ndarray:
    """The brightest pixels by hand, the first of equals, in the order of the image."""
    flat = image.ravel().astype(int)
    chosen = sorted(range(784), key=lambda i: (-flat[i], i))[:n_pixels]
    found = [
        (-1 + 2 * (i % 28) / 27, 1 - 2 * (i // 28) / 27, flat[i] / 255)
        for i in sorted(chosen)
        if flat[i]
    ]
    return np.array(found).reshape(-1, 3)


def expected(root: Path) -> list[np.ndarray]:
    return [points(image, N_PIXELS) for split in FILES
            for image in read_idx(images_path(root, split))]  # fmt: skip


def labels(root: Path) -> np.ndarray:
    return np.concatenate([read_idx(labels_path(root, split)) for split in FILES])


def change(path, edit, **how):
    return lambda root: write_idx(path(root), edit(read_idx(path(root)).copy()), **how)


def with_label(digits: np.ndarray) -> np.ndarray:
    digits[1] = 77
    return digits


LAYOUT = Layout(
    SparseMNIST,
    write,
    expected,
    labels,
    options={"source": "full", "n_pixels": N_PIXELS, "ties": "row"},
    wrong={
        "columns": (
            change(images_path, lambda images: images[:, 0, 0]),
            "train-images.* with 1 axes, expected one of uint8 with 3",
        ),
        "dtype": (
            change(images_path, lambda images: images.astype(">f4"), code=13),
            "train-images.* of float32",
        ),
        "count": (
            change(labels_path, lambda digits: np.append(digits, digits[:3])),
            "train-labels.* has 28 labels, but .* has 25 images",
        ),
        "label": (change(labels_path, with_label), "label 77, but there are 10 classes"),
        "second": (
            lambda root: write_idx(
                images_path(root, "test"), read_idx(images_path(root, "test"))[:, :20, :20].copy()
            ),
            r"t10k-images.* of shape \[20, 20\]",
        ),
    },
    exempt={
        "nan": "brightness is a byte, which has no NaN",
        "negative": "brightness is an unsigned byte",
    },
)
