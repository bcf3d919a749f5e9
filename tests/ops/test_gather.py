"""Whole jets taken out of a batch: kernel, plain torch and awkward agree."""

import awkward as ak
import numpy as np
import pytest
import torch

from pyg_jets.ops.gather import _gather, flat_view, gather, gather_kernel, gather_reference
from tests.ops.test_segment import COUNTS, jets

INDICES = [[0], [5, 1, 5, 3], [1, 4], [], list(range(8))[::-1]]


@pytest.mark.parametrize("index", INDICES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.int64, torch.float64, torch.bfloat16])
def test_against_awkward(index, dtype):
    x, ptr = jets(dtype=dtype)
    out, out_ptr = gather(x, ptr, torch.tensor(index, dtype=torch.int64))
    want = ak.unflatten(x.double().numpy(), COUNTS)[np.array(index, np.int64)]
    assert out_ptr.diff().tolist() == ak.num(want).tolist()
    assert np.array_equal(out.double().numpy(), ak.to_numpy(ak.flatten(want)).reshape(-1, 5))


def test_without_kernels_and_gradient(monkeypatch):
    x, ptr = jets([2, 0, 1, 3], width=2, dtype=torch.float64)
    index = torch.tensor([3, 1, 3, 0])
    assert torch.autograd.gradcheck(lambda x: gather(x, ptr, index)[0], x.requires_grad_())
    with_kernel = gather(x, ptr, index)
    monkeypatch.setenv("PYG_JETS_KERNELS", "0")
    for one, other in zip(with_kernel, gather(x, ptr, index), strict=True):
        assert torch.equal(one, other)


def test_unjitted():
    x, ptr = jets()
    index = torch.tensor([5, 3])
    want, out_ptr = gather_reference(x, ptr, index)
    out = np.empty(want.numel(), np.float32)
    source, starts = x.numpy().reshape(-1), ptr[index].numpy()
    gather_kernel.py_func(source, starts, out_ptr.numpy(), 5, out, 0, 2)
    assert np.array_equal(out, want.numpy().reshape(-1))


def test_opcheck_and_compile():
    x, ptr = jets()
    index = torch.tensor([5, 1, 5, 3])
    torch.library.opcheck(_gather, (x.requires_grad_(), ptr, index))
    with torch._dynamo.config.patch(capture_dynamic_output_shape_ops=True):
        run = torch.compile(
            lambda x: gather(2 * x, ptr, index), fullgraph=True, backend="aot_eager"
        )
        for one, other in zip(run(x), gather(2 * x, ptr, index), strict=True):
            assert torch.equal(one, other)


@pytest.mark.parametrize("kernels", ["0", "1"])
@pytest.mark.parametrize("index", [[8], [-1]])
def test_bad_input(index, kernels, monkeypatch):
    monkeypatch.setenv("PYG_JETS_KERNELS", kernels)
    with pytest.raises(IndexError, match="Expected jets from 0 to 7, but"):
        gather(*jets(), torch.tensor(index))


def test_flat_views_of_every_size():
    for dtype, item in ((torch.bool, np.uint8), (torch.float64, np.int32), (torch.int64, np.int64)):
        assert flat_view(torch.ones(3, 2, dtype=dtype)).dtype == item
