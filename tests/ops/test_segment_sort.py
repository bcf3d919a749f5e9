"""Sorting within jets: numpy is the oracle."""

import numpy as np
import pytest
import torch

from pyg_jets.ops import segment_sort
from pyg_jets.ops.segment_sort import segment_sort_reference

COUNTS = [3, 0, 1, 7, 0, 120, 1, 48, 49, 0]


@pytest.fixture(params=["1", "0"], ids=["kernels", "torch"])
def kernels(request, monkeypatch):
    monkeypatch.setenv("PYG_JETS_KERNELS", request.param)


def jets(counts=COUNTS, width=4, dtype=torch.float32):
    ptr = torch.tensor([0, *np.cumsum(counts)])
    x = torch.randn(int(ptr[-1]), width, generator=torch.Generator().manual_seed(0))
    return (x * 4).round().div(4).to(dtype), ptr  # with ties


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("counts", [COUNTS, [0], [], [1], [200]])
@pytest.mark.usefixtures("kernels")
def test_against_numpy(counts, dtype):
    x, ptr = jets(counts, dtype=dtype)
    got = segment_sort(x, ptr)
    for j in range(len(counts)):
        rows = slice(int(ptr[j]), int(ptr[j + 1]))
        assert np.array_equal(got[rows].numpy(), np.sort(x[rows].numpy(), axis=0))


@pytest.mark.usefixtures("kernels")
def test_the_gradient_goes_to_where_a_value_came_from():
    x, ptr = jets([5, 0, 60])
    x = x.requires_grad_()
    weight = torch.arange(x.numel(), dtype=torch.float32).view(x.shape)
    (grad,) = torch.autograd.grad((segment_sort(x, ptr) * weight).sum(), x)
    values, rows = segment_sort_reference(x.detach(), ptr)
    assert torch.equal(grad.gather(0, rows), weight)
    assert torch.equal(values, segment_sort(x, ptr))


def test_jets_that_do_not_fit():
    x, ptr = jets([2, 2])
    with pytest.raises(ValueError, match="to the number of particles"):
        segment_sort(x[:3], ptr)


def test_opcheck():
    x, ptr = jets([3, 0, 2])
    torch.library.opcheck(torch.ops.pyg_jets.segment_sort.default, (x.requires_grad_(), ptr))
