r"""Cross-entropy plus a penalty on the spread of a jet's variants: encouraged invariance."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from pyg_jets.errors import InputError
from pyg_jets.losses.classification import check_logits, classification_loss

__all__ = ["InvarianceLoss", "invariance_loss", "variant_variance"]


def variant_variance(values: Tensor, variant_of: Tensor) -> Tensor:
    r"""Variance (n - 1) of the values of each jet's variants, a jet with one variant giving 0.

    The variance itself has a gradient where the spread is zero; its root has none.

    Args:
        values: One row a variant, ``[M]`` or ``[M, C]``.
        variant_of: The jet of each variant, ``[M]`` integers, in any order, with or without gaps.

    Shapes:
        - **output:** ``[jets]`` or ``[jets, C]``, jets in the order of their numbers

    Examples:
        >>> variant_variance(torch.tensor([1.0, 5.0, 3.0]), torch.tensor([7, 2, 7]))
        tensor([0., 2.])
    """
    _, jet, count = torch.unique(variant_of, return_inverse=True, return_counts=True)
    flat = values if values.dim() == 2 else values.unsqueeze(1)
    zeros = flat.new_zeros(len(count), flat.size(1))
    mean = zeros.index_add(0, jet, flat) / count.unsqueeze(1)
    square = (flat - mean[jet]).square()
    variance = zeros.index_add(0, jet, square) / (count - 1).clamp(min=1).unsqueeze(1)
    return variance if values.dim() == 2 else variance.squeeze(1)


def invariance_loss(
    logits: Tensor, y: Tensor, variant_of: Tensor, a: float = 1.0, b: float = 200.0
) -> Tensor:
    r"""See :class:`InvarianceLoss`.

    Args:
        logits: ``[M]``, ``[M, 1]`` or ``[M, C]``.
        y: Labels of the variants, ``[M]``.
        variant_of: The jet of each variant, ``[M]`` integers.
        a: Coefficient of the cross-entropy.
        b: Coefficient of the spread.

    Examples:
        >>> logits, y = torch.tensor([2.0, 2.0, -1.0]), torch.tensor([1, 1, 0])
        >>> invariance_loss(logits, y, torch.tensor([0, 0, 1]))
        tensor(0.1890)
    """
    terms = _terms(logits, y, variant_of)
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
    probability = torch.sigmoid(logits) if logits.dim() == 1 else logits.softmax(-1)
    variance = variant_variance(probability, variant_of)
    return {"bce": classification_loss(logits, y, weight), "invariance": variance.mean()}


class InvarianceLoss(nn.Module):
    r"""Cross-entropy plus the spread of the probabilities among a jet's variants.

    .. math::
        L = a \, \mathrm{BCE} + b \, \frac{1}{J} \sum_{j} \operatorname{std}_j^2, \quad
        \operatorname{std}_j^2 = \frac{1}{n_j - 1} \sum_{i \in j} (p_i - \bar p_j)^2, \quad
        p_i = \sigma(z_i)

    The cross-entropy is the mean over all variants, the second term the mean over all jets; a jet
    with one variant counts with zero. It is the encouraged invariance of
    `arXiv:2311.05952 <https://arxiv.org/abs/2311.05952>`_. With several classes the cross-entropy
    and the softmax take the places of BCE and σ, and the spread is the mean over the classes.

    Args:
        a: Coefficient of the cross-entropy.
        b: Coefficient of the spread.

    Shapes:
        - **logits:** ``[M]``, ``[M, 1]`` or ``[M, C]``, a row a variant, in any order
        - **y:** ``[M]``
        - **variant_of:** ``[M]`` integers, the jet of each variant
        - **weight:** ``[M]``, for the cross-entropy alone, or none
        - **output:** a scalar

    Raises:
        ValueError: For a negative or infinite coefficient.

    Examples:
        >>> loss = InvarianceLoss(a=1.0, b=200.0)
        >>> logits, y = torch.tensor([[2.0], [1.0], [-1.0]]), torch.tensor([1, 1, 0])
        >>> loss(logits, y, torch.tensor([0, 0, 1]))
        tensor(1.3722)
    """

    def __init__(self, a: float = 1.0, b: float = 200.0) -> None:
        super().__init__()
        for name, value in (("a", a), ("b", b)):
            if not (0 <= value < math.inf):
                raise InputError(f"Expected {name} as a number of at least 0, but got {value}.")
        self.a, self.b = float(a), float(b)

    def forward(
        self, logits: Tensor, y: Tensor, variant_of: Tensor, weight: Tensor | None = None
    ) -> Tensor:
        """The loss of a batch."""
        return self.total(_terms(logits, y, variant_of, weight))

    def total(self, terms: dict[str, Tensor]) -> Tensor:
        """The loss of its terms."""
        return self.a * terms["bce"] + self.b * terms["invariance"]

    def terms(
        self, logits: Tensor, y: Tensor, variant_of: Tensor, weight: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Cross-entropy ``bce`` and mean variance ``invariance``, without coefficients."""
        return _terms(logits, y, variant_of, weight)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(a={self.a}, b={self.b})"
