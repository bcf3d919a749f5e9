"""The sums of jets, and jets moved, widened and scaled to a sum, in one pass: no gradient."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from pyg_jets.ops.kernel import kernel, over_jets
from pyg_jets.ops.pointer import check_ragged, check_rising

__all__ = ["momenta_by_kernel", "settle_by_kernel"]


@kernel(inline="always", error_model="numpy")
def cylindrical(px, py, pz, energy):
    square = px * px + py * py
    pt, below = math.sqrt(square), energy * energy - square - pz * pz
    mass = 0.0 if below <= 0 else math.sqrt(below)
    if pt <= 1e-30:
        return pt, mass, 0.0, 0.0
    return pt, mass, math.asinh(pz / pt), math.atan2(py, px)


@kernel(error_model="numpy")
def momentum(x, first, last):
    px = py = pz = energy = 0.0
    for i in range(first, last):
        pt, eta, phi = np.float64(x[i, 0]), np.float64(x[i, 1]), np.float64(x[i, 2])
        grown = math.exp(eta)
        shrunk = 1 / grown
        px += pt * math.cos(phi)
        py += pt * math.sin(phi)
        pz += pt * 0.5 * (grown - shrunk)
        energy += pt * 0.5 * (grown + shrunk)
    return cylindrical(px, py, pz, energy)


@kernel
def momenta_kernel(x, ptr, out, start, stop):
    for j in range(start, stop):
        out[j, 0], out[j, 1], out[j, 2], out[j, 3] = momentum(x, ptr[j], ptr[j + 1])


@kernel(error_model="numpy")
def settle_kernel(jet, ptr, rounds, most, out, start, stop):
    for j in range(start, stop):
        first, last, ratio = ptr[j], ptr[j + 1], np.float64(jet[j, 1]) / jet[j, 0]
        for _ in range(rounds):
            pt, mass, eta, phi = momentum(out, first, last)
            wider = ratio * pt / (1e-4 if mass < 1e-4 else mass)
            wider = 1 / most if wider < 1 / most else (most if wider > most else wider)
            harder = jet[j, 0] / (1e-4 if pt < 1e-4 else pt)
            for i in range(first, last):
                out[i, 0] *= harder
                out[i, 1] = (out[i, 1] - eta) * wider
                out[i, 2] = (out[i, 2] - phi) * wider
        for i in range(first, last):
            out[i, 1] += jet[j, 2]
            out[i, 2] += jet[j, 3]


def momenta_by_kernel(x: Tensor, ptr: Tensor) -> Tensor:
    """pT (GeV), mass (GeV), η and φ of each jet, ``[J, 4]`` float64.

    Args:
        x: Massless particles (pT, η, φ), ``[N, 3]`` on the CPU.
        ptr: Ragged pointer ``[J + 1]`` int64.

    Examples:
        >>> x = torch.tensor([[4.0, 0.0, 0.0], [2.0, 0.0, 0.0]])
        >>> momenta_by_kernel(x, torch.tensor([0, 2]))[0, 0]
        tensor(6., dtype=torch.float64)
    """
    check_ragged(x, ptr)
    check_rising(ptr, len(x))
    out = x.new_empty(len(ptr) - 1, 4, dtype=torch.float64)
    xs, pointer, outs = (t.detach().contiguous().numpy() for t in (x, ptr, out))
    over_jets(lambda a, b: momenta_kernel(xs, pointer, outs, a, b), pointer)
    return out


def settle_by_kernel(x: Tensor, ptr: Tensor, jet: Tensor, rounds: int, most: float) -> Tensor:
    """What ``settle`` of :mod:`pyg_jets.nn.layers.settle` does.

    Args:
        x: Massless particles (pT, η, φ), ``[N, 3]`` on the CPU.
        ptr: Ragged pointer ``[J + 1]`` int64.
        jet: The pT (GeV), mass (GeV), η and φ that each jet is to have, ``[J, 4]``.
        rounds: How often jets are moved, widened and scaled.
        most: A jet is made at most so many times as wide, or as narrow, in a round.
    """
    check_ragged(x, ptr)
    check_rising(ptr, len(x))
    out = x.detach().clone(memory_format=torch.contiguous_format)
    jets, pointer, outs = (t.detach().contiguous().numpy() for t in (jet, ptr, out))
    over_jets(lambda a, b: settle_kernel(jets, pointer, rounds, most, outs, a, b), pointer)
    return out
