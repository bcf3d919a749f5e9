"""Means over an epoch of training, logged once: a log costs as much as half a step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import lightning
import torch
from torch import Tensor

__all__ = ["EpochMeans"]


class EpochMeans:
    """Weighted means of values that every step gives, logged with the last batch of an epoch.

    Args:
        module: The task that logs.
    """

    def __init__(self, module: lightning.LightningModule) -> None:
        self._module = (module,)  # in a tuple, so that no module holds itself
        self._sums: dict[str, Any] = {}

    def add(self, values: Mapping[str, Tensor], weight: int) -> None:
        """Add the values of a step, as ``train/NAME``."""
        for name, value in {**values, "weight": torch.ones(())}.items():
            self._sums[name] = self._sums.get(name, 0) + weight * value.detach()
        (module,) = self._module
        if module.trainer.is_last_batch:
            total = self._sums.pop("weight")
            means = {f"train/{name}": value / total for name, value in self._sums.items()}
            module.log_dict(means, on_step=False, on_epoch=True, batch_size=1, sync_dist=True)
            self._sums = {}
