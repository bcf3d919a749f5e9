"""What the latent of a response says, measured on toys where it is known."""

import pytest
import torch

from pyg_jets.nn import ConditionalGraphVAE
from pyg_jets.studies.generation import latent
from tests.nn.test_conditional_graph_vae import CELLS, FULL, cells_of, full, pairs


def draw(seed, width):
    """Jets of one kind of GEN, through a detector with a common scale of some width."""
    x, ptr = full(40, 25, 3)
    generator = torch.Generator().manual_seed(seed)
    y, y_ptr = cells_of(x, ptr, generator)
    scale = (width * torch.randn(40, generator=generator)).exp()
    y = y.clone()
    y[:, [0, 5]] *= scale.repeat_interleave(y_ptr.diff()).unsqueeze(1)
    batch = pairs(x, ptr, y, y_ptr)
    batch.common_scale = scale
    batch.axis = torch.stack([scale, x.new_zeros(40), x.new_zeros(40)], 1)
    batch.axis[:, 1].copy_(torch.linspace(0, 1, 40))
    return batch


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    model = ConditionalGraphVAE(FULL, latent=2, hidden=8, cells=CELLS)
    model.fit_statistics([draw(0, 0.0)])
    return model


def test_a_detector_that_factorises_is_told_from_one_that_does_not(network):
    apart = latent.factorisation(network, [[draw(i, 0.0)] for i in range(12)])
    common = latent.factorisation(network, [[draw(i, 0.1)] for i in range(12)])
    assert abs(apart["pairs"]) < 5 * apart["pairs_error"]
    assert common["pairs"] > 0.1
    assert apart["largest"] < 0.15 < common["largest"]


def test_measures_of_the_latent_have_their_names(network):
    batches = [draw(i, 0.1) for i in range(3)]
    assert latent.divergence(network, batches)["kl"] >= 0
    assert set(latent.hidden_eta(network, batches)) == {"r2", "r2_gen", "largest_correlation"}
    scale = latent.common_scale(network, batches)
    assert scale["spread_ratio"] < 0.9  # nothing was trained: it makes no scale
    assert abs(scale["correlation"]) <= 1
