"""`FitMultiplicity`: the callback that fits how many particles of a fixed list are real."""

from __future__ import annotations

from typing import Any

import lightning
import torch

from pyg_jets.errors import InputError, InputTypeError
from pyg_jets.nn import ConvVAE
from pyg_jets.training.data import JetDataModule

__all__ = ["FitMultiplicity"]


class FitMultiplicity(lightning.Callback):
    """Fit the threshold of a :class:`~pyg_jets.nn.ConvVAE` on the validation jets.

    Before each validation :meth:`~pyg_jets.nn.ConvVAE.fit_multiplicity` sets above which score a
    slot of the list is a particle, so that what is validated, and kept in the checkpoint, has the
    multiplicities of the validation jets as well as one threshold allows. What is left is logged
    as ``val/multiplicity_w1``, in particles.

    Args:
        seed: Seed of the draws of the latent.

    Raises:
        TypeError: In a fit of another network, or without a
            :class:`~pyg_jets.training.JetDataModule`.

    Examples:
        >>> FitMultiplicity(seed=3).seed
        3
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        if seed < 0:
            raise InputError(f"Expected seed of at least 0, but got {seed}.")
        self.seed = seed

    def setup(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str
    ) -> None:
        """Refuse a network that has no such threshold."""
        network = getattr(pl_module, "network", None)
        if not isinstance(network, ConvVAE):
            raise InputTypeError(
                f"Expected a ConvVAE, whose multiplicities follow from a threshold, but got "
                f"{type(network).__name__}: leave FitMultiplicity out of trainer.callbacks."
            )
        if stage == "fit" and not isinstance(getattr(trainer, "datamodule", None), JetDataModule):
            raise InputTypeError("Expected a JetDataModule: FitMultiplicity reads its jets.")

    def on_validation_epoch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Fit the threshold in a training; one that is only validated keeps its own."""
        data, task = getattr(trainer, "datamodule", None), pl_module
        if trainer.state.fn != "fit" or trainer.sanity_checking or data is None:
            return
        network: Any = getattr(task, "network", None)
        generator = torch.Generator(task.device).manual_seed(self.seed)
        batches = (batch.to(task.device) for batch in data.val_dataloader())
        distance = network.fit_multiplicity(batches, generator)
        value = torch.tensor(distance, dtype=torch.float64)
        task.log("val/multiplicity_w1", value, sync_dist=True)
