r"""Densities that are drawn and evaluated: of a number with learned tails, and of a bit.

.. math::
    u = \sinh\big(\tau\, (\operatorname{arsinh} \varepsilon + s)\big),
    \quad \varepsilon \sim N(0, 1)

It is Gaussian for s = 0 and τ = 1, skewed to the right for s > 0, and has heavy tails for τ > 1,
light ones for τ < 1. Draws have a gradient, and the density is exact, so that a likelihood and a
score of draws ask for the same parameters.

Paper: `Jones and Pewsey (2009) <https://doi.org/10.1093/biomet/asp053>`_.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

__all__ = ["information", "log_probability", "sinh_arcsinh"]

#: Inverse hyperbolic sine of 20 deviations.
_FAR = 3.69


def sinh_arcsinh(normal: Tensor, skewness: Tensor, log_tail: Tensor) -> Tensor:
    """Turn Gaussian numbers into those with another skewness and other tails.

    Args:
        normal: ε, of any shape.
        skewness: s, of the same shape or one number.
        log_tail: ln τ, likewise.

    Examples:
        >>> import torch
        >>> normal, zero, one = torch.tensor([-1.0, 0.0, 1.0]), torch.zeros(()), torch.ones(())
        >>> sinh_arcsinh(normal, zero, zero)
        tensor([-1.,  0.,  1.])
        >>> sinh_arcsinh(normal, one, zero)
        tensor([0.1189, 1.1752, 3.2051])
    """
    return ((normal.asinh() + skewness) * log_tail.exp()).sinh()


def information(u: Tensor, skewness: Tensor, log_tail: Tensor) -> Tensor:
    """-ln of the density of :func:`sinh_arcsinh` (nats), but for ln 2π / 2.

    It hardly rises beyond 20 deviations of ε, where a measured number is none of this density.

    Args:
        u: What was measured, of any shape.
        skewness: s, of the same shape or one number.
        log_tail: ln τ, likewise.

    Examples:
        >>> import torch
        >>> information(torch.tensor([0.0, 1.0]), torch.zeros(()), torch.zeros(()))
        tensor([0.0000, 0.5000])
    """
    inner = (u.asinh() * (-log_tail).exp() - skewness).clamp(-_FAR, _FAR)
    jacobian = 0.5 * u.square().log1p() + log_tail - inner.cosh().log()
    return 0.5 * inner.sinh().square() + jacobian


def log_probability(logits: Tensor, drawn: Tensor) -> Tensor:
    """Ln of the probability of what was drawn, true or false, with some logits.

    Examples:
        >>> import torch
        >>> log_probability(torch.zeros(1), torch.tensor([True]))
        tensor([-0.6931])
    """
    return -F.binary_cross_entropy_with_logits(logits, drawn.to(logits.dtype), reduction="none")
