"""Means and sums over jets with a weight each."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_jets.errors import InputError

__all__ = ["REDUCTIONS", "check_weight", "reduce_jets", "weighted_mean"]

#: What a loss may do with the values of the jets.
REDUCTIONS = ("mean", "sum", "none")


def weighted_mean(values: Tensor, weight: Tensor | None = None) -> Tensor:
    r"""The mean of a value for each jet, :math:`\sum_j w_j v_j / \sum_j w_j`.

    Args:
        values: ``[J]``.
        weight: A weight for each jet, not negative, ``[J]`` or ``[J, 1]``. Default: all count the
            same.

    Returns:
        A scalar; 0 of no jets, or if all weights are 0.

    Raises:
        InputError: For another number of weights, or on a CPU for one that is negative or not
            finite.

    Examples:
        >>> weighted_mean(torch.tensor([1.0, 4.0]), torch.tensor([2.0, 1.0]))
        tensor(2.)
    """
    if weight is None:
        return values.sum() / max(len(values), 1)
    weight = check_weight(weight, len(values)).to(values.dtype)
    return (values * weight).sum() / weight.sum().clamp_min(torch.finfo(values.dtype).tiny)


def check_weight(weight: Tensor, n_jets: int) -> Tensor:
    """Weights as ``[J]``, if there are as many as jets and none is negative or not finite.

    Raises:
        InputError: See :func:`weighted_mean`.
    """
    weight = weight.flatten()
    if len(weight) != n_jets:
        raise InputError(f"Expected {n_jets} weights, one a jet, but got {len(weight)}.")
    if not torch.compiler.is_compiling() and weight.device.type == "cpu" and len(weight):
        low, high = (float(v) for v in torch.aminmax(weight))
        if not 0 <= low <= high < float("inf"):
            raise InputError(
                f"Expected weights of 0 or more, but they go from {low:g} to {high:g}: leave jets "
                "of negative weight out, or give the absolute values."
            )
    return weight


def reduce_jets(values: Tensor, reduction: str, weight: Tensor | None = None) -> Tensor:
    """The mean or the sum of a value for each jet, or the values themselves.

    Args:
        values: ``[J]``.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        weight: A weight for each jet, ``[J]``, in a mean or a sum. Default: 1.

    Raises:
        InputError: For another reduction, for weights without one, and see :func:`weighted_mean`.

    Examples:
        >>> reduce_jets(torch.tensor([1.0, 4.0]), "sum", torch.tensor([2.0, 1.0]))
        tensor(6.)
    """
    if reduction not in REDUCTIONS:
        raise InputError(f"Unknown reduction {reduction!r}: choose from {', '.join(REDUCTIONS)}.")
    if reduction == "none":
        if weight is not None:
            raise InputError("Expected weights of jets with reduction 'mean' or 'sum', not 'none'.")
        return values
    if reduction == "mean":
        return weighted_mean(values, weight)
    if weight is not None:
        values = values * check_weight(weight, len(values)).to(values.dtype)
    return values.sum()
