r"""Differences in pT and mass between the summed jets of two sets of particles."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_jets import kinematics
from pyg_jets.errors import InputError
from pyg_jets.ops.weighted import weighted_mean

__all__ = ["JET_COORDINATES", "jet_pt_mass", "jet_terms"]

#: Columns of a massless particle: its momentum (GeV), or pT (GeV), η and φ (rad).
JET_COORDINATES = ("pxpypz", "ptetaphi")


def jet_pt_mass(x: Tensor, ptr: Tensor, coordinates: str = "pxpypz") -> tuple[Tensor, Tensor]:
    r"""Transverse momentum and mass of each jet, the sum of its massless particles.

    Args:
        x: Particles ``[N, 3]``: (px, py, pz) in GeV, or (pT, η, φ) in GeV and rad. For η relative
            to a jet axis the result is that of the same jet at η = 0.
        ptr: Ragged pointer ``[J + 1]`` int64.
        coordinates: ``"pxpypz"`` or ``"ptetaphi"``.

    Returns:
        pT and mass ``[J]`` (GeV) in float64; zero for an empty jet. The gradient is finite.

    Raises:
        ValueError: For other columns.

    Examples:
        >>> x = torch.tensor([[3.0, 0.0, 0.0], [0.0, 4.0, 0.0]])
        >>> pt, mass = jet_pt_mass(x, torch.tensor([0, 2]))
        >>> round(float(pt), 3), round(float(mass), 3)
        (5.0, 4.899)
    """
    if coordinates not in JET_COORDINATES:
        raise InputError(
            f"Unknown coordinates {coordinates!r}: choose from {', '.join(JET_COORDINATES)}."
        )
    if x.dim() != 2 or x.size(1) != 3:
        raise InputError(f"Expected x [N, 3] as {coordinates}, but got {list(x.shape)}.")
    first, second, third = x.double().unbind(1)
    zero = torch.zeros_like(first)
    if coordinates == "ptetaphi":
        momenta = kinematics.to_cartesian(first, second, third, zero)
    else:
        # |p| has no finite gradient for a particle at rest, so the energy is that of (pT, η).
        transverse, eta, phi, _ = kinematics.to_cylindrical(first, second, third, zero)
        momenta = (first, second, third, kinematics.to_cartesian(transverse, eta, phi, zero)[3])
    summed = kinematics.jet_sum(torch.stack(momenta, 1), ptr)
    pt, _, _, mass = kinematics.to_cylindrical(*summed.unbind(1))
    return pt, mass


def jet_terms(
    x: Tensor,
    x_ptr: Tensor,
    y: Tensor,
    y_ptr: Tensor,
    coordinates: str = "pxpypz",
    weight: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    r"""Mean squared differences of pT and of mass between the jets of two sets (GeV²).

    .. math::
        \frac{1}{J} \sum_j (p_{T,j} - \hat p_{T,j})^2, \quad
        \frac{1}{J} \sum_j (m_j - \hat m_j)^2

    Paper: `arXiv:2203.00520 <https://arxiv.org/abs/2203.00520>`_, which does not say how the terms
    are reduced over jets.

    Args:
        x: Particles of one set, ``[N, 3]``, with the columns that ``coordinates`` names.
        x_ptr: Ragged pointer ``[J + 1]`` int64.
        y: Particles of the other set, ``[M, 3]``.
        y_ptr: Ragged pointer ``[J + 1]`` int64.
        coordinates: ``"pxpypz"`` (GeV) or ``"ptetaphi"`` (GeV, rad).
        weight: A weight for each jet, ``[J]``, for weighted means. Default: all count the same.

    Examples:
        >>> x, ptr = torch.tensor([[3.0, 0.0, 0.0]]), torch.tensor([0, 1])
        >>> [float(term) for term in jet_terms(x, ptr, 2 * x, ptr)]
        [9.0, 0.0]
    """
    if len(x_ptr) != len(y_ptr):
        raise InputError(
            f"Expected x and y of the same jets, but x has {len(x_ptr) - 1} and y {len(y_ptr) - 1}."
        )
    ours, theirs = jet_pt_mass(x, x_ptr, coordinates), jet_pt_mass(y, y_ptr, coordinates)
    pt, mass = (weighted_mean((a - b).square(), weight) for a, b in zip(ours, theirs, strict=True))
    return pt.to(x.dtype), mass.to(x.dtype)
