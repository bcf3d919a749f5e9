"""Kernels without a gradient agree with torch."""

import numpy as np
import pytest
import torch

from pyg_jets.nn.layers import jet_momentum
from pyg_jets.nn.layers.jet_momentum import jet_momenta, match_jet_momentum
from pyg_jets.ops import counts_to_ptr, segment_relu

CASES = [[3, 0, 1, 40], [0], [], [9000, 1, 9000, 0]]


def jets(counts):
    torch.manual_seed(0)
    ptr = counts_to_ptr(torch.tensor(counts, dtype=torch.int64))
    n, n_jets = int(ptr[-1]), len(counts)
    x = torch.cat((20 * torch.rand(n, 1) + 0.01, 0.3 * torch.randn(n, 2)), 1)
    jet = torch.rand(n_jets, 4) + torch.tensor([500.0, 80.0, 0.0, 0.0])
    return x, ptr, jet


@pytest.mark.parametrize("counts", CASES)
def test_kernels_against_torch(counts, monkeypatch):
    x, ptr, jet = jets(counts)
    made = {}
    for kernels in ("1", "0"):
        monkeypatch.setenv("PYG_JETS_KERNELS", kernels)
        with torch.no_grad():
            made[kernels] = (
                match_jet_momentum(x, ptr, jet),
                jet_momenta(x, ptr)[:, [0, 2, 3]],
            )
    for one, other in zip(*made.values(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_a_gradient_is_there_when_it_is_asked_for():
    x, ptr, jet = jets([3, 2])
    assert match_jet_momentum(x.requires_grad_(), ptr, jet).requires_grad
    assert jet_momenta(x, ptr).requires_grad
    with torch.inference_mode():
        assert not match_jet_momentum(x, ptr, jet).requires_grad


def test_unjitted_and_nan(monkeypatch):
    x, ptr, jet = jets([3, 0, 2])
    x[0, 1] = float("nan")
    monkeypatch.setattr(jet_momentum, "momentum", jet_momentum.momentum.py_func)
    monkeypatch.setattr(jet_momentum, "cylindrical", jet_momentum.cylindrical.py_func)
    out = x.numpy().copy()
    jet_momentum.match_momentum_kernel.py_func(jet.numpy(), ptr.numpy(), 2, 4.0, out, 0, 3)
    torch.testing.assert_close(
        torch.from_numpy(out), match_jet_momentum(x, ptr, jet), equal_nan=True
    )
    assert np.isnan(out[:3]).all()
    assert np.isfinite(out[3:]).all()
    h = torch.tensor([[float("nan")], [-2.0], [1.0], [0.0], [5.0]])
    segment_relu.expand_relu_kernel.py_func(h.numpy(), np.ones((3, 1), "f4"), ptr.numpy(), 0, 3)
    assert h.flatten()[1:].tolist() == [0, 2, 1, 6]
    assert h[0].isnan()


def test_a_pointer_that_does_not_fit_is_named():
    x, ptr, jet = jets([3, 2])
    with torch.no_grad(), pytest.raises(ValueError, match="ptr to rise"):
        match_jet_momentum(x, ptr + 1, jet)
