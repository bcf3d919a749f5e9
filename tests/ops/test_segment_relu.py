"""The sum of ReLUs in one pass is the sum of ReLUs in two."""

import numpy as np
import pytest
import torch

from pyg_jets.ops import segment_relu, segment_sum, segment_sum_relu
from tests.ops.test_segment import COUNTS, TOLERANCE, jets


def two_steps(x, bias, ptr):
    return segment_sum(torch.relu(x + bias), ptr)


def gradients(function, x, bias, ptr):
    leaves = x.clone().requires_grad_(), bias.clone().requires_grad_()
    out = function(*leaves, ptr)
    return out, *torch.autograd.grad(out.square().sum(), leaves)


@pytest.mark.parametrize("counts", [COUNTS, [0], [], [31] * 9])
@pytest.mark.parametrize("kernels", ["1", "0"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_against_two_steps(counts, kernels, dtype, monkeypatch):
    monkeypatch.setenv("PYG_JETS_KERNELS", kernels)
    (x, ptr), bias = jets(counts, dtype=dtype), torch.linspace(-1, 1, 5, dtype=dtype)
    mine, yours = (gradients(f, x, bias, ptr) for f in (segment_sum_relu, two_steps))
    for one, other in zip(mine, yours, strict=True):
        torch.testing.assert_close(one, other, **TOLERANCE)


def test_gradients_of_gradients():
    x, ptr = jets([2, 0, 1, 3], width=2, dtype=torch.float64)
    args = (x.requires_grad_(), torch.ones(2, dtype=torch.float64, requires_grad=True), ptr)
    assert torch.autograd.gradcheck(segment_sum_relu, args)
    assert torch.autograd.gradgradcheck(segment_sum_relu, args)


def test_opcheck_and_compile():
    (x, ptr), bias = jets(), torch.zeros(5, requires_grad=True)
    torch.library.opcheck(segment_relu._sum_relu, (x.clone().requires_grad_(), bias, ptr))
    compiled = torch.compile(segment_sum_relu, fullgraph=True, backend="aot_eager")
    mine, yours = (gradients(f, x, bias.detach(), ptr) for f in (compiled, two_steps))
    for one, other in zip(mine, yours, strict=True):
        torch.testing.assert_close(one, other, **TOLERANCE)


def test_unjitted_and_nan():
    (x, ptr), bias = jets(), torch.zeros(5)
    x[0, 0] = float("nan")
    out = np.empty((len(COUNTS), 5), np.float32)
    arrays = x.numpy(), bias.numpy(), ptr.numpy()
    segment_relu.sum_relu_kernel.py_func(*arrays, out, 0, len(COUNTS))
    for got in (torch.from_numpy(out), segment_sum_relu(x, bias, ptr)):
        torch.testing.assert_close(got, two_steps(x, bias, ptr), equal_nan=True, **TOLERANCE)
    assert np.isnan(out[0, 0])


def test_bad_input():
    x, ptr = jets()
    with pytest.raises(ValueError, match="bias of 5 numbers"):
        segment_sum_relu(x, torch.zeros(4), ptr)
    with pytest.raises(ValueError, match="ptr to rise"):
        segment_sum_relu(x, torch.zeros(5), ptr + 1)
