"""The optimiser and the schedule of a task, as Lightning takes them."""

from __future__ import annotations

from typing import Any

from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import nn

__all__ = ["configured"]


def configured(
    task: nn.Module,
    optimizer: OptimizerCallable,
    scheduler: LRSchedulerCallable | None,
    interval: str,
) -> Any:
    """An optimiser of all parameters of a task, with a scheduler if there is one.

    Args:
        task: Gives the parameters.
        optimizer: Makes the optimiser of these.
        scheduler: Makes a scheduler of the optimiser.
        interval: When that is stepped, each ``"epoch"`` or each ``"step"``.
    """
    made = optimizer(task.parameters())
    if scheduler is None:
        return made
    return {
        "optimizer": made,
        "lr_scheduler": {"scheduler": scheduler(made), "interval": interval},
    }
