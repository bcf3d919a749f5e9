"""What pairs of jets before and after a detector say of its response without any training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from pyg_jets.nn.layers.response_inputs import Particles
from pyg_jets.nn.layers.response_links import (
    UNDISPLACED,
    displacement,
    match_particles,
    merged_with,
    rows_where,
)
from pyg_jets.nn.layers.response_steps import ResponseSteps
from pyg_jets.ops import nearest_harder

__all__ = ["PairOfSets", "fit_steps", "measured_mass"]

#: Particles farther than this (rad) from every particle of their kind were not seen.
_FAR = 0.15


class PairOfSets(NamedTuple):
    """GEN and RECO particles of a batch of jets, with their pointers."""

    gen: Particles
    ptr: Tensor
    reco: Particles
    reco_ptr: Tensor


def fit_steps(steps: ResponseSteps, pairs: Sequence[PairOfSets]) -> None:
    """Set the buffers of the steps: tolerances of matching, possible fates, kinds that merge.

    Args:
        steps: The steps.
        pairs: Batches of jets.
    """
    for k in range(len(steps.other_kind)):
        steps.tolerance[k] = _tolerance(steps, k, pairs)
    steps.other_kind.copy_(
        torch.tensor([_fate(steps, k, pairs) for k in range(len(steps.other_kind))])
    )
    steps.merges.fill_(True)
    merged, known = torch.zeros(2, len(steps.merges), dtype=torch.int64)
    for gen, ptr, reco, reco_ptr in pairs:
        links = steps.match(gen, ptr, reco, reco_ptr)
        kind = steps.kind_of_fate(gen.kind, links.keeps_kind)
        parent = steps.parents(gen, kind, steps.place(gen, kind)[0], ptr)
        joined, is_known = merged_with(links.reco, parent)
        merged += kind[joined].bincount(minlength=len(merged))
        known += kind[is_known].bincount(minlength=len(merged))
    steps.merges.copy_(merged > 1e-3 * known)


def _tolerance(steps: ResponseSteps, k: int, pairs: Sequence[PairOfSets]) -> Tensor:
    """Largest displacement of a kind in η and φ, from the hardest particle of each jet."""
    away = []
    for gen, ptr, reco, reco_ptr in pairs:
        rows, rows_ptr = rows_where(gen.kind == k, ptr)
        one_group = torch.zeros_like(rows)
        harder = nearest_harder(torch.zeros(len(rows), 1), gen.pt[rows], one_group, rows_ptr)
        is_hardest = harder == torch.arange(len(rows))
        top, top_ptr = rows[is_hardest], rows_where(is_hardest, rows_ptr)[1]
        seen, seen_ptr = rows_where(reco.kind == k, reco_ptr)
        place = steps.place(gen, gen.kind)[0][top]
        away.append(displacement(place, top_ptr, reco.pos[seen], seen_ptr))
    distance = torch.cat(away)
    distance = distance[(distance < _FAR).all(1)]
    moved = distance[(distance > UNDISPLACED).any(1)]
    least = distance.new_full((2,), 2 * UNDISPLACED)
    if len(moved) <= 0.2 * len(distance):
        return least
    # of displacements even in a cell, or Gaussian, the 97 % quantile is at most twice that of 80 %;
    # what lies far beyond is a neighbour of a particle that was not seen
    far, near = (moved.quantile(q, 0) for q in (0.97, 0.8))
    return torch.maximum(torch.minimum(1.05 * far, 2.5 * near), least)


def _fate(steps: ResponseSteps, k: int, pairs: Sequence[PairOfSets]) -> int:
    """The kind that particles of a kind are seen as if not as their own, or -1.

    Those that are not seen as their own kind are matched to RECO particles of another one. So are,
    by chance, those that are seen: the excess over these tells a fate.
    """
    best, chosen = 0.03, -1
    for other in range(len(steps.other_kind)):
        if other == k:
            continue
        counts = torch.zeros(2, 2)  # [seen as its own, seen as the other]
        for gen, ptr, reco, reco_ptr in pairs:
            found = []
            for as_kind in (k, other):
                kind = torch.where(gen.kind == k, as_kind, -1)
                places = [(kind, steps.place(gen, kind)[0])]
                links = match_particles(gen, ptr, reco, reco_ptr, places, steps.tolerance)
                found.append((links.reco >= 0)[gen.kind == k])
            counts += (2 * found[0].long() + found[1].long()).bincount(minlength=4).view(2, 2)
        n_unseen, n_seen = (float(c) for c in counts.sum(1))
        if n_unseen < 10 or n_seen < 10:
            continue
        unseen, chance = (float(c) for c in counts[:, 1] / counts.sum(1))
        error = (max(chance * (1 - chance), 1 / n_seen) / n_unseen) ** 0.5
        if unseen - chance > max(best, 3 * error):
            best, chosen = unseen - chance, other
    return chosen


def measured_mass(k: int, pairs: Sequence[PairOfSets]) -> float:
    """The mass (GeV) that soft RECO particles of a kind have; below 5 MeV it is rounding."""
    masses = [torch.zeros(0, dtype=torch.float64)]
    for pair in pairs:
        reco = pair.reco
        if reco.eta is None or reco.energy is None:
            return 0.0
        pt, eta, energy = (v[reco.kind == k].double() for v in (reco.pt, reco.eta, reco.energy))
        momentum = pt * eta.cosh()
        square = (energy.square() - momentum.square()).clamp(min=0)
        masses.append(square[momentum < 5].sqrt())
    mass = torch.cat(masses)
    return float(mass.median()) if len(mass) and float(mass.median()) > 5e-3 else 0.0
