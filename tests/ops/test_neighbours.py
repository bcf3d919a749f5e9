"""Neighbours within a jet: kernel, plain torch and scipy's tree agree."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from pyg_jets.ops import knn, radius
from pyg_jets.ops.knn import knn_reference
from pyg_jets.ops.radius import radius_reference

COUNTS = [3, 0, 1, 7, 0, 90, 2, 17, 0]
both = pytest.mark.parametrize("switch", ["1", "0"])


@pytest.fixture(autouse=True)
def kernels(request, monkeypatch):
    if "switch" in request.fixturenames:
        monkeypatch.setenv("PYG_JETS_KERNELS", request.getfixturevalue("switch"))


def points(width, counts=COUNTS, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    ptr = torch.tensor([0, *np.cumsum(counts)])
    return torch.randn(int(ptr[-1]), width, generator=generator).to(dtype), ptr


def by_tree(x, ptr, k, azimuth=None):
    """Each row's neighbours by scipy in float64; an angle wraps in the tree's periodic box."""
    out = np.full((len(x), k), -1)
    x = x.double().numpy().copy()
    box = None
    if azimuth is not None:
        box = np.zeros(x.shape[1])
        box[azimuth] = 2 * math.pi
        x[:, azimuth] %= 2 * math.pi
    for a, b in zip(ptr[:-1].tolist(), ptr[1:].tolist(), strict=True):
        n = min(k, b - a - 1)
        if n > 0:
            _, found = cKDTree(x[a:b], boxsize=box).query(x[a:b], n + 1)
            for i, row in enumerate(found):
                out[a + i, :n] = [a + m for m in row if m != i][:n]
    return out


@both
@pytest.mark.parametrize("k", [1, 2, 7, 16, 100])
@pytest.mark.parametrize(("width", "azimuth"), [(1, None), (2, None), (2, 1), (5, 3), (9, None)])
def test_knn_against_a_tree(width, azimuth, k, switch):
    x, ptr = points(width)
    if azimuth is not None:
        x[:, azimuth] *= 4  # several turns
    got = knn(x, ptr, k, azimuth)
    assert got.dtype == torch.int64
    assert got.tolist() == by_tree(x, ptr, k, azimuth).tolist()


@both
@pytest.mark.parametrize("k", [5, 150])
@pytest.mark.parametrize(("width", "azimuth"), [(2, 0), (7, None)])
def test_knn_of_jets_of_several_blocks(width, azimuth, k, switch):
    x, ptr = points(width, [127, 128, 129, 300])
    assert knn(x, ptr, k, azimuth).tolist() == by_tree(x, ptr, k, azimuth).tolist()


@both
def test_distances_that_overflow_come_last(switch):
    x = torch.tensor([[0.0], [2e30], [1.0], [-2e30]])
    assert knn(x, torch.tensor([0, 4]), 3)[[0, 2]].tolist() == [[2, 1, 3], [0, 1, 3]]


@both
@pytest.mark.parametrize("counts", [COUNTS, [127, 128, 129, 300]], ids=["small", "large"])
@pytest.mark.parametrize(("width", "azimuth"), [(2, None), (2, 1), (64, None)])
def test_radius_against_all_distances(width, azimuth, counts, switch):
    x, ptr = points(width, counts)
    x = x / math.sqrt(width)
    found, out_ptr = radius(x, ptr, 0.8, azimuth)
    for i, (a, b) in enumerate(pairwise(out_ptr)):
        jet = int(torch.searchsorted(ptr, i, right=True)) - 1
        inside = slice(int(ptr[jet]), int(ptr[jet + 1]))
        near = (x[inside].double() - x[i].double()).norm(dim=1) <= 0.8
        near[i - inside.start] = False
        assert (found[a:b] - inside.start).tolist() == near.nonzero().flatten().tolist()


@both
def test_equal_points_and_equal_distances(switch):
    ptr = torch.tensor([0, 6])
    same = knn(torch.ones(6, 3), ptr, 3)
    assert same[0].tolist() == [1, 2, 3]
    assert same[4].tolist() == [0, 1, 2]
    line = knn(torch.arange(6.0)[:, None], ptr, 2)
    assert line[3].tolist() == [2, 4]  # the first of two at the same distance comes first
    assert len(radius(torch.ones(6, 3), ptr, 0.0)[0]) == 30


@both
def test_small_jets(switch):
    x, ptr = points(2, [1, 0, 2, 3])
    assert knn(x, ptr, 2).tolist() == [
        [-1, -1], [2, -1], [1, -1], *by_tree(x, ptr, 2)[3:].tolist()
    ]  # fmt: skip
    assert knn(torch.empty(0, 2), torch.tensor([0, 0]), 4).shape == (0, 4)
    assert knn(torch.empty(0, 2), torch.tensor([0]), 4).shape == (0, 4)
    found, out_ptr = radius(torch.empty(0, 2), torch.tensor([0, 0]), 1.0)
    assert found.shape == (0,)
    assert out_ptr.tolist() == [0]


def test_kernel_and_torch_agree_to_the_bit_over_threads():
    x, ptr = points(3, [60] * 900)
    whole = knn(x, ptr, 8)
    part = knn(x[: ptr[50]], ptr[:51], 8)
    assert torch.equal(whole[: ptr[50]], part)
    assert torch.equal(part, knn_reference(x[: ptr[50]].double(), ptr[:51], 8))


@both
def test_layouts_and_dtypes(switch):
    x, ptr = points(2)
    want = knn(x, ptr, 4)
    wide = torch.randn(len(x), 5)
    wide[:, ::3] = x
    for other in (wide[:, ::3], x.t().contiguous().t(), x.double(), x.clone().requires_grad_()):
        assert torch.equal(knn(other, ptr, 4), want)
    assert not knn(x.clone().requires_grad_(), ptr, 4).requires_grad


@both
def test_bad_input(switch):
    x, ptr = points(2)
    for k in (0, -1):
        with pytest.raises(ValueError, match=f"k of at least 1, but got {k}"):
            knn(x, ptr, k)
    with pytest.raises(ValueError, match="r of at least 0, but got -1"):
        radius(x, ptr, -1.0)
    with pytest.raises(ValueError, match=r"azimuth as one of the 2 columns of x, but got 2"):
        knn(x, ptr, 2, azimuth=2)
    with pytest.raises(ValueError, match="at least one coordinate"):
        knn(x[:, :0], ptr, 2)
    with pytest.raises(ValueError, match=r"Expected x \[N, D\]|Expected x \[N, F\]"):
        knn(x[:, 0], ptr, 2)
    for op in (lambda: knn(x[:-1], ptr, 2), lambda: radius(x[:-1], ptr, 2.0)):
        with pytest.raises(ValueError, match=r"to the number of particles \(119\)"):
            op()
    x[5, 1] = float("nan")
    for op in (lambda: knn(x, ptr, 2), lambda: radius(x, ptr, 2.0)):
        with pytest.raises(ValueError, match=r"Jet 3, particle 1, has coordinates that are not"):
            op()


def test_opcheck_and_compile():
    x, ptr = points(2)
    torch.library.opcheck(torch.ops.pyg_jets.knn.default, (x, ptr, 3, -1))
    torch.library.opcheck(torch.ops.pyg_jets.radius.default, (x, ptr, 0.5, 1))
    compiled = torch.compile(
        lambda x, ptr: knn(x, ptr, 3) + 1, backend="aot_eager", fullgraph=True, dynamic=True
    )
    for seed in range(2):
        x, ptr = points(2, COUNTS[seed:])
        assert torch.equal(compiled(x, ptr), knn(x, ptr, 3) + 1)


def test_references_in_chunks(monkeypatch):
    x, ptr = points(2)
    whole = knn_reference(x, ptr, 3), radius_reference(x, ptr, 0.5)
    monkeypatch.setattr("pyg_jets.ops.distances._MAX_NUMBERS", 100)
    assert torch.equal(knn_reference(x, ptr, 3), whole[0])
    for mine, other in zip(radius_reference(x, ptr, 0.5), whole[1], strict=True):
        assert torch.equal(mine, other)
