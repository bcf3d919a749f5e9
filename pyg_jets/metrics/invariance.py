"""How far a network's output moves between variants of one jet."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyg_jets.errors import InputError
from pyg_jets.metrics.inputs import as_numpy
from pyg_jets.metrics.tagging import fact

__all__ = ["spread"]


@fact(higher_is_better=False)
def spread(probabilities: Any, variant_of: Any) -> float:
    r"""Mean over jets of the standard deviation (n - 1) of the output over a jet's variants.

    .. math:: \frac{1}{J} \sum_j \sqrt{\frac{1}{n_j - 1} \sum_{i \in j} (p_i - \bar p_j)^2}

    A jet with one variant counts with zero, as in
    :class:`~pyg_jets.losses.InvarianceLoss`.

    Args:
        probabilities: The output of each variant, in [0, 1], ``[V]`` or ``[V, 1]``.
        variant_of: The jet of each variant, ``[V]`` integers, in any order.

    Raises:
        ValueError: For lengths that differ, or outputs that are no probabilities.

    Examples:
        >>> round(spread([0.5, 0.7, 0.6, 0.9], [0, 0, 0, 1]), 6)
        0.05
    """
    output = as_numpy(probabilities).astype(np.float64).reshape(-1)
    jet = as_numpy(variant_of).reshape(-1)
    if len(output) != len(jet) or len(output) == 0:
        raise InputError(
            "Expected a probability and a jet for each variant, "
            f"but got {len(output)} and {len(jet)}."
        )
    if not ((output >= 0) & (output <= 1)).all():
        raise InputError("Expected probabilities in [0, 1]: apply a sigmoid to logits beforehand.")
    _, index, count = np.unique(jet, return_inverse=True, return_counts=True)
    mean = np.bincount(index, output) / count
    square = np.bincount(index, (output - mean[index]) ** 2)
    return float(np.mean(np.sqrt(square / np.maximum(count - 1, 1))))
