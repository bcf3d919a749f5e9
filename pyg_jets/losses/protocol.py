"""What a training asks of a loss, of a tagger or of a generator: its terms, and their total.

A loss of your own is a subclass of :class:`TermLoss` with a method ``terms``, or any module with
the three methods of :class:`Loss`:

Examples:
    >>> import torch.nn.functional as F
    >>> from torch_geometric.data import Data
    >>> class BrierLoss(TermLoss):
    ...     def terms(self, output, batch, epoch=None):
    ...         return {"brier": F.mse_loss(output.flatten().sigmoid(), batch.y.float())}
    >>> loss = BrierLoss()
    >>> loss(torch.zeros(2, 1), Data(y=torch.tensor([0, 1])))
    tensor(0.2500)
    >>> isinstance(loss, Loss)
    True
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

__all__ = ["FittedLoss", "Loss", "ScheduledLoss", "TermLoss"]


@runtime_checkable
class Loss(Protocol):
    """A loss of a :class:`~pyg_jets.training.Tagger` or :class:`~pyg_jets.training.Generator`.

    A training step calls ``terms``, logs each of them as ``train/NAME``, and minimises
    ``total(terms, epoch)``, so that nothing is computed twice. ``loss(output, batch, epoch)`` is
    the same in one call.
    """

    def __call__(self, output: Any, batch: Any, epoch: int | None = None) -> Tensor:
        """The total, a scalar.

        Args:
            output: What the network returned: logits ``[J, C]`` of a tagger, a
                :class:`~pyg_jets.nn.Reconstruction` of a generator.
            batch: The PyG batch that the network read, with the labels ``y`` and, where there are
                any, ``variant_of`` and ``weight``.
            epoch: Number of the epoch, from 0, for losses that change during a training. Default:
                the loss at the end of such a change, by which models are validated.
        """

    def terms(self, output: Any, batch: Any, epoch: int | None = None) -> dict[str, Tensor]:
        """The terms of the loss by name, each a scalar without its coefficient."""

    def total(self, terms: Mapping[str, Tensor], epoch: int | None = None) -> Tensor:
        """The sum of the terms, each times its coefficient in an epoch."""


@runtime_checkable
class ScheduledLoss(Protocol):
    """A loss that changes over a share of the training, whose length the task sets."""

    def set_length(self, epochs: float) -> None:
        """Set the length of the training.

        Args:
            epochs: The number of its epochs.
        """


@runtime_checkable
class FittedLoss(Protocol):
    """A loss with scales that are set from the training jets before the first step of a fit."""

    def fit_statistics(self, network: Any, batches: Any) -> None:
        """Set what is no parameter.

        Args:
            network: The network of the training, whose own statistics are set.
            batches: PyG batches of training jets, which may be gone through several times.
        """


class TermLoss(nn.Module):
    """Base class of losses: a subclass has ``terms``, and ``total`` if coefficients are not 1."""

    def terms(self, output: Any, batch: Any, epoch: int | None = None) -> dict[str, Tensor]:
        """The terms of the loss by name, see :meth:`Loss.terms`."""
        raise NotImplementedError

    def total(self, terms: Mapping[str, Tensor], epoch: int | None = None) -> Tensor:
        """The sum of the terms."""
        return torch.stack(list(terms.values())).sum()

    def forward(self, output: Any, batch: Any = None, epoch: int | None = None) -> Tensor:
        """The loss of a batch, see :meth:`Loss.__call__`."""
        return self.total(self.terms(output, batch, epoch), epoch)
