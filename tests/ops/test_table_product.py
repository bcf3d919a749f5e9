"""Rows of a table times a matrix of each jet, against a dense product in float64."""

import pytest
import torch

from pyg_jets.ops import counts_to_ptr, table_product
from pyg_jets.ops.table_product import (
    factor_gradient_kernel,
    product_kernel,
    table_gradient_kernel,
    table_product_reference,
)

COUNTS = [[5, 0, 3, 1], [7], [0], []]


def drawn(counts, rows=7, rank=6, columns=3, dtype=torch.float32):
    rng = torch.Generator().manual_seed(0)
    table = torch.randn(rows, rank, generator=rng, dtype=torch.float64)
    factor = torch.randn(len(counts), columns, rank, generator=rng, dtype=torch.float64)
    ptr = counts_to_ptr(torch.tensor(counts, dtype=torch.int64))
    return table.to(dtype).requires_grad_(), factor.to(dtype).requires_grad_(), ptr


def dense(table, factor, counts):
    """The oracle: one product a jet."""
    nothing = table.new_zeros(0, factor.size(1)) + 0 * (table.sum() + factor.sum())
    rows = [table[:n] @ matrix.T for n, matrix in zip(counts, factor, strict=True)]
    return torch.cat([nothing, *rows])


@pytest.mark.parametrize("kernels", ["1", "0"])
@pytest.mark.parametrize("rank", [1, 3, 4, 9])
@pytest.mark.parametrize("counts", COUNTS, ids=str)
def test_products_and_gradients_are_those_of_a_dense_one(counts, rank, kernels, monkeypatch):
    monkeypatch.setenv("PYG_JETS_KERNELS", kernels)
    table, factor, ptr = drawn(counts, rank=rank)
    exact = [v.detach().double().requires_grad_() for v in (table, factor)]
    made, want = table_product(table, factor, ptr), dense(*exact, counts)
    torch.testing.assert_close(made.double(), want, rtol=1e-5, atol=1e-5)
    grad = torch.randn(want.shape, dtype=torch.float64)
    mine = torch.autograd.grad(made, (table, factor), grad.float())
    theirs = torch.autograd.grad(want, exact, grad)
    for one, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(one.double(), other, rtol=1e-5, atol=1e-5)


def test_gradients_of_gradients():
    table, factor, ptr = drawn([2, 0, 3], 4, 2, 2, torch.float64)
    assert torch.autograd.gradcheck(lambda t, f: table_product(t, f, ptr), (table, factor))
    assert torch.autograd.gradgradcheck(lambda t, f: table_product(t, f, ptr), (table, factor))


def test_opcheck_and_compile():
    table, factor, ptr = drawn([5, 0, 3])
    torch.library.opcheck(torch.ops.pyg_jets.table_product.default, (table, factor, ptr, 8))
    compiled = torch.compile(table_product, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(table, factor, ptr, 8), table_product(table, factor, ptr))


def test_unjitted():
    counts = [5, 0, 3]
    table, factor, ptr = (v.detach() for v in drawn(counts))
    out = torch.zeros(3, 8)
    arrays = [v.numpy() for v in (table.T.contiguous(), factor, ptr, out)]
    product_kernel.py_func(*arrays, 0, 3)
    torch.testing.assert_close(out.T, table_product_reference(table, factor, ptr, 8))
    grad, to_table, to_factor = torch.ones(8, 3), torch.empty(7, 6), torch.empty(3, 3, 6)
    factor_gradient_kernel.py_func(*(v.numpy() for v in (grad, table, ptr, to_factor)), 0, 3)
    table_gradient_kernel.py_func(*(v.numpy() for v in (grad, factor, ptr, to_table)))
    torch.testing.assert_close(to_factor[0], table[:5].sum(0).expand(3, 6))
    torch.testing.assert_close(to_table[4], factor[0].sum(0))


def test_what_does_not_fit_is_named():
    table, factor, ptr = drawn([5, 0, 3])
    with pytest.raises(ValueError, match=r"table \[S, K\] and factor \[J, D, K\]"):
        table_product(table[:, :2], factor, ptr)
    with pytest.raises(ValueError, match="a matrix for each of 3 jets, but got 2"):
        table_product(table, factor[:2], ptr)
    with pytest.raises(ValueError, match="Jet 0 has 5 particles, but the table has 4 rows"):
        table_product(table[:4], factor, ptr)
