"""Every op takes half precision, and sets of different precision, as autocast gives them."""

import itertools

import pytest
import torch

from pyg_jets import ops

#: Ops without numbers of particles.
POINTERS = {"batch_to_ptr", "check_pointer", "check_ragged", "counts_to_ptr", "ptr_to_batch"}
HALF = (torch.bfloat16, torch.float16)
#: Rounding of each dtype, twice, relative to the largest value.
TOLERANCE = {torch.bfloat16: 2**-6, torch.float16: 2**-9}

torch.manual_seed(0)
PTR, Y_PTR = torch.tensor([0, 3, 3, 4, 11]), torch.tensor([0, 2, 2, 4, 9])
X, Y, JETS, MATRIX = (torch.randn(n, 4) for n in (11, 9, 4, 4))
INDEX, MATCHES = ops.knn(X, PTR, 2), ops.nearest(X, PTR, Y, Y_PTR)[0]
NORMS = torch.ones(8), torch.zeros(8), torch.zeros(8), torch.ones(8)

CASES = {
    "assignment": (lambda x, y: ops.assignment(x, PTR, y, Y_PTR), X, Y),
    "edge_conv": (lambda u, v: ops.edge_conv(u, v, INDEX, PTR, [MATRIX], *NORMS)[0], X, 2 * X),
    "edge_sum": (lambda u, v: ops.edge_sum(u, v, INDEX, PTR), X, 2 * X),
    "gather": (lambda x: ops.gather(x, PTR, torch.tensor([3, 0]))[0], X),
    "knn": (lambda x: ops.knn(x, PTR, 2), X),
    "knn_graph": (lambda x: ops.knn_graph(x, 2, ops.ptr_to_batch(PTR)), X),
    "matched_distance": (lambda x, y: ops.matched_distance(x, PTR, y, Y_PTR, MATCHES), X, Y),
    "nearest": (lambda x, y: ops.nearest(x, PTR, y, Y_PTR)[0], X, Y),
    "nearest_distance": (lambda x, y: torch.cat(ops.nearest_distance(x, PTR, y, Y_PTR)[:2]), X, Y),
    "nearest_harder": (
        lambda x: ops.nearest_harder(x[:, :2], x[:, 2], torch.zeros(len(X), dtype=torch.long), PTR),
        X,
    ),
    "radius": (lambda x: ops.radius(x, PTR, 1.0)[0], X),
    "radius_graph": (lambda x: ops.radius_graph(x, 1.0, ops.ptr_to_batch(PTR)), X),
    "segment_argsort": (lambda x: ops.segment_argsort(x[:, 0], PTR), X),
    "segment_expand": (lambda x: ops.segment_expand(x, PTR, len(X)), JETS),
    "segment_max": (lambda x: ops.segment_max(x, PTR), X),
    "segment_mean": (lambda x: ops.segment_mean(x, PTR), X),
    "segment_sort": (lambda x: ops.segment_sort(x, PTR), X),
    "segment_sum": (lambda x: ops.segment_sum(x, PTR), X),
    "segment_sum_relu": (lambda x: ops.segment_sum_relu(x, torch.ones(4), PTR), X),
    "table_product": (
        lambda t, f: ops.table_product(t, f.unsqueeze(1), PTR),
        torch.randn(8, 4),
        JETS,
    ),
    "segment_topk": (lambda x: ops.segment_topk(x[:, 0], PTR, 2)[0], X),
}


def test_every_op_is_tested():
    assert set(CASES) | POINTERS == set(ops.__all__)


@pytest.mark.parametrize("dtype", HALF, ids=str)
@pytest.mark.parametrize("name", CASES)
def test_an_op_in_half_precision_is_that_in_float32(name, dtype):
    """Of the same, rounded, numbers; each gradient has the dtype of what it is the gradient of."""
    op, *values = CASES[name]
    for dtypes in itertools.product((dtype, torch.float32), repeat=len(values)):
        if dtype not in dtypes:
            continue
        inputs = [v.to(kind).requires_grad_() for v, kind in zip(values, dtypes, strict=True)]
        exact = [v.detach().float().requires_grad_() for v in inputs]
        with torch.autocast("cpu", dtype):
            out = op(*inputs)
        wanted = op(*exact)
        if not out.is_floating_point():
            assert torch.equal(out, wanted)
            continue
        _close(out, wanted, dtype)
        gradients = torch.autograd.grad(out.float().square().sum(), inputs)
        assert [gradient.dtype for gradient in gradients] == list(dtypes)
        # two roundings, of the output and of the gradient
        for gradient, of_exact in zip(
            gradients, torch.autograd.grad(wanted.square().sum(), exact), strict=True
        ):
            _close(gradient, of_exact, dtype, 3)


def _close(value, wanted, dtype, times=1):
    off = (value.detach().float() - wanted.detach()).abs().max()
    assert off <= times * TOLERANCE[dtype] * wanted.detach().abs().max()
