r"""Cross-entropy of jet classes, binary or of several classes."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from pyg_jets.errors import InputError
from pyg_jets.losses.protocol import TermLoss
from pyg_jets.ops.weighted import weighted_mean

__all__ = ["ClassificationLoss", "classification_loss"]


def check_logits(logits: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Logits as ``[M]`` (two classes) or ``[M, C]``, and labels ``[M]`` that fit them.

    Raises:
        ValueError: For shapes that do not fit together, and for labels out of range.
    """
    if logits.dim() == 2 and logits.size(1) == 1:
        logits = logits.squeeze(1)
    if logits.dim() not in (1, 2):
        raise InputError(f"Expected logits [M], [M, 1] or [M, C], but got {list(logits.shape)}.")
    if y.dim() == 2 and y.size(1) == 1:
        y = y.squeeze(1)
    if y.shape != logits.shape[:1]:
        raise InputError(
            f"Expected a label for each of the {len(logits)} rows of logits, "
            f"but got y of shape {list(y.shape)}."
        )
    if not torch.compiler.is_compiling() and y.device.type == "cpu" and len(y):
        _check_labels(y, 2 if logits.dim() == 1 else logits.size(1))
    return logits, y.to(logits.dtype if logits.dim() == 1 else torch.int64)


def _check_labels(y: Tensor, n_classes: int) -> None:
    low, high = (float(v) for v in torch.aminmax(y))
    # A float label of a binary classifier may be a probability.
    whole = n_classes == 2 or not y.is_floating_point() or bool((y == y.round()).all())
    if not (low >= 0 and high <= n_classes - 1 and whole):
        raise InputError(
            f"Expected labels from 0 to {n_classes - 1} for {n_classes} classes, but y goes from "
            f"{low:g} to {high:g}: give the model as many outputs as there are classes."
        )


def classification_loss(logits: Tensor, y: Tensor, weight: Tensor | None = None) -> Tensor:
    r"""Mean cross-entropy: binary for one logit a jet, else over the softmax of all.

    Args:
        logits: ``[M]`` or ``[M, 1]`` for two classes, ``[M, C]`` for ``C``.
        y: Labels ``[M]``, 0 or 1, or 0 … C - 1; for two classes also a probability.
        weight: A weight for each jet, ``[M]``, for a weighted mean. Default: all count the same.

    Examples:
        >>> classification_loss(torch.zeros(2), torch.tensor([0, 1]))
        tensor(0.6931)
    """
    logits, y = check_logits(logits, y)
    reduction = "mean" if weight is None else "none"
    if logits.dim() == 1:
        loss = F.binary_cross_entropy_with_logits(logits, y, reduction=reduction)
    else:
        loss = F.cross_entropy(logits, y, reduction=reduction)
    return loss if weight is None else weighted_mean(loss, weight)


class ClassificationLoss(TermLoss):
    r"""Mean cross-entropy of a batch of jets, binary or over the softmax of several classes.

    .. math::
        L = -\frac{1}{M} \sum_i \big( y_i \log p_i + (1 - y_i) \log(1 - p_i) \big), \quad
        p_i = \sigma(z_i)

    Shapes:
        - **output:** logits ``[M]`` or ``[M, 1]`` for two classes, ``[M, C]`` for ``C``
        - **batch:** ``y [M]`` and, for a weighted mean, ``weight [M]``
        - **loss:** a scalar

    Examples:
        >>> from torch_geometric.data import Data
        >>> ClassificationLoss()(torch.zeros(2, 1), Data(y=torch.tensor([0, 1])))
        tensor(0.6931)
    """

    def terms(self, output: Tensor, batch: Any, epoch: int | None = None) -> dict[str, Tensor]:
        """The cross-entropy, ``bce``."""
        weight = getattr(batch, "weight", None)
        return {"bce": classification_loss(output, batch.y, weight)}
