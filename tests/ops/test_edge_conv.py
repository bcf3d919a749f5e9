"""Edges of tables of neighbours: kernels, plain torch and PyTorch's own batch norm agree."""

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F

from pyg_jets.ops import buffers, edge_conv, edge_sum, knn

COUNTS = [5, 0, 1, 30, 2, 12, 0]
K, WIDTH = 6, 5
both = pytest.mark.parametrize("switch", ["1", "0"])
dtypes = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])


@pytest.fixture(autouse=True)
def kernels(request, monkeypatch):
    if "switch" in request.fixturenames:
        monkeypatch.setenv("PYG_JETS_KERNELS", request.getfixturevalue("switch"))


def batch(dtype=torch.float32, counts=COUNTS, widths=(WIDTH,), seed=0):
    torch.manual_seed(seed)
    ptr = torch.tensor([0, *torch.tensor(counts).cumsum(0)])
    x = torch.randn(int(ptr[-1]), 2, dtype=dtype)

    def leaf(*shape):
        return torch.randn(*shape, dtype=dtype, requires_grad=True)

    u, v = leaf(len(x), widths[0]), leaf(len(x), widths[0])
    matrices = [leaf(after, before) for before, after in pairwise(widths)]
    return u, v, knn(x, ptr, K), ptr, matrices, leaf(sum(widths)), leaf(sum(widths))


def statistics_of(widths, dtype):
    return torch.randn(sum(widths)).to(dtype) / 9, torch.rand(sum(widths)).to(dtype) + 0.5


def by_torch(u, v, index, matrices, weight, bias, mean, var, training):
    """Real edges alone, through torch's batch norm, and the mean of those of a particle."""
    real, widths = index >= 0, [u.size(1), *(m.size(0) for m in matrices)]
    z = (u.unsqueeze(1) + v[index.clamp(min=0)])[real]
    split = [t.split(widths) for t in (mean, var, weight, bias)]
    for number, (mu, sigma, w, b) in enumerate(zip(*split, strict=True)):
        z = z @ matrices[number - 1].t() if number else z
        known = (None, None) if training else (mu, sigma)
        z = torch.relu(F.batch_norm(z, *known, w, b, training))
    table = torch.zeros(*index.shape, widths[-1], dtype=z.dtype).index_put((real,), z)
    return table.sum(1) / real.sum(1, keepdim=True).clamp(min=1)


@both
@dtypes
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("widths", [(5,), (5, 3), (5, 4, 6), (8, 8, 8, 2)], ids=str)
@pytest.mark.parametrize("at_once", [12, 10_000])
def test_values_and_gradients(dtype, training, widths, at_once, switch, monkeypatch):
    monkeypatch.setattr("pyg_jets.ops.edge_conv_kernels._EDGES", at_once)
    u, v, index, ptr, matrices, weight, bias = batch(dtype, widths=widths)
    statistics = statistics_of(widths, dtype)
    out, mean, var = edge_conv(
        u, v, index, ptr, matrices, weight, bias, *statistics, batch_statistics=training
    )
    leaves = (u, v, weight, bias, *matrices)
    exact = [leaf.detach().double().requires_grad_() for leaf in leaves]
    known = [value.double() for value in statistics]
    want = by_torch(*exact[:2], index, exact[4:], *exact[2:4], *known, training)
    tolerance = {"rtol": 1e-4, "atol": 2e-4} if dtype == torch.float32 else {}
    torch.testing.assert_close(out, want.to(dtype), **tolerance)
    slope = torch.randn_like(out)
    for mine, other in zip(
        torch.autograd.grad((out * slope).sum(), leaves),
        torch.autograd.grad((want * slope).sum(), exact),
        strict=True,
    ):
        torch.testing.assert_close(mine, other.to(dtype), **tolerance)
    if not training:
        assert torch.equal(mean, statistics[0].double())
        assert torch.equal(var, statistics[1].double())


@both
def test_without_gradient_nothing_changes(switch):
    widths = (5, 4, 6)
    u, v, index, ptr, *rest = batch(widths=widths)
    for training in (True, False):
        table = (u, v, index, ptr, *rest, *statistics_of(widths, torch.float32), 1e-5, training)
        with torch.no_grad():
            quick = edge_conv(*table)[0]
        torch.testing.assert_close(quick, edge_conv(*table)[0])


def test_memory_is_used_again_only_when_nobody_holds_it():
    like = torch.empty(0)
    first = buffers.pooled_empty(like, 1000, 300)
    view, place = first[5:], first.data_ptr()
    del first
    assert buffers.pooled_empty(like, 1000, 300).data_ptr() != place  # a view still holds it
    view.fill_(3)
    del view
    again = [buffers.pooled_empty(like, 999, 300) for _ in range(2)]  # as large, within an eighth
    assert place in [t.data_ptr() for t in again]
    assert again[0].data_ptr() != again[1].data_ptr()
    assert buffers.pooled_empty(like.double(), 1000, 300).dtype == torch.float64


@both
def test_statistics_are_those_of_the_real_edges(switch):
    u, v, index, ptr, *rest = batch()
    zero = torch.zeros(WIDTH)
    _, mean, var = edge_conv(u + 1000, v, index, ptr, *rest, zero, zero)
    real = edge_sum(u + 1000, v, index, ptr)[index.flatten() >= 0].double()
    torch.testing.assert_close(mean, real.mean(0), rtol=1e-8, atol=0)
    torch.testing.assert_close(var, real.var(0, unbiased=False), rtol=1e-5, atol=0)


@both
@pytest.mark.parametrize("counts", [[0], [1], [1, 1], []])
def test_without_any_edge(counts, switch):
    u, v, index, ptr, *rest = batch(counts=counts, widths=(WIDTH, WIDTH))
    one = torch.ones(2 * WIDTH)
    out, mean, var = edge_conv(u, v, index, ptr, *rest, 0 * one, one)
    assert mean.tolist() == [0.0] * 2 * WIDTH
    assert var.tolist() == [1.0] * 2 * WIDTH
    assert out.tolist() == [[0.0] * WIDTH] * len(u)
    out.sum().backward()
    assert (u.grad == 0).all()
    assert (v.grad == 0).all()


def test_threads_change_nothing():
    widths = (WIDTH, WIDTH)
    u, v, index, ptr, matrices, weight, bias = batch(counts=[40] * 600, widths=widths)
    many = edge_sum(u, v, index, ptr)
    few = edge_sum(u[:400], v[:400], index[:400], ptr[:11])
    assert torch.equal(many[: 400 * K], few)
    table = (u, v, index, ptr, matrices, weight, bias, *statistics_of(widths, torch.float32))
    runs = []
    for _ in range(3):
        out = edge_conv(*table)
        runs.append((*out, *torch.autograd.grad(out[0].square().sum(), (u, v, weight, *matrices))))
    assert all(torch.equal(a, b) for run in runs[1:] for a, b in zip(run, runs[0], strict=True))


def test_no_thread_of_torch_is_lost():
    threads = torch.get_num_threads()
    u, v, index, ptr, *rest = batch(counts=[40] * 600)
    edge_conv(u, v, index, ptr, *rest, torch.zeros(WIDTH), torch.ones(WIDTH))
    assert torch.get_num_threads() == threads


@both
def test_bad_input(switch):
    u, v, index, ptr, matrices, weight, bias = batch(widths=(WIDTH, 3))
    rest = matrices, weight, bias, torch.zeros(8), torch.ones(8)
    other = index.clone()
    other[5, 1] = 3  # of another jet
    for op in (edge_sum, lambda *table: edge_conv(*table, *rest)):
        with pytest.raises(ValueError, match=r"neighbour 1 of particle 5 is 3: the table belongs"):
            op(u, v, other, ptr)
        with pytest.raises(ValueError, match=r"table of neighbours \[50, k\] as int64, but got"):
            op(u, v, index[:-1], ptr)
        with pytest.raises(ValueError, match="u and v of one shape"):
            op(u, v[:, :-1], index, ptr)
        with pytest.raises(ValueError, match=r"to the number of particles \(50\)"):
            op(u, v, index, ptr[:-2])
    with pytest.raises(ValueError, match=r"matrix W_2 of shape \[F, 5\], but got \[3, 4\]"):
        edge_conv(u, v, index, ptr, [matrices[0][:, :-1]], *rest[1:])
    with pytest.raises(ValueError, match=r"Expected bias of shape \[8\].*but got \[7\]"):
        edge_conv(u, v, index, ptr, matrices, weight, bias[:-1], *rest[3:])


@pytest.mark.parametrize("training", [True, False])
def test_opcheck(training):
    widths = [WIDTH, 3]
    u, v, index, ptr, matrices, weight, bias = batch(widths=widths)
    torch.library.opcheck(torch.ops.pyg_jets.edge_sum.default, (u, v, index, ptr))
    statistics = torch.stack(statistics_of(widths, torch.float64))
    flat = matrices[0].detach().flatten().requires_grad_()
    torch.library.opcheck(
        torch.ops.pyg_jets.edge_conv.default,
        (u, v, index, ptr, flat, weight, bias, statistics, widths, 1e-5, training, True),
    )


def test_gradients_of_gradients():
    widths = (5, 4, 3)
    u, v, index, ptr, matrices, weight, bias = batch(torch.float64, widths=widths)
    statistics = statistics_of(widths, torch.float64)
    results = []
    for dtype in (torch.float64, torch.float32):
        tensors = (u, v, *matrices, weight, bias)
        leaves = [t.detach().to(dtype).requires_grad_() for t in tensors]
        a, b, *inner, w, c = leaves
        for training in (True, False):
            table = (a, b, index, ptr, inner, w, c, *(s.to(dtype) for s in statistics))
            out, _, _ = edge_conv(*table, batch_statistics=training)
            first = torch.autograd.grad(out.square().sum(), leaves, create_graph=True)
            penalty = first[0].square().sum() + edge_sum(a, b, index, ptr).square().sum()
            results += [t.double() for t in torch.autograd.grad(penalty, leaves, allow_unused=True)]
    half = len(results) // 2
    for exact, single in zip(results[:half], results[half:], strict=True):
        torch.testing.assert_close(single, exact, rtol=1e-2, atol=1e-2 * float(exact.abs().max()))


def test_autocast():
    widths = (WIDTH, 3)
    u, v, index, ptr, *rest = batch(widths=widths)
    statistics = statistics_of(widths, torch.float32)
    want, *_ = edge_conv(u, v, index, ptr, *rest, *statistics)
    with torch.autocast("cpu", torch.bfloat16):
        out, *_ = edge_conv(u.bfloat16(), v.bfloat16(), index, ptr, *rest, *statistics)
        out.square().sum().backward()
    assert torch.isfinite(u.grad).all()
    torch.testing.assert_close(out.float(), want, rtol=0.1, atol=0.1)
