r"""Scores that are least where what is drawn is distributed as what is true."""

from __future__ import annotations

from torch import Tensor

from pyg_jets.ops.weighted import weighted_mean

__all__ = ["energy_distance", "energy_score"]


def _length(apart: Tensor) -> Tensor:
    """Lengths, with a finite gradient at zero."""
    return (apart.square().sum(-1) + 1e-12).sqrt()


def energy_score(one: Tensor, other: Tensor, true: Tensor, weight: Tensor | None = None) -> Tensor:
    r"""The energy score of two draws for each true value, averaged over these.

    .. math::
        \tfrac12 \big( |\hat y - y| + |\hat y' - y| - |\hat y - \hat y'| \big)

    Its expectation is least if draws have the distribution of the truth (J. Am. Stat. Assoc. 102
    (2007) 359).

    Args:
        one: Draws ``[N, D]``.
        other: Draws that are independent of these ``[N, D]``.
        true: Values ``[N, D]``.
        weight: A weight for each of these, ``[N]``. Default: all count the same.

    Returns:
        A scalar, 0 of no values.

    Examples:
        >>> import torch
        >>> energy_score(torch.tensor([[0.0]]), torch.tensor([[3.0]]), torch.tensor([[1.0]]))
        tensor(0.)
    """
    if len(true) == 0:
        return one.sum() * 0
    apart = _length(one - true) + _length(other - true) - _length(one - other)
    return 0.5 * weighted_mean(apart, weight)


def energy_distance(
    made: Tensor,
    true: Tensor,
    made_weight: Tensor | None = None,
    true_weight: Tensor | None = None,
) -> Tensor:
    r"""The energy distance of two samples, without bias; it may be below zero.

    .. math::
        2 \operatorname{E}|\hat y - y| - \operatorname{E}|\hat y - \hat y'|
        - \operatorname{E}|y - y'|

    With weights the means over pairs are weighted by the products of the two. No value is paired
    with itself.

    Args:
        made: ``[N, D]``.
        true: ``[M, D]``.
        made_weight: A weight for each value of ``made``, ``[N]``. Default: all count the same.
        true_weight: A weight for each value of ``true``, ``[M]``. Default: all count the same.

    Returns:
        A scalar, 0 if one has fewer than two values.

    Examples:
        >>> import torch
        >>> y = torch.tensor([[0.0], [2.0]])
        >>> round(float(energy_distance(y, y)), 3)
        -2.0
        >>> more, weight = torch.tensor([[0.0], [2.0], [9.0]]), torch.tensor([1.0, 1.0, 0.0])
        >>> round(float(energy_distance(more, y, weight)), 3)
        -2.0
    """
    n, m = len(made), len(true)
    if n < 2 or m < 2:
        return made.sum() * 0
    w, v = (
        _share(values.new_ones(len(values)) if weight is None else weight.to(values.dtype))
        for values, weight in ((made, made_weight), (true, true_weight))
    )

    def within(a: Tensor, share: Tensor) -> Tensor:
        pairs = 1 - share.square().sum()
        return between(a, a, share, share) / pairs.clamp_min(1e-12)

    def between(a: Tensor, b: Tensor, share: Tensor, other: Tensor) -> Tensor:
        length = _length(a.unsqueeze(1) - b.unsqueeze(0))
        return (share.unsqueeze(1) * length * other).sum()

    return 2 * between(made, true, w, v) - within(made, w) - within(true, v)


def _share(weight: Tensor) -> Tensor:
    return weight / weight.sum().clamp_min(1e-30)
