"""Jets with canonical columns as a data set with splits, for a study of GEN and RECO."""

import numpy as np
import torch
from torch_geometric.data import Data

from tests.batches import in_memory


class ToyDataset:
    """Jets of photons, pions and neutrons about their axes, as a data set with splits."""

    def __init__(self, n_jets, seed):
        rng = np.random.default_rng(seed)
        self.graphs = []
        for jet in range(n_jets):
            n, axis = rng.integers(8, 30), rng.uniform([-2, -3], [2, 3])
            x = np.zeros((n, 6), np.float32)
            x[:, 0] = rng.exponential(20, n) + 1
            x[:, 1:3] = axis + rng.normal(0, 0.15, (n, 2))
            kind = rng.integers(0, 3, n)
            x[:, 3] = np.choose(kind, [0.13957, 0.0, 0.93957])
            x[:, 4], x[:, 5] = np.choose(kind, [1, 0, 0]), np.choose(kind, [211, 22, 2112])
            graph = Data(x=torch.from_numpy(x), jet_id=torch.tensor([jet]))
            self.graphs.append(graph)

    def get_split(self, name):
        half = len(self.graphs) // 2
        return in_memory(self.graphs[:half] if name == "test" else self.graphs[half:])
