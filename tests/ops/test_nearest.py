"""Nearest particles of another set: kernel, plain torch and scipy's tree agree."""

import importlib
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from pyg_jets.ops import matched_distance, nearest
from pyg_jets.ops.nearest import nearest_reference

SIZES = [(3, 2), (0, 4), (1, 0), (7, 9), (0, 0), (90, 85), (130, 1), (300, 257), (5, 128)]
both = pytest.mark.parametrize("switch", ["1", "0"])


@pytest.fixture(autouse=True)
def kernels(request, monkeypatch):
    if "switch" in request.fixturenames:
        monkeypatch.setenv("PYG_JETS_KERNELS", request.getfixturevalue("switch"))


def sets(width, sizes=SIZES, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    found = []
    for counts in np.array(sizes).T:
        ptr = torch.tensor([0, *np.cumsum(counts)])
        found += [torch.randn(int(ptr[-1]), width, generator=generator).to(dtype), ptr]
    return found


def by_tree(x, x_ptr, y, y_ptr):
    out = np.full(len(x), -1)
    x, y = x.double().numpy(), y.double().numpy()
    for (a, b), (c, d) in zip(pairwise(x_ptr.tolist()), pairwise(y_ptr.tolist()), strict=True):
        if b > a and d > c:
            out[a:b] = c + cKDTree(y[c:d]).query(x[a:b])[1]
    return out.tolist()


@both
@pytest.mark.parametrize("width", [1, 2, 3, 4, 9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_against_a_tree(width, dtype, switch):
    x, x_ptr, y, y_ptr = sets(width, dtype=dtype)
    to_y, to_x = nearest(x, x_ptr, y, y_ptr)
    assert to_y.tolist() == by_tree(x, x_ptr, y, y_ptr)
    assert to_x.tolist() == by_tree(y, y_ptr, x, x_ptr)


@both
def test_the_first_of_equals(switch):
    x, y = torch.zeros(3, 2), torch.zeros(140, 2)
    to_y, to_x = nearest(x, torch.tensor([0, 3]), y, torch.tensor([0, 140]))
    assert to_y.tolist() == [0] * 3
    assert to_x.tolist() == [0] * 140


@both
@pytest.mark.parametrize("sizes", [[(0, 0)], [(0, 3)], [(2, 0), (0, 0)]])
def test_empty_sets(sizes, switch):
    x, x_ptr, y, y_ptr = sets(2, sizes)
    to_y, to_x = nearest(x, x_ptr, y, y_ptr)
    assert to_y.tolist() == [-1] * len(x)
    assert to_x.tolist() == [-1] * len(y)


def test_threads_and_chunks_change_nothing(monkeypatch):
    x, x_ptr, y, y_ptr = sets(3, [(60, 50)] * 500)
    whole = nearest(x, x_ptr, y, y_ptr)
    part = nearest(x[:600], x_ptr[:11], y[:500], y_ptr[:11])
    assert torch.equal(whole[0][:600], part[0])
    assert torch.equal(whole[1][:500], part[1])
    module = importlib.import_module("pyg_jets.ops.nearest")  # not the function of its name
    monkeypatch.setattr(module, "_MAX_NUMBERS", 60 * 50 * 3 * 7)
    chunks = nearest_reference(x.double(), x_ptr, y.double(), y_ptr)
    assert torch.equal(chunks[0], whole[0])
    assert torch.equal(chunks[1], whole[1])


@both
def test_layouts(switch):
    x, x_ptr, y, y_ptr = sets(2)
    want = nearest(x, x_ptr, y, y_ptr)
    turned = nearest(x.t().contiguous().t(), x_ptr, y.requires_grad_(), y_ptr)
    assert torch.equal(turned[0], want[0])
    assert not turned[1].requires_grad


@both
def test_bad_input(switch):
    x, x_ptr, y, y_ptr = sets(2)
    with pytest.raises(ValueError, match="x has 2 and y 1"):
        nearest(x, x_ptr, y[:, :1], y_ptr)
    with pytest.raises(ValueError, match="x and y of the same jets, but x has 9 and y 8"):
        nearest(x, x_ptr, y, y_ptr[:-1])
    with pytest.raises(ValueError, match="to the number of particles"):
        nearest(x[:-1], x_ptr, y, y_ptr)
    y[7, 0] = float("nan")
    with pytest.raises(ValueError, match="Jet 3, particle 1, has coordinates that are not finite"):
        nearest(x, x_ptr, y, y_ptr)


def test_opcheck_and_compile():
    x, x_ptr, y, y_ptr = sets(3)
    torch.library.opcheck(torch.ops.pyg_jets.nearest.default, (x, x_ptr, y, y_ptr))
    compiled = torch.compile(nearest, backend="aot_eager", fullgraph=True, dynamic=True)
    for seed in range(2):
        table = sets(3, SIZES[seed:], seed=seed)
        for mine, want in zip(compiled(*table), nearest(*table), strict=True):
            assert torch.equal(mine, want)


@both
def test_matched_distances(switch):
    x, x_ptr, y, y_ptr = sets(3)
    to_y, _ = nearest(x[:, :2], x_ptr, y[:, :2], y_ptr)
    x.requires_grad_()
    found = matched_distance(x, x_ptr, y, y_ptr, to_y)
    want = torch.where(to_y >= 0, (x - y[to_y.clamp(min=0)]).square().sum(1), 0)
    torch.testing.assert_close(found, want)
    for mine, other in zip(*(torch.autograd.grad(t.sum(), x) for t in (found, want)), strict=True):
        torch.testing.assert_close(mine, other)
    wrong = to_y.clone()
    wrong[4] = 0  # of another jet
    with pytest.raises(ValueError, match="that of particle 4 is 0"):
        matched_distance(x, x_ptr, y, y_ptr, wrong)
    with pytest.raises(ValueError, match=r"index \[536\] as int64"):
        matched_distance(x, x_ptr, y, y_ptr, to_y[:-1])


def test_opcheck_of_matches():
    x, x_ptr, y, y_ptr = sets(3)
    to_y, _ = nearest(x, x_ptr, y, y_ptr)
    leaves = x.requires_grad_(), y.requires_grad_()
    torch.library.opcheck(
        torch.ops.pyg_jets.matched_distance.default, (leaves[0], x_ptr, leaves[1], y_ptr, to_y)
    )
    torch.library.opcheck(torch.ops.pyg_jets.nearest.default, (leaves[0], x_ptr, leaves[1], y_ptr))
