"""The detector's formulas, each once, for kernels and for tensors.

Everything is float32 and built from :mod:`pyg_jets.detector.elementary`, so that both paths agree
within a rounding.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pyg_jets.detector.elementary import arsinh, exp, jitable, log1p, root, select

__all__ = ["cosh", "energy_of", "eta_of", "log_normal", "momentum_of", "response", "width2"]

_F = np.float32
_HALF, _ONE, _ZERO = _F(0.5), _F(1), _F(0)
# Angles end here, far outside every detector, so that no product overflows.
_FARTHEST = _F(40)
# A measured quantity below this (GeV) has the relative resolution of this one.
_LEAST = _F(1e-6)


@jitable
def cosh(eta: Any) -> Any:
    """Hyperbolic cosine of a pseudorapidity."""
    a = abs(eta)
    e = exp(select(a < _FARTHEST, a, _FARTHEST))
    return _HALF * (e + _ONE / e)


@jitable
def eta_of(y: Any, ratio: Any) -> Any:
    r"""η = arsinh(r sinh y), with r = m_T / pT, 1 for a massless particle, for which η = y."""
    a = abs(y)
    e = exp(select(a < _FARTHEST, a, _FARTHEST))
    eta = arsinh(ratio * (_HALF * (e - _ONE / e)))
    return select(ratio == _ONE, y, select(y < _ZERO, -eta, eta))


@jitable
def energy_of(pt: Any, eta: Any, mass: Any) -> Any:
    """E = √((pT cosh η)² + m²) in GeV."""
    p = pt * cosh(eta)
    return root(p * p + mass * mass)


@jitable
def momentum_of(energy: Any, eta: Any, mass: Any) -> Any:
    """pT = √(E² − m²) / cosh η in GeV; zero for E ≤ m."""
    square = energy * energy - mass * mass
    return root(select(square > _ZERO, square, square * _ZERO)) / cosh(eta)


@jitable
def width2(s: Any, eta: Any, c2: Any, a2: Any, n2: Any, l2: Any, g0: Any, g1: Any, g2: Any) -> Any:
    r"""(σ/s)² = (g0 + g1\|η\| + g2 η²)² (c² + a²/s + n²/s² + l² s²).

    Args:
        s: What is measured (GeV).
        eta: Pseudorapidity.
        c2, a2, n2, l2: Squares of the constant, stochastic, noise and linear term.
        g0, g1, g2: The polynomial in \|η\|.
    """
    s = select(s > _LEAST, s, _LEAST)
    a, inverse = abs(eta), _ONE / s
    shape = g0 + (g1 + g2 * a) * a
    return (c2 + (a2 + n2 * inverse) * inverse + l2 * s * s) * shape * shape


@jitable
def response(relative2: Any, z: Any) -> Any:
    """The log-normal factor of mean 1, exp(b z − b²/2) with b² = log(1 + (σ/s)²).

    Args:
        relative2: (σ/s)².
        z: A standard normal.
    """
    b2 = log1p(relative2)
    return log_normal(b2, root(b2), z)


@jitable
def log_normal(b2: Any, b: Any, z: Any) -> Any:
    """exp(b z − b²/2), of mean 1; it is given b² too."""
    return exp(b * z - _HALF * b2)
