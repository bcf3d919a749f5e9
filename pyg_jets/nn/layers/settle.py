r"""Sets of particles with the pT, the mass and the axis that a jet is to have."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_jets.nn.layers.jet_summary import jet_momenta
from pyg_jets.ops import segment_expand
from pyg_jets.ops.expand_relu import without_gradient
from pyg_jets.ops.settle import settle_by_kernel

__all__ = ["settle"]

#: A jet is made at most so many times as wide, or as narrow, in a round.
_MOST = 4.0
_ROUNDS = 2


def settle(x: Tensor, ptr: Tensor, jet: Tensor) -> Tensor:
    r"""Move, widen and scale jets, so that their particles sum up to what they are to be.

    In each of two rounds a jet is moved so that its axis lies at (0, 0), made as many times as wide
    as its m/pT is to be larger, and its particles' pT are scaled; then it is moved to its axis.
    m/pT is proportional to the width of narrow jets, and the second round makes up for what is not.

    Args:
        x: Massless particles (pT, η, φ), ``[N, 3]``.
        ptr: Ragged pointer ``[J + 1]`` int64.
        jet: The pT (GeV), mass (GeV), η and φ that each jet is to have, ``[J, 4]``.

    Returns:
        ``[N, 3]``; a jet without mass, as one of a single particle is, stays without.

    Examples:
        >>> x = torch.tensor([[4.0, 0.1, 0.0], [4.0, -0.1, 0.0]])
        >>> ptr, jet = torch.tensor([0, 2]), torch.tensor([[100.0, 20.0, 0.5, 0.3]])
        >>> settle(x, ptr, jet).round(decimals=2)
        tensor([[50.0000,  0.7000,  0.3000],
                [50.0000,  0.3000,  0.3000]])
    """
    if without_gradient(x, jet):
        return settle_by_kernel(x, ptr, jet, _ROUNDS, _MOST)
    pt, place = x[:, 0], x[:, 1:]
    ratio = jet[:, 1] / jet[:, 0]
    for _ in range(_ROUNDS):
        now = jet_momenta(torch.cat((pt.unsqueeze(1), place), 1), ptr).to(x.dtype)
        wider = (ratio * now[:, 0] / now[:, 1].clamp(min=1e-4)).clamp(1 / _MOST, _MOST)
        harder = jet[:, 0] / now[:, 0].clamp(min=1e-4)
        change = torch.cat((now[:, 2:], torch.stack((wider, harder), 1)), 1)
        each = segment_expand(change, ptr, len(x))
        place, pt = (place - each[:, :2]) * each[:, 2:3], pt * each[:, 3]
    place = place + segment_expand(jet[:, 2:], ptr, len(x))
    return torch.cat((pt.unsqueeze(1), place), 1)
