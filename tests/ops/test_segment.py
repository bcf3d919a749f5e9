"""Reductions over jets: kernel, plain torch, torch.segment_reduce and awkward agree."""

import awkward as ak
import numpy as np
import pytest
import torch

from pyg_jets.ops import segment, segment_expand, segment_max, segment_mean, segment_sum
from pyg_jets.ops.kernel import over_jets

TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}
REDUCE = {"sum": segment_sum, "mean": segment_mean, "max": segment_max}
COUNTS = [3, 0, 1, 7, 0, 40, 1, 0]


def jets(counts=COUNTS, width=5, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    ptr = torch.tensor([0, *np.cumsum(counts)])
    return torch.randn(int(ptr[-1]), width, generator=generator).to(dtype), ptr


@pytest.mark.parametrize("name", REDUCE)
@pytest.mark.parametrize("counts", [COUNTS, [0], [0, 0], [4], [1, 1, 1], []])
@pytest.mark.parametrize("width", [1, 5, 0])
def test_against_torch(name, counts, width):
    x, ptr = jets(counts, width)
    got = REDUCE[name](x, ptr)
    assert got.shape == (len(counts), width)
    assert (got[ptr.diff() == 0] == 0).all()
    for j in (j for j, n in enumerate(counts) if n and width):
        rows = x[ptr[j] : ptr[j + 1]]
        want = rows.amax(0) if name == "max" else getattr(rows, name)(0)
        torch.testing.assert_close(got[j], want, **TOLERANCE)


@pytest.mark.parametrize("name", REDUCE)
def test_against_segment_reduce_and_awkward(name):
    x, ptr = jets()
    got = REDUCE[name](x, ptr)
    full = ptr.diff() > 0
    torch.testing.assert_close(
        got[full], torch.segment_reduce(x, name, offsets=ptr, axis=0)[full], **TOLERANCE
    )
    ragged = ak.unflatten(x.numpy(), COUNTS)
    want = ak.to_numpy(getattr(ak, name)(ragged, axis=1)[full.numpy()])
    torch.testing.assert_close(got[full], torch.from_numpy(want).to(x), **TOLERANCE)


@pytest.mark.parametrize("name", REDUCE)
def test_without_kernels(name, monkeypatch):
    x, ptr = jets()
    results = []
    for switch in ("1", "0"):
        monkeypatch.setenv("PYG_JETS_KERNELS", switch)
        leaf = x.clone().requires_grad_()
        out = REDUCE[name](leaf, ptr)
        (grad,) = torch.autograd.grad(out.square().sum(), leaf)
        results.append((out, grad))
    torch.testing.assert_close(*(r[0] for r in results), **TOLERANCE)
    torch.testing.assert_close(*(r[1] for r in results), **TOLERANCE)


@pytest.mark.parametrize("name", REDUCE)
def test_float64_takes_the_torch_path_and_gradients(name, monkeypatch):
    monkeypatch.setattr(segment, "max_kernel", None)  # it must not be called
    x, ptr = jets([2, 0, 1, 3], width=2, dtype=torch.float64)
    assert torch.autograd.gradcheck(REDUCE[name], (x.requires_grad_(), ptr))
    if name != "max":
        assert torch.autograd.gradgradcheck(REDUCE[name], (x, ptr))


def test_expand_is_the_transpose():
    x, ptr = jets()
    rows = torch.randn(len(COUNTS), x.shape[1])
    inner = (segment_sum(x, ptr) * rows).sum()
    torch.testing.assert_close(inner, (x * segment_expand(rows, ptr, len(x))).sum(), **TOLERANCE)


def test_max_of_equals_and_nan():
    x = torch.tensor([[2.0], [2.0], [1.0], [float("nan")], [5.0]], requires_grad=True)
    out = segment_max(x, torch.tensor([0, 2, 5]))
    assert out[0] == 2
    assert out[1].isnan()
    (grad,) = torch.autograd.grad(out[0].sum(), x)
    assert grad.flatten().tolist() == [1, 0, 0, 0, 0]
    values, where = segment.max_reference(x.detach(), torch.tensor([0, 2, 5]))
    assert values[1].isnan()
    assert where.flatten().tolist() == [0, 3]


def test_kernel_unjitted():
    x, ptr = jets()
    out, argmax = np.empty((len(COUNTS), x.shape[1]), np.float32), np.empty((8, 5), np.int64)
    segment.max_kernel.py_func(x.numpy(), ptr.numpy(), out, argmax, 0, len(COUNTS))
    want = segment.max_reference(x, ptr)
    torch.testing.assert_close(torch.from_numpy(out), want[0], **TOLERANCE)
    assert np.array_equal(argmax, want[1].numpy())


def test_threads_change_nothing(monkeypatch):
    x, ptr = jets([31] * 50)
    alone = segment_max(x, ptr)
    monkeypatch.setattr(segment, "over_jets", lambda run, p: over_jets(run, p, threads=4))
    assert torch.equal(alone, segment_max(x, ptr))


def test_not_contiguous_and_half():
    x, ptr = jets(width=4)
    torch.testing.assert_close(segment_sum(x.T.contiguous().T, ptr), segment_sum(x, ptr))
    assert segment_sum(x.bfloat16(), ptr).dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("op", "args"),
    [
        (segment._sum, ()),
        (segment._max, ()),
        (segment._expand, (sum(COUNTS),)),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_opcheck(op, args, dtype):
    x, ptr = jets(dtype=dtype)
    x = torch.randn(len(COUNTS), 5, dtype=dtype) if args else x
    torch.library.opcheck(op, (x.requires_grad_(), ptr, *args))


@pytest.mark.parametrize("name", REDUCE)
def test_compiles_without_a_break(name):
    x, ptr = jets()
    op = REDUCE[name]

    def run(x, ptr):
        return op(2 * x, ptr).relu()

    compiled = torch.compile(run, fullgraph=True, backend="aot_eager")
    for counts in (COUNTS, [2, 3], [1, 0, 9]):
        x, ptr = jets(counts)
        leaf, other = x.clone().requires_grad_(), x.clone().requires_grad_()
        mine, yours = compiled(leaf, ptr), run(other, ptr)
        torch.testing.assert_close(mine, yours)
        mine.sum().backward(), yours.sum().backward()
        torch.testing.assert_close(leaf.grad, other.grad)


@pytest.mark.parametrize(
    ("x", "ptr", "message"),
    [
        (torch.ones(3), torch.tensor([0, 3]), r"x \[N, F\]"),
        (torch.ones(3, 1), torch.tensor([0.0, 3.0]), "ptr .* as int64"),
        (torch.ones(3, 1), torch.tensor([], dtype=torch.int64), "ptr"),
        (torch.ones(3, 1), torch.tensor([0, 2]), "rise from 0 to the number of particles"),
        (torch.ones(3, 1), torch.tensor([1, 3]), "rise from 0"),
        (torch.ones(3, 1), torch.tensor([0, 9, 3]), "and falls"),
    ],
)
@pytest.mark.parametrize("name", REDUCE)
def test_bad_input(name, x, ptr, message):
    with pytest.raises(ValueError, match=message):
        REDUCE[name](x, ptr)
