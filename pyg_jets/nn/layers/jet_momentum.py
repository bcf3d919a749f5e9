r"""The four-momentum of a generated jet, and the jet changed so that it has a given one.

Networks make particles one by one; that their sum is the jet which they belong to is imposed
afterwards. Without a gradient both functions are one pass of a kernel over the particles.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from pyg_jets import kinematics
from pyg_jets.ops import check_pointer, check_ragged, segment_expand
from pyg_jets.ops.kernel import kernel, over_jets, use_inference_kernels

__all__ = ["jet_momenta", "match_jet_momentum"]

#: The largest factor by which a jet is made wider or narrower in a round.
_MAX_STRETCH = 4.0
_ROUNDS = 2
#: The smallest pT and mass (GeV) that are divided by.
_MIN_SCALE = 1e-4


def jet_momenta(x: Tensor, ptr: Tensor) -> Tensor:
    """pT (GeV), mass (GeV), η and φ of each jet: the sum of its massless particles.

    Args:
        x: Massless particles (pT, η, φ), in GeV and rad, ``[N, 3]``.
        ptr: Ragged pointer ``[J + 1]`` int64.

    Shapes:
        - **output:** ``[J, 4]`` float64

    Examples:
        >>> x = torch.tensor([[4.0, 0.0, 0.0], [2.0, 0.0, 0.0]])
        >>> jet_momenta(x, torch.tensor([0, 2])).tolist()
        [[6.0, 0.0, 0.0, 0.0]]
    """
    if use_inference_kernels(x):
        return _jet_momenta_by_kernel(x, ptr)
    pt, eta, phi = x.double().unbind(1)
    momenta = kinematics.jet_momentum(pt, eta, phi, torch.zeros_like(pt), ptr)
    jet_pt, jet_eta, jet_phi, mass = kinematics.to_cylindrical(*momenta)
    return torch.stack((jet_pt, mass, jet_eta, jet_phi), 1)


def match_jet_momentum(x: Tensor, ptr: Tensor, jet: Tensor) -> Tensor:
    r"""Shift, stretch and scale jets, so that each sums up to a given pT, mass, η and φ.

    In each of two rounds a jet is shifted so that its axis lies at (0, 0), stretched in η and φ by
    the factor by which its m/pT is to grow (between 1/4 and 4), and the pT of its particles are
    scaled by one factor; at the end it is shifted to the given axis. For narrow jets m/pT is
    proportional to the width; the second round corrects for the rest.

    Args:
        x: Massless particles (pT, η, φ), in GeV and rad, ``[N, 3]``.
        ptr: Ragged pointer ``[J + 1]`` int64.
        jet: The pT (GeV), mass (GeV), η and φ that each jet is to have, ``[J, 4]``.

    Shapes:
        - **output:** ``[N, 3]``; a jet without mass, such as one of a single particle, stays
          without

    Raises:
        ValueError: If ``ptr`` does not rise from 0 to N.

    Examples:
        >>> x = torch.tensor([[4.0, 0.1, 0.0], [4.0, -0.1, 0.0]])
        >>> ptr, jet = torch.tensor([0, 2]), torch.tensor([[100.0, 20.0, 0.5, 0.3]])
        >>> match_jet_momentum(x, ptr, jet).round(decimals=2)
        tensor([[50.0000,  0.7000,  0.3000],
                [50.0000,  0.3000,  0.3000]])
    """
    if use_inference_kernels(x, jet):
        return _match_jet_momentum_by_kernel(x, ptr, jet)
    pt, position = x[:, 0], x[:, 1:]
    mass_over_pt = jet[:, 1] / jet[:, 0]
    for _ in range(_ROUNDS):
        now = jet_momenta(torch.cat((pt.unsqueeze(1), position), 1), ptr).to(x.dtype)
        stretch = mass_over_pt * now[:, 0] / now[:, 1].clamp(min=_MIN_SCALE)
        stretch = stretch.clamp(1 / _MAX_STRETCH, _MAX_STRETCH)
        scale = jet[:, 0] / now[:, 0].clamp(min=_MIN_SCALE)
        of_jet = torch.cat((now[:, 2:], torch.stack((stretch, scale), 1)), 1)
        axis, stretch, scale = segment_expand(of_jet, ptr, len(x)).split((2, 1, 1), 1)
        position, pt = (position - axis) * stretch, pt * scale[:, 0]
    position = position + segment_expand(jet[:, 2:], ptr, len(x))
    return torch.cat((pt.unsqueeze(1), position), 1)


@kernel(inline="always", error_model="numpy")
def cylindrical(px, py, pz, energy):
    """(px, py, pz, E) → (pT, m, η, φ)."""
    pt_squared = px * px + py * py
    pt, mass_squared = math.sqrt(pt_squared), energy * energy - pt_squared - pz * pz
    mass = 0.0 if mass_squared <= 0 else math.sqrt(mass_squared)
    if pt <= 1e-30:
        return pt, mass, 0.0, 0.0
    return pt, mass, math.asinh(pz / pt), math.atan2(py, px)


@kernel(error_model="numpy")
def momentum(x, first, last):
    """(pT, m, η, φ) of the sum of the particles ``first … last - 1``."""
    px = py = pz = energy = 0.0
    for i in range(first, last):
        pt, eta, phi = np.float64(x[i, 0]), np.float64(x[i, 1]), np.float64(x[i, 2])
        grown = math.exp(eta)  # one exponential for both sinh and cosh
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
def match_momentum_kernel(jet, ptr, rounds, max_stretch, out, start, stop):
    """``out`` holds the particles, and is changed in place."""
    for j in range(start, stop):
        first, last, mass_over_pt = ptr[j], ptr[j + 1], np.float64(jet[j, 1]) / jet[j, 0]
        for _ in range(rounds):
            pt, mass, eta, phi = momentum(out, first, last)
            stretch = mass_over_pt * pt / (_MIN_SCALE if mass < _MIN_SCALE else mass)
            stretch = 1 / max_stretch if stretch < 1 / max_stretch else stretch
            stretch = max_stretch if stretch > max_stretch else stretch
            scale = jet[j, 0] / (_MIN_SCALE if pt < _MIN_SCALE else pt)
            for i in range(first, last):
                out[i, 0] *= scale
                out[i, 1] = (out[i, 1] - eta) * stretch
                out[i, 2] = (out[i, 2] - phi) * stretch
        for i in range(first, last):
            out[i, 1] += jet[j, 2]
            out[i, 2] += jet[j, 3]


def _jet_momenta_by_kernel(x: Tensor, ptr: Tensor) -> Tensor:
    check_ragged(x, ptr)
    check_pointer(ptr, len(x))
    out = x.new_empty(len(ptr) - 1, 4, dtype=torch.float64)
    arrays = [t.detach().contiguous().numpy() for t in (x, ptr, out)]
    over_jets(lambda a, b: momenta_kernel(*arrays, a, b), arrays[1])
    return out


def _match_jet_momentum_by_kernel(x: Tensor, ptr: Tensor, jet: Tensor) -> Tensor:
    check_ragged(x, ptr)
    check_pointer(ptr, len(x))
    out = x.detach().clone(memory_format=torch.contiguous_format)
    jets, pointer, outs = (t.detach().contiguous().numpy() for t in (jet, ptr, out))
    over_jets(
        lambda a, b: match_momentum_kernel(jets, pointer, _ROUNDS, _MAX_STRETCH, outs, a, b),
        pointer,
    )
    return out
