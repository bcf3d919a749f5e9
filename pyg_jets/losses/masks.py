"""Padded sets as ragged ones, for the losses that take masks."""

from __future__ import annotations

from torch import Tensor

from pyg_jets.errors import InputError
from pyg_jets.ops import counts_to_ptr

__all__ = ["ragged_of_mask"]


def ragged_of_mask(name: str, points: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """The particles of a padded tensor and their pointer; padding is dropped, whatever its values.

    Args:
        name: What the tensor is called in an error.
        points: Particles, padded, ``[J, P, D]``.
        mask: True for particles, ``[J, P]``.

    Returns:
        The particles ``[N, D]`` and the pointer ``[J + 1]``.

    Raises:
        InputError: If the shapes do not fit together.

    Examples:
        >>> import torch
        >>> ragged_of_mask("x", torch.tensor([[[3.0], [9.0]]]), torch.tensor([[1, 0]]))
        (tensor([[3.]]), tensor([0, 1]))
    """
    if points.dim() != 3 or mask.shape != points.shape[:2]:
        raise InputError(
            f"Expected {name} [J, P, D] and its mask [J, P], but got {list(points.shape)} and "
            f"{list(mask.shape)}."
        )
    real = mask.bool()
    return points[real], counts_to_ptr(real.sum(1))
