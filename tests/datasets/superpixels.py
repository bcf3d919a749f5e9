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


def graphs():
    rng = np.random.default_rng(4)
    return [[graph(rng) for _ in range(n)] for n in N_GRAPHS.values()]


def write(root, content=None, packed=True, **how):
    """The file as published: one ``.pt`` of lists of dictionaries, in a zip."""
    raw = root / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    path = raw / "MNISTSuperpixels.pt"
    torch.save(graphs() if content is None else content, path, **how)
    if packed:
        with zipfile.ZipFile(raw / "MNISTSuperpixels.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(path, path.name)
        path.unlink()
        path = path.with_suffix(".zip")
    return path
