"""An empty jet and a one-particle jet go every step of the way."""

import numpy as np
import pytest
import torch

from pyg_jets import JetArray, JetLoader
from pyg_jets.detector import Detector
from pyg_jets.io import read_parquet, write_parquet
from pyg_jets.losses import InvarianceLoss
from pyg_jets.nn import FCN, PFN
from pyg_jets.substructure import substructure
from pyg_jets.transforms import Compose, Features, Resimulate
from tests.conftest import random_jets


@pytest.mark.parametrize("counts", [(0, 1), (0, 0), (1, 1), (0, 1, 30)], ids=str)
@pytest.mark.parametrize("network", [PFN(), FCN(max_particles=16)], ids=["PFN", "FCN"])
def test_from_the_file_to_the_gradient(counts, network, tmp_path):
    write_parquet(random_jets(counts=np.array(counts)), tmp_path / "jets.parquet")
    jets = JetArray.from_awkward(read_parquet(tmp_path / "jets.parquet").to_awkward())
    steps = Compose([Resimulate("cms-like", angles=4), Features()])
    (batch,) = JetLoader(jets.to_pyg(), batch_size=8, batch_transform=steps)
    assert batch.num_graphs == 4 * len(counts)
    logits = network(batch.x, batch.ptr)
    InvarianceLoss()(logits, batch).backward()
    assert torch.isfinite(logits).all()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters())


def test_observables_of_small_jets():
    jets = random_jets(counts=np.array([0, 1, 2]))
    for some in (jets, Detector.preset("cms-like").simulate(jets)):
        found = substructure(some)
        assert all(np.isfinite(value).all() for value in found.values())
        assert found["multiplicity"].tolist() == some.counts.tolist()
        assert found["pt"][some.counts == 0].tolist() == [0.0] * (some.counts == 0).sum()
        assert (found["tau1"][some.counts == 1] < 1e-6).all()
