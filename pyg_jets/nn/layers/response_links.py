"""GEN–RECO matching: which particle after a detector each particle before it contributed to."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from pyg_jets.nn.layers.response_inputs import Particles
from pyg_jets.ops import nearest

__all__ = ["UNDISPLACED", "Links", "displacement", "match_particles", "merged_with", "rows_where"]

#: Offsets (rad) that are none but for rounding in float32.
UNDISPLACED = 1e-4
#: Distance between kinds in the coordinates in which the nearest particle is found.
_APART = 1e4


class Links(NamedTuple):
    """What became of each GEN particle, as far as its RECO jet tells.

    Args:
        reco: Row of the RECO particle that it contributed to, or -1, ``[N]`` int64.
        keeps_kind: Whether that is of the kind of the GEN particle, ``[N]``.
    """

    reco: Tensor
    keeps_kind: Tensor


def match_particles(
    gen: Particles,
    ptr: Tensor,
    reco: Particles,
    reco_ptr: Tensor,
    places: list[tuple[Tensor, Tensor]],
    tolerance: Tensor,
) -> Links:
    """Match each GEN particle to the nearest RECO particle of a kind that it may be seen as.

    A match without any displacement goes before all others, and takes its RECO particle out of the
    search of those that have none: a track is nobody else's.

    Args:
        gen: GEN particles.
        ptr: Their pointer ``[J + 1]``.
        reco: RECO particles.
        reco_ptr: Their pointer ``[J + 1]``.
        places: For each kind that a particle may be seen as, in the order of trial, that kind
            (-1 for none, ``[N]``) and the place where it is expected, relative to the jet
            (``[N, 2]``). The first is its own kind.
        tolerance: Largest displacement of each kind in η and φ, ``[K, 2]``.

    Examples:
        >>> from pyg_jets.nn.layers.response_inputs import ResponseInputs
        >>> inputs, ptr = ResponseInputs(), torch.tensor([0, 2])
        >>> gen = inputs.read(torch.tensor([[9.0, 0.0, 0.0], [1.0, 0.3, 0.3]]), ptr)
        >>> reco = inputs.read(torch.tensor([[9.1, 0.0, 0.01]]), torch.tensor([0, 1]))
        >>> places = [(gen.kind, gen.pos)]
        >>> match_particles(gen, ptr, reco, torch.tensor([0, 1]), places, torch.full((1, 2), 0.02))
        Links(reco=tensor([ 0, -1]), keeps_kind=tensor([ True, False]))
    """
    taken = torch.zeros(len(reco.kind), dtype=torch.bool, device=ptr.device)
    rows = torch.full_like(gen.kind, -1)
    keeps_kind = torch.zeros_like(gen.kind, dtype=torch.bool)
    for undisplaced in (True, False):
        for trial, (kind, place) in enumerate(places):
            unit = (
                tolerance.new_full((len(tolerance), 2), UNDISPLACED) if undisplaced else tolerance
            )
            sought = _coordinates(place, kind, (rows < 0) & (kind >= 0), unit, 1.0)
            offered = _coordinates(reco.pos, reco.kind, ~taken, unit, 2.0)
            row, _ = nearest(sought, ptr, offered, reco_ptr)
            if not len(offered):
                break
            near = (sought - offered[row.clamp(min=0)]).abs().amax(1) <= 1
            near &= row >= 0
            rows = torch.where(near, row, rows)
            keeps_kind |= near & (trial == 0)
        if undisplaced:
            taken = taken.index_fill(0, rows[rows >= 0], True)
    return Links(rows, keeps_kind)


def _coordinates(pos: Tensor, kind: Tensor, free: Tensor, unit: Tensor, elsewhere: float) -> Tensor:
    """Positions in units of their kind's tolerance, kinds far apart, and what is not free too."""
    scaled = pos / unit[kind.clamp(min=0)]
    group = torch.where(free, kind.to(pos.dtype) * _APART, -elsewhere * _APART)
    return torch.cat((scaled, group.unsqueeze(1)), 1)


def displacement(pos: Tensor, ptr: Tensor, target: Tensor, target_ptr: Tensor) -> Tensor:
    """Offset in η and φ of each particle to the nearest of another set, ``[N, 2]``, inf for none.

    Examples:
        >>> ptr = torch.tensor([0, 1])
        >>> displacement(torch.zeros(1, 2), ptr, torch.tensor([[0.5, -0.25]]), ptr)
        tensor([[0.5000, 0.2500]])
    """
    row, _ = nearest(pos, ptr, target, target_ptr)
    if not len(target):
        return torch.full_like(pos, torch.inf)
    away = (target[row.clamp(min=0)] - pos).abs()
    return torch.where((row >= 0).unsqueeze(1), away, torch.inf)


def rows_where(mask: Tensor, ptr: Tensor) -> tuple[Tensor, Tensor]:
    """The rows where ``mask`` holds, and their pointer."""
    before = torch.cat((ptr.new_zeros(1), mask.cumsum(0)))
    return mask.nonzero().squeeze(1), before[ptr]


def merged_with(reco: Tensor, parent: Tensor) -> tuple[Tensor, Tensor]:
    """Whether each particle is in one RECO particle with its neighbour, and whether that is known.

    It is known where one of the two has a RECO particle at all.
    """
    other = reco[parent]
    has_parent = parent != torch.arange(len(parent), device=parent.device)
    return has_parent & (reco >= 0) & (other == reco), has_parent & ((reco >= 0) | (other >= 0))
