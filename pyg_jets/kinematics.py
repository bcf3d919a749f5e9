r"""Four-momenta, rapidities, angles, jet sums: one formula each, for numpy and for torch.

Every function takes numpy arrays or torch tensors of one shape and returns the same kind. Gradients
are finite everywhere, at massless particles and at particles at rest too.

Examples:
    >>> import numpy as np
    >>> pt, eta, phi, mass = (np.array([v]) for v in (30.0, 1.0, 0.5, 0.14))
    >>> back = to_cylindrical(*to_cartesian(pt, eta, phi, mass))
    >>> bool(np.allclose(back, (pt, eta, phi, mass)))
    True
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

__all__ = [
    "delta_phi",
    "delta_r",
    "jet_momentum",
    "jet_sum",
    "longitudinal",
    "rapidity",
    "relative",
    "to_cartesian",
    "to_cylindrical",
    "transverse",
]

Array = TypeVar("Array", np.ndarray, Tensor)

#: Below this a momentum counts as zero (GeV), and a direction as undefined.
_TINY = 1e-30


def _lib(value: Any) -> Any:
    return torch if isinstance(value, Tensor) else np


def _safe_sqrt(square: Array) -> Array:
    """Square root with gradient zero, not infinite, where ``square`` is not above zero."""
    if isinstance(square, np.ndarray):
        clipped = np.maximum(square, 0)
        is_float_array = isinstance(clipped, np.ndarray) and clipped.dtype.kind == "f"
        return np.sqrt(clipped, out=clipped if is_float_array else None)
    lib = _lib(square)
    positive = square > 0
    return lib.where(positive, lib.sqrt(lib.where(positive, square, 1.0)), 0.0 * square)


def _safe_divide(numerator: Array, denominator: Array) -> Array:
    """The quotient where the denominator is above zero, else zero, with finite gradients."""
    lib = _lib(denominator)
    positive = denominator > _TINY
    if isinstance(positive, np.ndarray) and positive.all():
        return numerator / denominator
    return lib.where(positive, numerator / lib.where(positive, denominator, 1.0), 0.0 * numerator)


def delta_phi(phi: Array, other: Array) -> Array:
    """Difference of two azimuths, wrapped to [-π, π).

    Args:
        phi: Azimuths (rad).
        other: Azimuths to subtract (rad), broadcast against ``phi``.
    """
    shifted = phi - other + math.pi
    if isinstance(shifted, np.ndarray):  # few are outside, and a remainder is slow
        outside = (shifted < 0) | (shifted >= 2 * math.pi)
        shifted[outside] %= 2 * math.pi
        return shifted - math.pi
    return shifted % (2 * math.pi) - math.pi


def delta_r(eta: Array, phi: Array, other_eta: Array, other_phi: Array) -> Array:
    """Distance √(Δη² + Δφ²); with rapidities in place of η, the distance of the anti-kt algorithm.

    Args:
        eta: Pseudorapidities or rapidities.
        phi: Azimuths (rad).
        other_eta: Pseudorapidities or rapidities of the other directions.
        other_phi: Azimuths of the other directions (rad).
    """
    return _safe_sqrt((eta - other_eta) ** 2 + delta_phi(phi, other_phi) ** 2)


def relative(eta: Array, phi: Array, axis_eta: Array, axis_phi: Array) -> Array:
    """Coordinates ``[N, 2]`` = (η, φ) relative to an axis.

    Args:
        eta: Pseudorapidities ``[N]``.
        phi: Azimuths ``[N]`` (rad).
        axis_eta: Pseudorapidity of each particle's jet axis ``[N]``.
        axis_phi: Azimuth of each particle's jet axis ``[N]`` (rad).
    """
    return _lib(eta).stack((eta - axis_eta, delta_phi(phi, axis_phi)), -1)


def rapidity(pt: Array, eta: Array, mass: Array) -> Array:
    r"""Rapidity :math:`y = \operatorname{arsinh}(p_T \sinh\eta / \sqrt{p_T^2 + m^2})`.

    A particle at rest has rapidity 0; a massless one has y = η.

    Args:
        pt: Transverse momenta (GeV).
        eta: Pseudorapidities.
        mass: Masses (GeV).
    """
    lib = _lib(pt)
    transverse_mass = _safe_sqrt(pt**2 + mass**2)
    return lib.arcsinh(_safe_divide(pt * lib.sinh(eta), transverse_mass))


def longitudinal(pt: Array, y: Array, mass: Array) -> tuple[Array, Array, Array]:
    r"""(pt, y, m) → (η, pz, E), with :math:`p_z = m_T \sinh y` and :math:`\sinh\eta = p_z / p_T`.

    Args:
        pt: Transverse momenta (GeV).
        y: Rapidities.
        mass: Masses (GeV).
    """
    lib = _lib(pt)
    transverse_mass = _safe_sqrt(pt * pt + mass * mass)
    pz = transverse_mass * lib.sinh(y)
    return lib.arcsinh(_safe_divide(pz, pt)), pz, transverse_mass * lib.cosh(y)


def transverse(pt: Array, phi: Array) -> tuple[Array, Array]:
    """(pt, φ) → (px, py).

    Args:
        pt: Transverse momenta (GeV).
        phi: Azimuths (rad).
    """
    if isinstance(phi, Tensor):
        return pt * phi.cos(), pt * phi.sin()
    # numpy computes tangents eight at a time, but sines and cosines of float64 one by one.
    half_tangent = np.tan(0.5 * phi)
    square = half_tangent * half_tangent
    inverse = 1 / (1 + square)
    cosine, sine = (1 - square) * inverse, 2 * half_tangent * inverse
    return pt * cosine, pt * sine


def to_cartesian(
    pt: Array, eta: Array, phi: Array, mass: Array
) -> tuple[Array, Array, Array, Array]:
    """(pt, η, φ, m) → (px, py, pz, E), all in GeV.

    Args:
        pt: Transverse momenta (GeV).
        eta: Pseudorapidities.
        phi: Azimuths (rad).
        mass: Masses (GeV).
    """
    pz = pt * _lib(pt).sinh(eta)
    energy = _safe_sqrt(pt * pt + pz * pz + mass * mass)
    px, py = transverse(pt, phi)
    return px, py, pz, energy


def to_cylindrical(
    px: Array, py: Array, pz: Array, energy: Array
) -> tuple[Array, Array, Array, Array]:
    """(px, py, pz, E) → (pt, η, φ, m); E < \\|p\\| within rounding gives m = 0, never NaN.

    Args:
        px: Momenta along x (GeV).
        py: Momenta along y (GeV).
        pz: Momenta along the beam (GeV).
        energy: Energies (GeV).
    """
    lib = _lib(px)
    square = px * px + py * py
    pt = _safe_sqrt(square)
    eta = lib.arcsinh(_safe_divide(pz, pt))
    along_beam = pt <= _TINY  # there phi is 0, with a finite gradient
    if isinstance(along_beam, np.ndarray) and not along_beam.any():
        phi = np.arctan2(py, px)
    else:
        phi = lib.arctan2(
            lib.where(along_beam, 0.0 * py, py), lib.where(along_beam, 1.0 + 0.0 * px, px)
        )
    return pt, eta, phi, _safe_sqrt(energy * energy - square - pz * pz)


def jet_sum(values: Array, ptr: Array) -> Array:
    """Sum ``values [N, …]`` over each jet, in float64; an empty jet gives zero.

    Args:
        values: A value for each particle, ``[N]`` or ``[N, K]``.
        ptr: The ragged pointer ``[J + 1]``.
    """
    if isinstance(values, Tensor):
        counts = ptr[1:] - ptr[:-1]
        jet = torch.repeat_interleave(torch.arange(len(counts), device=ptr.device), counts)
        total = values.new_zeros((len(counts), *values.shape[1:]), dtype=torch.float64)
        return total.index_add(0, jet, values.double())
    filled = np.flatnonzero(np.diff(ptr))  # reduceat has no empty ranges
    sums = np.zeros((len(ptr) - 1, *values.shape[1:]))
    if len(filled):
        sums[filled] = np.add.reduceat(values.astype(np.float64, copy=False), ptr[filled], axis=0)
    return sums


def jet_momentum(
    pt: Array, eta: Array, phi: Array, mass: Array, ptr: Array
) -> tuple[Array, Array, Array, Array]:
    """The E-scheme sum (px, py, pz, E) of each jet, each ``[J]``, in float64 (GeV).

    Args:
        pt: Transverse momenta ``[N]`` (GeV).
        eta: Pseudorapidities ``[N]``.
        phi: Azimuths ``[N]`` (rad).
        mass: Masses ``[N]`` (GeV).
        ptr: The ragged pointer ``[J + 1]``.

    Examples:
        >>> import numpy as np
        >>> zero = np.zeros(2)
        >>> pt = np.array([10.0, 5.0])
        >>> px, py, pz, e = jet_momentum(pt, zero, zero, zero, np.array([0, 2, 2]))
        >>> px.tolist(), e.tolist()
        ([15.0, 0.0], [15.0, 0.0])
    """
    columns: Sequence[Any] = (pt, eta, phi, mass)
    double = [c.double() if isinstance(c, Tensor) else c.astype(np.float64) for c in columns]
    summed = jet_sum(_lib(pt).stack(to_cartesian(*double), -1), ptr)
    return summed[:, 0], summed[:, 1], summed[:, 2], summed[:, 3]
