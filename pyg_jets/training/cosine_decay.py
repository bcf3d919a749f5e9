r"""`CosineDecay`: a learning rate that rises and falls once over a training, however long it is."""

from __future__ import annotations

import math
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from pyg_jets.errors import InputError

__all__ = ["CosineDecay"]


class CosineDecay(LRScheduler):
    r"""A linear rise to the optimiser's learning rate, then half a cosine down to zero.

    .. math::
        \frac{\eta_t}{\eta} = \frac{t + 1}{w T} \;\text{ for } t < w T, \qquad
        \frac{1}{2} \Big( 1 + \cos \pi \frac{t - w T}{T - w T} \Big) \;\text{ after}

    The length T of the training, in steps or epochs, is set by the task from ``trainer.max_epochs``
    or ``max_steps``, so that the schedule ends where the training does. One that is continued for
    longer takes the schedule of the whole length.

    Source: `arXiv:1608.03983 <https://arxiv.org/abs/1608.03983>`_, without restarts.

    Args:
        optimizer: The optimiser, whose learning rate is the highest.
        warmup: The share w of the training in which the rate rises.
        last_epoch: Number of the last update, -1 at the beginning.

    Raises:
        InputError: If ``warmup`` is outside of [0, 1), or the length is not finite.

    Examples:
        >>> import torch
        >>> optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        >>> schedule = CosineDecay(optimizer, warmup=0.5)
        >>> schedule.set_length(4)
        >>> rates = []
        >>> for _ in range(4):
        ...     rates += schedule.get_last_lr()
        ...     optimizer.step()
        ...     schedule.step()
        >>> rates
        [0.5, 1.0, 1.0, 0.5]
    """

    def __init__(self, optimizer: Optimizer, warmup: float = 0.1, last_epoch: int = -1) -> None:
        if not 0 <= warmup < 1:
            raise InputError(f"Expected warmup from 0 to below 1, but got {warmup}.")
        self.warmup, self.length = warmup, 1.0
        super().__init__(optimizer, last_epoch)

    def set_length(self, length: float) -> None:
        """Set after how many updates the training ends.

        Args:
            length: The number of steps, or of epochs.
        """
        if not 0 < length < math.inf:
            raise InputError(
                f"CosineDecay falls until the end of the training, but that has {length} updates: "
                "set trainer.max_epochs or trainer.max_steps."
            )
        self.length = length
        for group, rate in zip(self.optimizer.param_groups, self.get_lr(), strict=True):
            group["lr"] = rate
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def get_lr(self) -> list[float | Any]:
        """The learning rate of each group of parameters."""
        return [base * self._factor(self.last_epoch) for base in self.base_lrs]

    def _factor(self, update: int) -> float:
        rising = math.floor(self.warmup * self.length)
        if update < rising:
            return (update + 1) / rising
        done = min((update - rising) / (self.length - rising), 1.0)
        return 0.5 * (1 + math.cos(math.pi * done))

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over where a checkpoint was, with the length of this training."""
        length = self.length
        super().load_state_dict(state_dict)
        self.length = length
