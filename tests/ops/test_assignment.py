"""The assignment of least cost, against all permutations and scipy."""

import itertools

import numpy as np
import pytest
import torch

from pyg_jets.ops import assignment, counts_to_ptr
from pyg_jets.ops.assignment import assign_kernel, assignment_kernel, assignment_reference


def jets(counts, seed):
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(sum(counts), 2, generator=rng), counts_to_ptr(torch.tensor(counts))


def least(x, y):
    """The least sum of squared distances over all ways to pair the smaller set."""
    small, large = (x, y) if len(x) <= len(y) else (y, x)
    ways = itertools.permutations(range(len(large)), len(small))
    return min(float((small - large[list(way)]).double().square().sum()) for way in ways)


def cost_of(x, y, partner):
    rows = (partner >= 0).nonzero().flatten()
    return float((x[rows] - y[partner[rows]]).double().square().sum())


@pytest.mark.parametrize("counts", [([3, 0, 4], [3, 2, 4]), ([4, 5], [2, 6]), ([0], [0])], ids=str)
def test_the_cost_is_the_least_of_all_permutations(counts):
    (x, x_ptr), (y, y_ptr) = jets(counts[0], 1), jets(counts[1], 2)
    partner = assignment(x, x_ptr, y, y_ptr)
    for j in range(len(x_ptr) - 1):
        mine = partner[x_ptr[j] : x_ptr[j + 1]]
        rows = (mine >= 0).nonzero().flatten() + x_ptr[j]
        other = mine[mine >= 0]
        assert len(other) == min(counts[0][j], counts[1][j]) == len(other.unique())
        assert ((other >= y_ptr[j]) & (other < y_ptr[j + 1])).all()
        cost = float((x[rows] - y[other]).double().square().sum())
        whole = least(x[x_ptr[j] : x_ptr[j + 1]], y[y_ptr[j] : y_ptr[j + 1]])
        assert cost == pytest.approx(whole, rel=1e-6)


def test_bad_sets_are_named():
    (x, x_ptr), (y, y_ptr) = jets([3, 2], 1), jets([3, 2], 2)
    with pytest.raises(ValueError, match=r"in 2 and \[5, 2\] in 1 jets"):
        assignment(x, x_ptr, y, torch.tensor([0, 5]))
    x[4, 1] = float("nan")
    with pytest.raises(ValueError, match="Jet 1, particle 1"):
        assignment(x, x_ptr, y, y_ptr)


COUNTS = [100, 1, 0, 30, 40, 7, 0, 64], [100, 1, 5, 40, 30, 0, 0, 64]


@pytest.mark.parametrize("shift", [0.0, 0.02, 1.0])
def test_sets_near_and_far_cost_as_much_as_by_scipy(shift):
    (x, x_ptr), (y, y_ptr) = jets(COUNTS[0], 1), jets(COUNTS[1], 2)
    y[:100], y[-64:] = x[:100].flip(0) + shift * y[:100], x[-64:].round()  # ties, duplicates
    partner = assignment(x, x_ptr, y, y_ptr)
    arrays = (v.numpy() for v in (x.double(), x_ptr, y.double(), y_ptr))
    expected = torch.from_numpy(assignment_reference(*arrays))
    assert cost_of(x, y, partner) == pytest.approx(cost_of(x, y, expected), rel=1e-9)
    used = partner[partner >= 0]
    assert len(used.unique()) == len(used) == int((expected >= 0).sum())
    assert torch.equal(partner[:100], torch.arange(99, -1, -1)) or shift > 0


def test_the_kernel_and_scipy_pair_alike_where_there_is_one_way(monkeypatch):
    (x, x_ptr), (y, y_ptr) = jets(COUNTS[0], 3), jets(COUNTS[1], 4)
    partner = assignment(x, x_ptr, y, y_ptr)
    assert torch.equal(partner, assignment(x.double(), x_ptr, y.double(), y_ptr))
    monkeypatch.setenv("PYG_JETS_KERNELS", "0")
    assert torch.equal(partner, assignment(x, x_ptr, y, y_ptr))


def test_the_kernel_reads_no_index_that_is_out_of_range():
    (x, x_ptr), (y, y_ptr) = jets([4, 2, 3, 0], 1), jets([4, 3, 2, 1], 2)
    arrays = [v.numpy() for v in (x.double(), x_ptr, y.double(), y_ptr)]
    partner = np.empty(len(x), np.int64)
    assignment_kernel.py_func(*arrays, partner, 0, 4)
    assert partner.tolist() == assignment_reference(*arrays).tolist()
    to_column, to_row = np.empty(3, np.int64), np.empty(3, np.int64)
    cost = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [3.0, 6.0, 9.0]])
    assign_kernel.py_func(cost, to_column, to_row)
    assert to_column.tolist() == to_row.tolist() == [2, 1, 0]
