r"""GEN–RECO matching: which particle before a detector became which one after it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from pyg_jets.ops import counts_to_ptr, nearest, ptr_to_batch

__all__ = ["Matching", "match_particles", "merge_particles"]

#: Units of the matching distance: in ln pT, η (rad) and φ (rad).
_RESOLUTION = (0.5, 0.02, 0.02)
#: Largest distance ΔR (rad) of a particle from the one that it is merged into.
_MERGING_RADIUS = 0.1
#: Rounds of matching; each matches particles that lost theirs to a nearer one.
_ROUNDS = 3


class Matching(NamedTuple):
    """The matched particles of a batch of GEN and RECO jets.

    Args:
        gen: Rows of the GEN particles that have a RECO particle, in their order, ``[S]``.
        reco: Row of the RECO particle of each, ``[S]``.
        merged: Whether a GEN particle is merged into a matched one, ``[N]`` bool. A particle that
            is neither matched nor merged is lost.
    """

    gen: Tensor
    reco: Tensor
    merged: Tensor


@torch.no_grad()
def match_particles(x: Tensor, ptr: Tensor, y: Tensor, y_ptr: Tensor) -> Matching:
    """Match the GEN particles ``x`` of each jet to its RECO particles ``y``.

    Each RECO particle is matched to the nearest GEN particle in (ln pT, η, φ), unless another RECO
    particle is nearer to that. A GEN particle without a match is merged into its nearest matched
    neighbour if that neighbour gained about as much pT as the particle has; otherwise it is lost.

    Args:
        x: GEN particles (pT in GeV, η, φ), ``[N, 3]``.
        ptr: Their pointer, ``[J + 1]`` int64.
        y: RECO particles (pT in GeV, η, φ), ``[M, 3]``.
        y_ptr: Their pointer, ``[J + 1]`` int64.

    Examples:
        >>> x = torch.tensor([[9.0, 0.0, 0.0], [4.0, 0.01, 0.0], [5.0, 0.5, 0.0]])
        >>> y = torch.tensor([[13.0, 0.0, 0.0]])
        >>> matching = match_particles(x, torch.tensor([0, 3]), y, torch.tensor([0, 1]))
        >>> matching.gen.tolist(), matching.merged.tolist()
        ([0], [False, True, False])
    """
    units = x.new_tensor(_RESOLUTION)
    x_points, y_points = (
        torch.cat((v[:, :1].clamp(min=1e-6).log(), v[:, 1:]), 1) / units for v in (x, y)
    )
    x_free, y_free = (torch.ones(len(v), dtype=torch.bool, device=x.device) for v in (x, y))
    match = torch.full((len(x),), -1, device=x.device)
    for _ in range(_ROUNDS):
        x_rows, x_rows_ptr = _rows_where(x_free, ptr)
        y_rows, y_rows_ptr = _rows_where(y_free, y_ptr)
        if not len(x_rows) or not len(y_rows):
            break
        _, to_x = nearest(x_points[x_rows], x_rows_ptr, y_points[y_rows], y_rows_ptr)
        y_rows, to_x = y_rows[to_x >= 0], x_rows[to_x[to_x >= 0]]
        distance = (x_points[to_x] - y_points[y_rows]).square().sum(1)
        order = distance.argsort(
            descending=True
        )  # of several candidates the nearest is written last
        closest = torch.full((len(x),), -1, device=x.device)
        closest[to_x[order]] = y_rows[order]
        taken = closest >= 0
        match[taken], x_free[taken] = closest[taken], False
        y_free[closest[taken]] = False
    gen = (match >= 0).nonzero().flatten()
    left, into = _nearest_matched(x, ptr, match < 0, gen)
    gained = y[match[into], 0] - x[into, 0]
    merged = torch.zeros(len(x), dtype=torch.bool, device=x.device)
    merged[left] = x[left, 0] <= 1.3 * gained + 0.1 * x[into, 0].clamp(max=5)
    return Matching(gen, match[gen], merged)


def merge_particles(x: Tensor, ptr: Tensor, gen: Tensor, merged: Tensor) -> tuple[Tensor, Tensor]:
    """Add the momenta of merged particles to those of the matched particles nearest to them.

    Args:
        x: Massless GEN particles (pT in GeV, η, φ), ``[N, 3]``.
        ptr: Their pointer, ``[J + 1]`` int64.
        gen: Rows of the matched particles, in their order, ``[S]``.
        merged: Which of the others are merged, ``[N]`` bool.

    Returns:
        The sums as massless particles ``[S, 3]``, and their pointer.

    Examples:
        >>> x, ptr = torch.tensor([[9.0, 0.0, 0.0], [3.0, 0.04, 0.0]]), torch.tensor([0, 2])
        >>> merge_particles(x, ptr, torch.tensor([0]), torch.tensor([False, True]))[0].tolist()
        [[12.0, 0.00999..., 0.0]]
    """
    left, into = _nearest_matched(x, ptr, merged, gen)
    pt, eta, phi = x.unbind(1)
    # For nearby particles the momentum sum has the summed pT and the pT-weighted mean angles.
    total, sum_eta, sum_phi = pt.clone(), pt * eta, pt * phi
    for sums, values in ((total, pt), (sum_eta, pt * eta), (sum_phi, pt * phi)):
        sums.index_add_(0, into, values[left])
    summed = torch.stack((total, sum_eta / total, sum_phi / total), 1)[gen]
    counts = torch.bincount(ptr_to_batch(ptr)[gen], minlength=len(ptr) - 1)
    return summed, counts_to_ptr(counts)


def _rows_where(mask: Tensor, ptr: Tensor) -> tuple[Tensor, Tensor]:
    """The rows where ``mask`` holds, and their pointer."""
    before = torch.cat((ptr.new_zeros(1), mask.cumsum(0)))
    return mask.nonzero().flatten(), before[ptr]


def _nearest_matched(x: Tensor, ptr: Tensor, which: Tensor, gen: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of the particles ``which`` that are near a matched one, and rows of the nearest such."""
    is_matched = torch.zeros(len(x), dtype=torch.bool, device=x.device).index_fill(0, gen, True)
    _, gen_ptr = _rows_where(is_matched, ptr)
    left, left_ptr = _rows_where(which, ptr)
    pos = x[:, 1:].contiguous()
    into, _ = nearest(pos[left], left_ptr, pos[gen], gen_ptr)
    has_neighbour = into >= 0
    left, into = left[has_neighbour], gen[into[has_neighbour]]
    near = (pos[left] - pos[into]).norm(dim=1) < _MERGING_RADIUS
    return left[near], into[near]
