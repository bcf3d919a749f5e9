"""The file of MNIST superpixels as published, with random graphs."""

import zipfile

import numpy as np
import torch

N_GRAPHS = {"train": 23, "test": 9}


def graph(rng, n_nodes=75):
    edges = torch.from_numpy(rng.integers(0, n_nodes, (2, int(rng.integers(1300, 1500)))))
    return {
        "x": torch.from_numpy(rng.random((n_nodes, 1), np.float32)),
        "edge_index": edges,
        "y": torch.tensor([int(rng.integers(10))]),
        "pos": torch.from_numpy(28 * rng.random((n_nodes, 2), np.float32)),
    }


def write(folder):
    """``MNISTSuperpixels.zip`` with one ``.pt`` of lists of dictionaries, as published."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(4)
    unpacked, path = folder / "MNISTSuperpixels.pt", folder / "MNISTSuperpixels.zip"
    torch.save([[graph(rng) for _ in range(n)] for n in N_GRAPHS.values()], unpacked)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(unpacked, unpacked.name)
    unpacked.unlink()
    return path
