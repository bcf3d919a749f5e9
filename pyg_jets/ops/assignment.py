r"""Pairs of particles of two sets of a jet whose squared distances have the least sum."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pyg_jets.errors import InputError
from pyg_jets.ops.distances import check_finite
from pyg_jets.ops.kernel import kernel, over_jets, use_kernels
from pyg_jets.ops.pointer import check_ragged

__all__ = ["assignment", "assignment_reference"]


def assignment(x: Tensor, x_ptr: Tensor, y: Tensor, y_ptr: Tensor) -> Tensor:
    r"""For each particle of one set its partner in the other, one each, jet by jet.

    .. math::
        k = \operatorname{argmin}_k \sum_i |x_i - y_{k(i)}|^2 \quad \text{over all one-to-one } k

    The exact solution, in float64 on the CPU; the time grows with the cube of the multiplicity
    (0.1 ms for 100 particles of sets that are alike, up to 0.5 ms for others). The indices have no
    gradient: :func:`pyg_jets.ops.matched_distance` gives it.

    Args:
        x: Coordinates, ``[N, D]``.
        x_ptr: Ragged pointer ``[J + 1]`` int64.
        y: Coordinates of the other set, ``[M, D]``.
        y_ptr: Ragged pointer ``[J + 1]`` int64.

    Returns:
        Rows of ``y``, ``[N]`` int64; -1 for the particles that are left over where a jet has more
        in ``x`` than in ``y``.

    Raises:
        ValueError: If the shapes do not fit together, or a coordinate is not finite.

    Examples:
        >>> x, y = torch.tensor([[0.0], [1.0], [2.0]]), torch.tensor([[0.9], [1.2]])
        >>> assignment(x, torch.tensor([0, 3]), y, torch.tensor([0, 2]))
        tensor([-1,  0,  1])
    """
    for points, ptr in ((x, x_ptr), (y, y_ptr)):
        check_ragged(points, ptr)
    if x.size(1) != y.size(1) or len(x_ptr) != len(y_ptr):
        raise InputError(
            f"Expected x and y with the same coordinates and jets, but got {list(x.shape)} in "
            f"{len(x_ptr) - 1} and {list(y.shape)} in {len(y_ptr) - 1} jets."
        )
    check_finite(x, x_ptr)
    check_finite(y, y_ptr)
    pointers = x_ptr.cpu().numpy(), y_ptr.cpu().numpy()
    a, b = (points.detach().double().cpu().contiguous().numpy() for points in (x, y))
    if not use_kernels(x, y):
        return torch.from_numpy(assignment_reference(a, pointers[0], b, pointers[1])).to(x.device)
    partner = np.empty(len(a), np.int64)

    def run(start: int, stop: int) -> None:
        assignment_kernel(a, pointers[0], b, pointers[1], partner, start, stop)

    # of one particle about as much work as of 64 copies in other ops
    over_jets(run, pointers[0], copies=64)
    return torch.from_numpy(partner)


def assignment_reference(
    x: np.ndarray, x_ptr: np.ndarray, y: np.ndarray, y_ptr: np.ndarray
) -> np.ndarray:
    """:func:`assignment` by scipy's ``linear_sum_assignment``."""
    from scipy.optimize import linear_sum_assignment

    partner = np.full(len(x), -1, np.int64)
    for j in range(len(x_ptr) - 1):
        first, second = x[x_ptr[j] : x_ptr[j + 1]], y[y_ptr[j] : y_ptr[j + 1]]
        cost = -2 * first @ second.T  # the other terms of the square are the same for all pairs
        if len(first) != len(second):  # unless some particles are left over
            cost += (first**2).sum(1)[:, None] + (second**2).sum(1)
        rows, columns = linear_sum_assignment(cost)
        partner[x_ptr[j] + rows] = y_ptr[j] + columns
    return partner


@kernel
def assignment_kernel(x, x_ptr, y, y_ptr, partner, start, stop):
    """The particles of the smaller set of each jet are rows, those of the larger one columns."""
    most = 0
    for j in range(start, stop):
        most = max(most, x_ptr[j + 1] - x_ptr[j], y_ptr[j + 1] - y_ptr[j])
    costs = np.empty((most, most))
    to_column, to_row = np.empty(most, np.int64), np.empty(most, np.int64)
    for j in range(start, stop):
        first, n, other, m = x_ptr[j], x_ptr[j + 1] - x_ptr[j], y_ptr[j], y_ptr[j + 1] - y_ptr[j]
        if n <= m:
            cost = costs[:n, :m]
            costs_kernel(x, first, y, other, cost)
            assign_kernel(cost, to_column, to_row)
            partner[first : first + n] = other + to_column[:n]
        else:
            cost = costs[:m, :n]
            costs_kernel(y, other, x, first, cost)
            assign_kernel(cost, to_column, to_row)
            for i in range(n):
                partner[first + i] = other + to_row[i] if to_row[i] >= 0 else -1


@kernel(fastmath={"contract"})
def costs_kernel(x, first, y, other, cost):
    """Squared distances of all pairs."""
    column = np.empty(cost.shape[1])
    cost[:] = 0
    for d in range(x.shape[1]):
        for k in range(cost.shape[1]):
            column[k] = y[other + k, d]
        for i in range(cost.shape[0]):
            own = x[first + i, d]
            for k in range(cost.shape[1]):
                apart = own - column[k]
                cost[i, k] += apart * apart


@kernel
def assign_kernel(cost, to_column, to_row):
    """The assignment of least cost of all rows, of which there are not more than columns.

    The algorithm of Jonker and Volgenant: each column starts with the price of its cheapest row and
    takes that, if it is free; each row that is left looks for the shortest augmenting path by
    Dijkstra's algorithm on the reduced costs. Where there are more columns than rows all prices
    start at 0, which those of the columns that stay free must have in the end.
    """
    n, m = cost.shape
    to_column[:n] = to_row[:m] = -1
    price, before = np.zeros(m), np.zeros(m, np.int64)
    if n == m:
        price[:] = np.inf
        for i in range(n):
            relax_kernel(cost[i], np.zeros(m), 0.0, price, before, i)
        for k in range(m - 1, -1, -1):
            if to_column[before[k]] < 0:
                to_column[before[k]], to_row[k] = k, before[k]
    # distances of the columns that are not reached for good, and of those that are
    distance, reached, open_price = np.empty(m), np.empty(m), np.empty(m)
    for root in range(n):
        if to_column[root] >= 0:
            continue
        distance[:], reached[:], open_price[:] = np.inf, np.inf, price
        i, offset, k = root, 0.0, -1
        while i >= 0:
            least = relax_kernel(cost[i], open_price, offset, distance, before, i)
            k = 0
            while distance[k] != least:
                k += 1
            reached[k], distance[k], open_price[k] = least, np.inf, -np.inf
            i = to_row[k]
            if i >= 0:
                offset = cost[i, k] - price[k] - least
        for j in range(m):
            if reached[j] < least:
                price[j] += reached[j] - least
        while i != root:  # swap along the path, from its end
            i = before[k]
            to_row[k] = i
            to_column[i], k = k, to_column[i]


@kernel(fastmath={"nnan", "nsz"})
def relax_kernel(row, price, offset, distance, before, i):
    """Shorten the distances of columns by way of row ``i``; returns the least of them."""
    least = np.inf
    for k in range(len(row)):
        through = row[k] - price[k] - offset
        is_shorter = through < distance[k]
        shorter = through if is_shorter else distance[k]
        before[k] = i if is_shorter else before[k]
        distance[k] = shorter
        least = min(least, shorter)
    return least
