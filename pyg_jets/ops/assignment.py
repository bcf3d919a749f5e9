r"""Pairs of particles of two sets of a jet whose squared distances have the least sum."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pyg_jets.errors import InputError
from pyg_jets.ops.distances import check_finite
from pyg_jets.ops.pointer import check_ragged

__all__ = ["assignment"]


def assignment(x: Tensor, x_ptr: Tensor, y: Tensor, y_ptr: Tensor) -> Tensor:
    r"""For each particle of one set its partner in the other, one each, jet by jet.

    .. math::
        k = \operatorname{argmin}_k \sum_i |x_i - y_{k(i)}|^2 \quad \text{over all one-to-one } k

    The exact solution by scipy's ``linear_sum_assignment``, in float64 on the CPU; the time grows
    with the cube of the multiplicity (0.1 to 1 ms for 100 particles, less the nearer the sets are).
    The indices have no gradient: :func:`pyg_jets.ops.matched_distance` gives it.

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
    from scipy.optimize import linear_sum_assignment

    for points, ptr in ((x, x_ptr), (y, y_ptr)):
        check_ragged(points, ptr)
    if x.size(1) != y.size(1) or len(x_ptr) != len(y_ptr):
        raise InputError(
            f"Expected x and y with the same coordinates and jets, but got {list(x.shape)} in "
            f"{len(x_ptr) - 1} and {list(y.shape)} in {len(y_ptr) - 1} jets."
        )
    check_finite(x, x_ptr)
    check_finite(y, y_ptr)
    a, b = (points.detach().double().cpu().numpy() for points in (x, y))
    starts, others = x_ptr.tolist(), y_ptr.tolist()
    partner = np.full(len(a), -1, np.int64)
    for j in range(len(starts) - 1):
        first, second = a[starts[j] : starts[j + 1]], b[others[j] : others[j + 1]]
        cost = -2 * first @ second.T  # the other terms of the square are the same for all pairs
        if len(first) != len(second):  # unless some particles are left over
            cost += (first**2).sum(1)[:, None] + (second**2).sum(1)
        rows, columns = linear_sum_assignment(cost)
        partner[starts[j] + rows] = others[j] + columns
    return torch.from_numpy(partner).to(x.device)
