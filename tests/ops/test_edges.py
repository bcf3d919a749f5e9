"""Edges of tables of neighbours: kernels, plain torch and PyTorch's own batch norm agree."""

import pytest
import torch
import torch.nn.functional as F

from pyg_jets.ops import buffers, edge_moments, edge_norm_linear, edge_norm_relu, edge_sum, knn

COUNTS = [5, 0, 1, 30, 2, 12, 0]
K, WIDTH = 6, 5
both = pytest.mark.parametrize("switch", ["1", "0"])
dtypes = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])


@pytest.fixture(autouse=True)
def kernels(request, monkeypatch):
    if "switch" in request.fixturenames:
        monkeypatch.setenv("PYG_JETS_KERNELS", request.getfixturevalue("switch"))


def batch(dtype=torch.float32, counts=COUNTS, seed=0):
    torch.manual_seed(seed)
    ptr = torch.tensor([0, *torch.tensor(counts).cumsum(0)])
    x = torch.randn(int(ptr[-1]), 2, dtype=dtype)
    u, v = (torch.randn(len(x), WIDTH, dtype=dtype, requires_grad=True) for _ in range(2))
    weight, bias = (torch.randn(WIDTH, dtype=dtype, requires_grad=True) for _ in range(2))
    return u, v, weight, bias, knn(x, ptr, K), ptr


def by_torch(u, v, weight, bias, index, statistics, reduce):
    """Real edges alone, through torch's batch norm, and back into the table."""
    real = index >= 0
    z = (u.unsqueeze(1) + v[index.clamp(min=0)])[real]
    mean, var = (None, None) if statistics is None else statistics
    a = torch.relu(F.batch_norm(z, mean, var, weight, bias, statistics is None))
    table = torch.zeros(*index.shape, WIDTH, dtype=z.dtype).index_put((real,), a)
    if reduce:
        return table.sum(1) / real.sum(1, keepdim=True).clamp(min=1)
    return table.flatten(0, 1)


@both
@dtypes
@pytest.mark.parametrize("reduce", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_values_and_gradients(dtype, reduce, training, switch):
    u, v, weight, bias, index, ptr = batch(dtype)
    statistics = None
    z = edge_sum(u, v, index, ptr)
    mean, var = edge_moments(z, index, ptr)
    if not training:
        mean, var = statistics = torch.randn(WIDTH).to(dtype) / 9, torch.rand(WIDTH).to(dtype) + 0.5
    out = edge_norm_relu(
        z, index, ptr, weight, bias, mean, var, batch_statistics=training, reduce=reduce
    )
    want = by_torch(u, v, weight, bias, index, statistics, reduce)
    tolerance = {"rtol": 1e-4, "atol": 1e-4} if dtype == torch.float32 else {}
    torch.testing.assert_close(out, want, **tolerance)
    slope = torch.randn_like(out)
    leaves = (u, v, weight, bias)
    for mine, other in zip(
        torch.autograd.grad((out * slope).sum(), leaves),
        torch.autograd.grad((want * slope).sum(), leaves),
        strict=True,
    ):
        torch.testing.assert_close(mine, other, **tolerance)


@both
@dtypes
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("at_once", [12, 10_000])
def test_with_a_linear_layer(dtype, training, at_once, switch, monkeypatch):
    monkeypatch.setattr("pyg_jets.ops.edge_linear._EDGES", at_once)
    u, v, weight, bias, index, ptr = batch(dtype)
    matrix = torch.randn(3, WIDTH, dtype=dtype, requires_grad=True)
    statistics = None
    z = edge_sum(u, v, index, ptr)
    mean, var = edge_moments(z, index, ptr)
    if not training:
        mean, var = statistics = torch.randn(WIDTH).to(dtype) / 9, torch.rand(WIDTH).to(dtype) + 0.5
    table = (z, index, ptr, weight, bias, mean, var)
    out = edge_norm_linear(*table, matrix, batch_statistics=training)
    want = by_torch(u, v, weight, bias, index, statistics, False) @ matrix.t()
    tolerance = {"rtol": 1e-4, "atol": 2e-4} if dtype == torch.float32 else {}
    torch.testing.assert_close(out, want, **tolerance)
    slope = torch.randn_like(out)
    leaves = (u, v, weight, bias, matrix)
    for mine, other in zip(
        torch.autograd.grad((out * slope).sum(), leaves),
        torch.autograd.grad((want * slope).sum(), leaves),
        strict=True,
    ):
        torch.testing.assert_close(mine, other, **tolerance)


def test_memory_is_used_again_only_when_nobody_holds_it():
    like = torch.empty(0)
    first = buffers.rented(like, 1000, 300)
    view, place = first[5:], first.data_ptr()
    del first
    assert buffers.rented(like, 1000, 300).data_ptr() != place  # a view still holds it
    view.fill_(3)
    del view
    again = [buffers.rented(like, 999, 300) for _ in range(2)]  # as large, within an eighth
    assert place in [t.data_ptr() for t in again]
    assert again[0].data_ptr() != again[1].data_ptr()
    assert buffers.rented(like.double(), 1000, 300).dtype == torch.float64


@both
def test_moments_are_those_of_the_real_edges(switch):
    u, v, *_, index, ptr = batch()
    z = edge_sum(u, v, index, ptr)
    mean, var = edge_moments(z, index, ptr)
    real = z[index.flatten() >= 0].double()
    torch.testing.assert_close(mean, real.mean(0), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(var, real.var(0, unbiased=False), rtol=1e-7, atol=1e-9)


@both
@pytest.mark.parametrize("counts", [[0], [1], [1, 1], []])
def test_without_any_edge(counts, switch):
    u, v, weight, bias, index, ptr = batch(counts=counts)
    z = edge_sum(u, v, index, ptr)
    mean, var = edge_moments(z, index, ptr)
    assert mean.tolist() == [0.0] * WIDTH
    assert var.tolist() == [1.0] * WIDTH
    out = edge_norm_relu(z, index, ptr, weight, bias, mean, var, reduce=True)
    assert out.tolist() == [[0.0] * WIDTH] * len(u)
    out.sum().backward()
    assert (u.grad == 0).all()


def test_threads_change_nothing():
    u, v, _, _, index, ptr = batch(counts=[40] * 600)
    many = edge_sum(u, v, index, ptr)
    few = edge_sum(u[:400], v[:400], index[:400], ptr[:11])
    assert torch.equal(many[: 400 * K], few)
    one = [edge_moments(many, index, ptr) for _ in range(3)]
    assert all(torch.equal(a[0], one[0][0]) and torch.equal(a[1], one[0][1]) for a in one)


@both
def test_bad_input(switch):
    u, v, _, _, index, ptr = batch()
    other = index.clone()
    other[5, 1] = 3  # of another jet
    with pytest.raises(ValueError, match=r"neighbour 1 of particle 5 is 3: the table belongs to"):
        edge_sum(u, v, other, ptr)
    with pytest.raises(ValueError, match=r"table of neighbours \[50, k\] as int64, but got"):
        edge_sum(u, v, index[:-1], ptr)
    z, rest = edge_sum(u, v, index, ptr), (torch.ones(WIDTH),) * 4
    for short, pointer, said in (
        (z[:-1], ptr, r"z \[300, F\]"),
        (z, ptr[:-2], "particles \\(50\\)"),
    ):
        for op in (
            lambda z, ptr: edge_moments(z, index, ptr),
            lambda z, ptr: edge_norm_relu(z, index, ptr, *rest),
            lambda z, ptr: edge_norm_linear(z, index, ptr, *rest, torch.ones(3, WIDTH)),
        ):
            with pytest.raises(ValueError, match=said):
                op(short, pointer)
    with pytest.raises(ValueError, match="u and v of one shape"):
        edge_sum(u, v[:, :-1], index, ptr)
    with pytest.raises(ValueError, match=r"to the number of particles \(50\)"):
        edge_sum(u, v, index, ptr[:-2])


def test_opcheck():
    u, v, weight, bias, index, ptr = batch()
    torch.library.opcheck(torch.ops.pyg_jets.edge_sum.default, (u, v, index, ptr))
    z = edge_sum(u, v, index, ptr).detach().requires_grad_()
    torch.library.opcheck(torch.ops.pyg_jets.edge_moments.default, (z.detach(), index, ptr))
    rows = torch.rand(2, WIDTH)
    rest = rows, torch.zeros(WIDTH), torch.ones(WIDTH)
    torch.library.opcheck(
        torch.ops.pyg_jets.edge_norm_linear.default,
        (z, index, ptr, weight, bias, *rest, torch.randn(3, WIDTH, requires_grad=True), True),
    )
    for reduce in (True, False):
        torch.library.opcheck(
            torch.ops.pyg_jets.edge_norm_relu.default,
            (z, index, ptr, weight, bias, *rest, True, reduce),
        )
