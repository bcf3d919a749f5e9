r"""What becomes of each particle in a detector: seen, merged into another, or lost."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from pyg_jets.ops import counts_to_ptr, nearest, ptr_to_batch

__all__ = ["Fates", "combine", "true_fates"]

#: Distances at which particles before and after the detector are as good as apart: in ln pT, η, φ.
_APART = (0.5, 0.02, 0.02)
#: How far a particle may lie from the one that it is merged into.
_REACH = 0.1
#: Rounds in which particles left over are matched again.
_ROUNDS = 3


class Fates(NamedTuple):
    """The fates of the particles of a batch.

    Args:
        seen: Rows of the particles that are seen, in their order, ``[S]``.
        found: Rows of what they are seen as, ``[S]``.
        merged: Whether a particle is merged into one that is seen, ``[N]`` bool.
    """

    seen: Tensor
    found: Tensor
    merged: Tensor


def _subset(ptr: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Rows where ``mask`` holds, and the pointer of these."""
    before = torch.cat((ptr.new_zeros(1), mask.cumsum(0)))
    return mask.nonzero().flatten(), before[ptr]


@torch.no_grad()
def true_fates(x: Tensor, ptr: Tensor, y: Tensor, y_ptr: Tensor) -> Fates:
    """Fates of particles ``x`` of which a detector sees ``y``, found by how near they are.

    Each particle of ``y`` takes the nearest of ``x`` in (ln pT, η, φ), unless that is nearer to
    another. What is left of ``x`` is merged into its nearest neighbour seen, if that is seen with
    so much more pT than it had; else it is lost.

    Args:
        x: (pT, η, φ) before, ``[N, 3]``.
        ptr: Ragged pointer ``[J + 1]`` int64.
        y: (pT, η, φ) after, ``[M, 3]``.
        y_ptr: Ragged pointer ``[J + 1]`` int64.

    Examples:
        >>> x = torch.tensor([[9.0, 0.0, 0.0], [4.0, 0.01, 0.0], [5.0, 0.5, 0.0]])
        >>> y = torch.tensor([[13.0, 0.0, 0.0]])
        >>> fates = true_fates(x, torch.tensor([0, 3]), y, torch.tensor([0, 1]))
        >>> fates.seen.tolist(), fates.merged.tolist()
        ([0], [False, True, False])
    """
    apart = x.new_tensor(_APART)
    points = [torch.cat((v[:, :1].clamp(min=1e-6).log(), v[:, 1:]), 1) / apart for v in (x, y)]
    free, open_ = (torch.ones(len(v), dtype=torch.bool, device=x.device) for v in (x, y))
    match = torch.full((len(x),), -1, device=x.device)
    for _ in range(_ROUNDS):
        rows, rows_ptr = _subset(ptr, free)
        others, others_ptr = _subset(y_ptr, open_)
        if not len(rows) or not len(others):
            break
        _, to_x = nearest(points[0][rows], rows_ptr, points[1][others], others_ptr)
        others, to_x = others[to_x >= 0], rows[to_x[to_x >= 0]]
        away = (points[0][to_x] - points[1][others]).square().sum(1)
        order = away.argsort(descending=True)  # of several the nearest is written last
        closest = torch.full((len(x),), -1, device=x.device)
        closest[to_x[order]] = others[order]
        taken = closest >= 0
        match[taken], free[taken] = closest[taken], False
        open_[closest[taken]] = False
    seen = (match >= 0).nonzero().flatten()
    return Fates(seen, match[seen], _merged(x, ptr, y, seen, match))


def _merged(x: Tensor, ptr: Tensor, y: Tensor, seen: Tensor, match: Tensor) -> Tensor:
    merged = torch.zeros(len(x), dtype=torch.bool, device=x.device)
    left, into = _neighbour(x, ptr, ~(match >= 0), seen)
    surplus = y[match[into], 0] - x[into, 0]
    merged[left] = x[left, 0] <= 1.3 * surplus + 0.1 * x[into, 0].clamp(max=5)
    return merged


def _neighbour(x: Tensor, ptr: Tensor, which: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of particles within reach of one that is seen, and rows of the nearest such one."""
    is_seen = torch.zeros(len(x), dtype=torch.bool, device=x.device).index_fill(0, seen, True)
    _, seen_ptr = _subset(ptr, is_seen)
    left, left_ptr = _subset(ptr, which)
    pos = x[:, 1:].contiguous()
    into, _ = nearest(pos[left], left_ptr, pos[seen], seen_ptr)
    some = into >= 0
    left, into = left[some], seen[into[some]]
    near = (pos[left] - pos[into]).norm(dim=1) < _REACH
    return left[near], into[near]


def combine(x: Tensor, ptr: Tensor, seen: Tensor, merged: Tensor) -> tuple[Tensor, Tensor]:
    """Particles that are seen, each with those that are merged into it.

    Args:
        x: Massless particles (pT, η, φ), ``[N, 3]``.
        ptr: Ragged pointer ``[J + 1]`` int64.
        seen: Rows of those that are seen, in their order, ``[S]``.
        merged: Which of the others are merged into the nearest of these, ``[N]`` bool.

    Returns:
        The momentum sums as massless particles ``[S, 3]``, and their pointer.

    Examples:
        >>> x, ptr = torch.tensor([[9.0, 0.0, 0.0], [3.0, 0.04, 0.0]]), torch.tensor([0, 2])
        >>> combine(x, ptr, torch.tensor([0]), torch.tensor([False, True]))[0].tolist()
        [[12.0, 0.00999..., 0.0]]
    """
    left, into = _neighbour(x, ptr, merged, seen)
    weight, (pt, eta, phi) = x[:, 0], x.unbind(1)
    # close by, the sum of momenta is that of pT at the mean of the angles, weighted by pT
    total, sum_eta, sum_phi = weight.clone(), weight * eta, weight * phi
    for sums, values in ((total, pt), (sum_eta, pt * eta), (sum_phi, pt * phi)):
        sums.index_add_(0, into, values[left])
    made = torch.stack((total, sum_eta / total, sum_phi / total), 1)[seen]
    counts = torch.bincount(ptr_to_batch(ptr)[seen], minlength=len(ptr) - 1)
    return made, counts_to_ptr(counts)
