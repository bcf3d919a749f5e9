"""`RefitPrior`: a callback that fits the prior of a generator to the latents of training jets."""

from __future__ import annotations

from typing import Any

import lightning

from pyg_jets.errors import InputError
from pyg_jets.nn.protocol import PriorModel

__all__ = ["RefitPrior"]


class RefitPrior(lightning.Callback):
    """Fit the prior from which jets are sampled, whenever it is needed.

    That is before a validation, in which jets are sampled, before a checkpoint is written and at
    the end of the fit; each time only if a step was made since the last. A checkpoint thus always
    holds the prior of its weights, and :func:`~pyg_jets.training.load_generator` needs no training
    jets. A network without the methods of :class:`~pyg_jets.nn.protocol.PriorModel` is left alone.

    A :class:`~pyg_jets.training.Generator` brings this callback along.

    Args:
        max_jets: Number of training jets, the first ones, that are read at most.
        in_checkpoints: Whether the checkpoints within a training are written with the prior of
            their weights. If not, only those of its last epoch are: a training with many epochs
            then does not spend its time on priors that nothing is sampled from.

    Raises:
        ValueError: If ``max_jets`` is below 1.

    Examples:
        >>> RefitPrior(max_jets=1000).max_jets
        1000
    """

    def __init__(self, max_jets: int = 20_000, in_checkpoints: bool = True) -> None:
        super().__init__()
        if max_jets < 1:
            raise InputError(f"Expected max_jets of at least 1, but got {max_jets}.")
        self.max_jets, self.in_checkpoints = max_jets, in_checkpoints
        self.fitted_at: int | None = None

    def refit(self, trainer: lightning.Trainer, task: Any) -> bool:
        """Fit the prior, unless that was done at this step. Returns whether it was fitted.

        Args:
            trainer: The trainer, whose data module gives the training jets.
            task: The :class:`~pyg_jets.training.Generator`.
        """
        network, data = getattr(task, "network", None), getattr(trainer, "datamodule", None)
        if not isinstance(network, PriorModel) or data is None:
            return False
        if self.fitted_at == trainer.global_step:
            return False
        network.fit_prior(self._batches(data, task.device))
        self.fitted_at = trainer.global_step
        return True

    def _batches(self, data: Any, device: Any) -> Any:
        read = 0
        for batch in data.statistics_dataloader():
            yield data.transfer_batch_to_device(batch, device, 0)
            read += batch.num_graphs
            if read >= self.max_jets:
                return

    def on_validation_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Fit the prior before jets are sampled in a training."""
        if trainer.state.fn == "fit":
            self.refit(trainer, pl_module)

    def on_train_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Fit the prior to the last weights."""
        self.refit(trainer, pl_module)

    def on_save_checkpoint(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        checkpoint: dict[str, Any],
    ) -> None:
        """Write a checkpoint with the prior of its weights."""
        within = trainer.current_epoch + 1 < (trainer.max_epochs or 0)
        if within and not self.in_checkpoints:
            return
        if self.refit(trainer, pl_module):
            state = pl_module.state_dict()
            checkpoint["state_dict"] |= {name: state[name] for name in checkpoint["state_dict"]}
