r"""Encouraged invariance: cross-entropy plus the spread of the output over variants of a jet.

A jet may enter a batch several times, as *variants* that differ by a symmetry, such as rotations
by several angles. A tagger that respects the symmetry gives all of them the same probability. The
variance of the probabilities of a jet's variants measures how far it does not, and is a term of the
loss. It is zero for a jet with one variant.

A batch is ragged in its variants: ``variant_of`` tells which jet each row belongs to, jets may have
different numbers of variants, and the rows may come in any order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from pyg_jets.errors import InputError
from pyg_jets.losses.classification import check_logits, classification_loss
from pyg_jets.losses.protocol import TermLoss
from pyg_jets.ops.weighted import check_weight, weighted_mean

__all__ = ["InvarianceLoss", "invariance_loss", "variant_variance"]


def variant_variance(values: Tensor, variant_of: Tensor) -> Tensor:
    r"""Unbiased variance of the values of each jet's variants; 0 for a jet with one variant.

    .. math:: \operatorname{var}_j = \frac{1}{n_j - 1} \sum_{i \in j} (v_i - \bar v_j)^2

    Args:
        values: A value for each variant, ``[M]``, or several, ``[M, C]``.
        variant_of: The number of the jet of each variant, ``[M]`` integers. Jets need not be
            numbered without gaps, and variants of a jet need not stand together.

    Shapes:
        - **output:** ``[J]`` or ``[J, C]``, a row for each jet in the order of their numbers

    Examples:
        >>> variant_variance(torch.tensor([1.0, 5.0, 3.0]), torch.tensor([7, 2, 7]))
        tensor([0., 2.])
    """
    _, jet, n_variants = torch.unique(variant_of, return_inverse=True, return_counts=True)
    columns = values if values.dim() == 2 else values.unsqueeze(1)
    zeros = columns.new_zeros(len(n_variants), columns.size(1))
    mean = zeros.index_add(0, jet, columns) / n_variants.unsqueeze(1)
    squares = zeros.index_add(0, jet, (columns - mean[jet]).square())
    variance = squares / (n_variants - 1).clamp(min=1).unsqueeze(1)
    return variance if values.dim() == 2 else variance.squeeze(1)


def invariance_loss(
    logits: Tensor,
    y: Tensor,
    variant_of: Tensor,
    a: float = 1.0,
    b: float = 200.0,
    weight: Tensor | None = None,
) -> Tensor:
    r"""Cross-entropy plus the variance over variants, :class:`InvarianceLoss` as a function.

    Args:
        logits: ``[M]`` or ``[M, 1]`` for two classes, ``[M, C]`` for ``C``.
        y: Labels of the variants, ``[M]``.
        variant_of: The number of the jet of each variant, ``[M]`` integers.
        a: Coefficient of the cross-entropy.
        b: Coefficient of the variance.
        weight: A weight for each variant, ``[M]``, for weighted means; that of a jet is the mean
            over its variants. Default: all count the same.

    Examples:
        >>> logits, y = torch.tensor([2.0, 2.0, -1.0]), torch.tensor([1, 1, 0])
        >>> invariance_loss(logits, y, torch.tensor([0, 0, 1]))
        tensor(0.1890)
    """
    terms = _terms(logits, y, variant_of, weight)
    return a * terms["bce"] + b * terms["invariance"]


def _terms(
    logits: Tensor, y: Tensor, variant_of: Tensor, weight: Tensor | None = None
) -> dict[str, Tensor]:
    logits, y = check_logits(logits, y)
    if variant_of.shape != y.shape or variant_of.is_floating_point():
        raise InputError(
            f"Expected variant_of as {len(y)} integers, the jet of each variant, but got "
            f"{variant_of.dtype} of shape {list(variant_of.shape)}."
        )
    # The variance, not its root: a root has no gradient where all variants agree.
    probability = torch.sigmoid(logits) if logits.dim() == 1 else logits.softmax(-1)
    variance = variant_variance(probability, variant_of)
    if variance.dim() == 2:
        variance = variance.mean(1)
    if weight is None:
        return {"bce": classification_loss(logits, y), "invariance": variance.mean()}
    _, jet, n_variants = torch.unique(variant_of, return_inverse=True, return_counts=True)
    weight = check_weight(weight, len(y)).to(variance)
    of_jet = variance.new_zeros(len(variance)).index_add(0, jet, weight)
    terms = {"bce": classification_loss(logits, y, weight)}
    return terms | {"invariance": weighted_mean(variance, of_jet / n_variants)}


class InvarianceLoss(TermLoss):
    r"""Cross-entropy plus the variance of the probabilities over the variants of each jet.

    .. math::
        L = a \, \mathrm{BCE} + b \, \frac{1}{J} \sum_j \operatorname{var}_j, \quad
        \operatorname{var}_j = \frac{1}{n_j - 1} \sum_{i \in j} (p_i - \bar p_j)^2, \quad
        p_i = \sigma(z_i)

    The cross-entropy is the mean over all variants, the second term the mean over all jets; a jet
    with one variant counts there with zero. With several classes, cross-entropy and softmax take
    the places of BCE and σ, and the variance is averaged over the classes too.

    Paper: `arXiv:2311.05952 <https://arxiv.org/abs/2311.05952>`_.

    Args:
        a: Coefficient of the cross-entropy, at least 0.
        b: Coefficient of the variance, at least 0.

    Shapes:
        - **output:** logits ``[M]`` or ``[M, 1]`` for two classes, ``[M, C]`` for ``C``
        - **batch:** ``y [M]``; ``variant_of [M]`` integers, without which each row is a jet of its
          own; ``weight [M]``, for weighted means
        - **loss:** a scalar

    Raises:
        ValueError: For a negative or infinite coefficient.

    Examples:
        >>> from torch_geometric.data import Data
        >>> loss = InvarianceLoss(a=1.0, b=200.0)
        >>> batch = Data(y=torch.tensor([1, 1, 0]), variant_of=torch.tensor([0, 0, 1]))
        >>> loss(torch.tensor([[2.0], [1.0], [-1.0]]), batch)
        tensor(1.3722)
    """

    def __init__(self, a: float = 1.0, b: float = 200.0) -> None:
        super().__init__()
        for name, value in (("a", a), ("b", b)):
            if not (0 <= value < math.inf):
                raise InputError(f"Expected {name} as a number of at least 0, but got {value}.")
        self.a, self.b = float(a), float(b)

    def terms(self, output: Tensor, batch: Any, epoch: int | None = None) -> dict[str, Tensor]:
        """Cross-entropy ``bce`` and mean variance ``invariance``, without their coefficients."""
        variant_of = getattr(batch, "variant_of", None)
        if variant_of is None:
            variant_of = torch.arange(len(output), device=output.device)
        return _terms(output, batch.y, variant_of, getattr(batch, "weight", None))

    def total(self, terms: Mapping[str, Tensor], epoch: int | None = None) -> Tensor:
        """``a`` times the cross-entropy plus ``b`` times the variance."""
        return self.a * terms["bce"] + self.b * terms["invariance"]

    def __repr__(self) -> str:
        return f"{type(self).__name__}(a={self.a}, b={self.b})"
