"""`GenerationStage`: a callback that ends a training with a stage on samples of the network."""

from __future__ import annotations

import math
from typing import Any

import lightning

from pyg_jets.errors import InputError, InputTypeError
from pyg_jets.nn.protocol import StagedModel
from pyg_jets.training.refit_prior import RefitPrior

__all__ = ["GenerationStage"]


class GenerationStage(lightning.Callback):
    r"""Train a network by its reconstructions, and in the last epochs by its samples.

    At the switch the prior is fitted, the encoder is fixed, and the optimiser forgets its running
    means, since gradients have another size. Within each stage the learning rate rises over the
    first hundred steps and falls by half a cosine; a scheduler is not needed.

    .. math::
        \eta_s(t) = \eta_s \min\Big(1, \frac{t + 1}{100}\Big)
        \Big(\frac{1}{2} + \frac{1}{2} \cos \pi \frac{t}{T_s}\Big)

    The network is a :class:`~pyg_jets.nn.protocol.StagedModel`, such as
    :class:`~pyg_jets.nn.JetVAE`, and the loss :class:`~pyg_jets.losses.TwoStageLoss`. A resumed
    training continues in the stage in which it was stopped.

    Args:
        epochs: Number of epochs of the second stage, the last ones of ``trainer.max_epochs``.
        lr: Its largest learning rate. That of the first stage is the optimiser's.

    Raises:
        InputError: For fewer than one epoch, or a rate that is not above 0.

    Examples:
        >>> GenerationStage(epochs=4).epochs
        4
    """

    def __init__(self, epochs: int, lr: float = 5e-4) -> None:
        super().__init__()
        if epochs < 1 or not 0 < lr < math.inf:
            raise InputError(
                f"Expected epochs of at least 1 and lr above 0, but got {epochs} and {lr}."
            )
        self.epochs, self.lr = epochs, lr

    def setup(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str
    ) -> None:
        """Refuse a network without a second stage, and a training without a first one."""
        if stage != "fit":
            return
        if not isinstance(pl_module.network, StagedModel):
            raise InputTypeError(
                f"{type(pl_module.network).__name__} has no second stage: leave the callback "
                "GenerationStage out, or take pyg_jets.nn.JetVAE."
            )
        if not self.epochs < (trainer.max_epochs or 0):
            raise InputError(
                f"Expected trainer.max_epochs above the {self.epochs} epochs of the second stage, "
                f"but got {trainer.max_epochs}."
            )

    def first_epoch(self, trainer: lightning.Trainer) -> int:
        """Number of the first epoch of the second stage."""
        return (trainer.max_epochs or 0) - self.epochs

    def on_train_epoch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Begin the second stage, or go on with it in a resumed training."""
        network: Any = pl_module.network
        first = self.first_epoch(trainer)
        if trainer.current_epoch < first:
            return
        if trainer.current_epoch == first:
            self._refit(trainer, pl_module)
            for optimizer in trainer.optimizers:
                optimizer.state.clear()
        network.begin_generation()

    @staticmethod
    def _refit(trainer: lightning.Trainer, task: lightning.LightningModule) -> None:
        callbacks: Any = trainer.callbacks  # type: ignore[attr-defined]  # by a connector
        for callback in callbacks:
            if isinstance(callback, RefitPrior):
                callback.refit(trainer, task)

    def on_train_batch_start(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Set the learning rate of the step."""
        first, batches = self.first_epoch(trainer), int(trainer.num_training_batches)
        second = trainer.current_epoch >= first
        epoch = trainer.current_epoch - (first if second else 0)
        length = (self.epochs if second else first) * batches
        step = epoch * batches + batch_idx
        factor = min(1.0, (step + 1) / 100) * 0.5 * (1 + math.cos(math.pi * step / length))
        for optimizer in trainer.optimizers:
            for group in optimizer.param_groups:
                highest = group.setdefault("highest_lr", group["lr"])
                group["lr"] = (self.lr if second else highest) * factor
