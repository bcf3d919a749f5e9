"""The assignment of least cost, against all permutations."""

import itertools

import pytest
import torch

from pyg_jets.ops import assignment, counts_to_ptr


def jets(counts, seed):
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(sum(counts), 2, generator=rng), counts_to_ptr(torch.tensor(counts))


def least(x, y):
    """The least sum of squared distances over all ways to pair the smaller set."""
    small, large = (x, y) if len(x) <= len(y) else (y, x)
    ways = itertools.permutations(range(len(large)), len(small))
    return min(float((small - large[list(way)]).double().square().sum()) for way in ways)


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
