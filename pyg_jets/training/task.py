"""`JetTask`: what the training of a tagger and that of a generator have in common."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import lightning
import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torch_geometric.data import Batch

from pyg_jets.columns import check_names
from pyg_jets.errors import InputError, InputTypeError
from pyg_jets.losses import Loss
from pyg_jets.training.cosine_decay import CosineDecay

__all__ = ["JetTask"]


class JetTask(lightning.LightningModule):
    """A network, its loss, its optimiser, and the running means of what a training logs.

    Args:
        network: The network.
        loss: A loss that follows :class:`~pyg_jets.losses.Loss`.
        optimizer: Makes the optimiser of the parameters.
        scheduler: Makes a learning-rate scheduler of the optimiser.
        scheduler_interval: When it is stepped, each ``"epoch"`` or each ``"step"``.

    Raises:
        TypeError: For a loss that lacks a method of the protocol.
    """

    def __init__(
        self,
        network: nn.Module,
        loss: nn.Module,
        optimizer: OptimizerCallable = torch.optim.Adam,
        scheduler: LRSchedulerCallable | None = None,
        scheduler_interval: Literal["epoch", "step"] = "epoch",
    ):
        super().__init__()
        check_names((scheduler_interval,), ("epoch", "step"), "scheduler_interval")
        if not isinstance(loss, Loss):
            raise InputTypeError(
                f"The loss {type(loss).__name__} lacks the methods terms and total: make it a "
                "subclass of pyg_jets.losses.TermLoss with terms(output, batch, epoch)."
            )
        self.network, self.loss = network, loss
        self.optimizer, self.scheduler = optimizer, scheduler
        self.scheduler_interval = scheduler_interval
        self._sums: dict[str, Any] = {}

    @classmethod
    def load_from_checkpoint(cls, checkpoint_path: Any, *args: Any, **kwargs: Any) -> Any:
        """Lightning's method, for a network that is given; :func:`pyg_jets.load_run` builds it too.

        Args:
            checkpoint_path: The checkpoint.
            *args: Further arguments of ``LightningModule.load_from_checkpoint``.
            **kwargs: The same; ``network=`` is the network of the checkpoint.

        Raises:
            ValueError: If no network is given, which a checkpoint does not hold.
        """
        needed = inspect.signature(cls).parameters.get("network")
        if needed is not None and needed.default is needed.empty and "network" not in kwargs:
            is_path = isinstance(checkpoint_path, str | Path)
            folder = Path(checkpoint_path).parent.parent if is_path else "the run's folder"
            raise InputError(
                f"{checkpoint_path} holds weights, not the network: "
                f"pyg_jets.load_run({str(folder)!r}).{cls.__name__.lower()}() builds the network "
                "and loads them; or give network=, the network that was trained."
            )
        return super().load_from_checkpoint(checkpoint_path, *args, **kwargs)

    def log_running_means(self, values: Mapping[str, Tensor], batch: Batch) -> None:
        """Log the weighted mean over an epoch's jets of each value, as ``train/NAME``.

        The sums are kept here and logged with the last batch of the epoch, because one call of
        ``log`` costs as much as half a step of a small network.

        Args:
            values: Scalars, each a mean over the jets of the batch.
            batch: The batch.
        """
        total = sum_of_weights(batch)
        for name, value in {**values, "": torch.ones(())}.items():
            self._sums[name] = self._sums.get(name, 0) + total * value.detach()
        if self.trainer.is_last_batch:
            total = self._sums.pop("")
            means = {f"train/{name}": value / total for name, value in self._sums.items()}
            self.log_dict(means, on_step=False, on_epoch=True, batch_size=1, sync_dist=True)
            self._sums = {}

    def configure_optimizers(self) -> Any:
        """The optimiser, and the scheduler if there is one."""
        optimizer = self.optimizer(self.parameters())
        if self.scheduler is None:
            return optimizer
        schedule = self.scheduler(optimizer)
        if isinstance(schedule, CosineDecay):
            by_step = self.scheduler_interval == "step"
            epochs = self.trainer.max_epochs or -1
            length = self.trainer.estimated_stepping_batches if by_step else epochs
            schedule.set_length(length)
        scheduler = {"scheduler": schedule, "interval": self.scheduler_interval}
        return {"optimizer": optimizer, "lr_scheduler": scheduler}


def sum_of_weights(batch: Batch) -> Any:
    """How much the jets of a batch count together: the sum of their weights, else their number.

    Examples:
        >>> from torch_geometric.data import Data
        >>> jet = Data(x=torch.zeros(3, 2), weight=torch.tensor([0.5]))
        >>> float(sum_of_weights(Batch.from_data_list([jet, jet, jet])))
        1.5
    """
    weight = batch.get("weight")
    return batch.num_graphs if weight is None else weight.sum()


def check_state(task: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Check that the weights of a checkpoint are those of a task's network.

    Args:
        task: The task.
        state: The weights of the checkpoint by name.

    Raises:
        ValueError: If one has weights that the other has not, or of another shape.

    Examples:
        >>> check_state(nn.Linear(2, 3), nn.Linear(2, 3).state_dict())
        >>> try:
        ...     check_state(nn.Linear(2, 3), nn.Linear(2, 4).state_dict())
        ... except ValueError as error:
        ...     print(str(error).partition(" in")[0])
        The checkpoint is of another configuration: bias is [4] there and [3]
    """
    here = {name: list(value.shape) for name, value in task.state_dict().items()}
    there = {name: list(value.shape) for name, value in state.items()}
    for name in sorted(here.keys() | there.keys()):
        if here.get(name) != there.get(name):
            ours, theirs = here.get(name, "missing"), there.get(name, "missing")
            raise InputError(
                f"The checkpoint is of another configuration: {name} is {theirs} there and {ours} "
                "in the network. Give the configuration that it was trained with."
            )
