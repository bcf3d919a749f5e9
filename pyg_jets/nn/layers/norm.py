"""Batch norm over particles or jets, of which a batch may have one or none."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["batch_norm"]


def batch_norm(norm: Any, x: Tensor) -> Tensor:
    """Batch norm over rows; fewer than two have no variance, so the running statistics are used.

    torch itself refuses such a batch in training, which the last one of an epoch may be.

    Args:
        norm: A ``BatchNorm1d``.
        x: One row a particle, or a jet, ``[N, F]``.

    Examples:
        >>> batch_norm(torch.nn.BatchNorm1d(3), torch.zeros(1, 3))
        tensor([[0., 0., 0.]], grad_fn=<NativeBatchNormBackward0>)
    """
    if norm.training and x.size(0) < 2:
        if torch.compiler.is_compiling():
            statistics = norm.running_mean, norm.running_var
            return F.batch_norm(x, *statistics, norm.weight, norm.bias, eps=norm.eps)
        norm.eval()
        out = norm(x)
        norm.train()
        return out
    return norm(x)
