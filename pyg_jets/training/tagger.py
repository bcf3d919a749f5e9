"""`Tagger`, the Lightning task that trains a network to tell jets apart."""

from __future__ import annotations

import inspect
from typing import Any, Literal

import lightning
import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torch_geometric.data import Batch

from pyg_jets import metrics
from pyg_jets.columns import check_names
from pyg_jets.errors import InputError
from pyg_jets.losses import ClassificationLoss
from pyg_jets.training.means import EpochMeans
from pyg_jets.training.optimizers import configured
from pyg_jets.training.scoring import area, gathered, several_classes, two_classes

__all__ = ["Tagger"]


class Tagger(lightning.LightningModule):
    """Train ``network(x, ptr)`` to tell classes of jets apart.

    The inputs are standardised with the mean and deviation of the un-rotated training jets; both
    live in the checkpoint. So are batch norms: before each validation their running statistics are
    taken anew from these jets, since those of a training on variants are not those of the jets that
    the network is for. Validation and test use the plain classification loss whatever the
    training loss is, so that runs with different losses stop by the same measure.

    Args:
        network: Called as ``network(x, ptr)``; gives logits ``[J, 1]``, or ``[J, C]`` of C classes.
        loss: Called as ``loss(logits, y, variant_of)``; where it has ``terms(…)``, these are
            logged and ``total(terms)`` is the loss. Default: the classification loss.
        optimizer: Makes the optimiser of the parameters.
        scheduler: Makes a learning-rate scheduler of the optimiser.
        scheduler_interval: When it is stepped, each ``"epoch"`` or each ``"step"``.
        standardize: Whether to learn shift and scale of the inputs.
        fresh_norms: Whether to take the statistics of batch norms anew before each validation,
            which costs a pass over the training jets. Without variants those of the training do.

    Shapes:
        - input: ``x [N, F]``, ``ptr [J + 1]``
        - output: logits ``[J, C]``

    Examples:
        >>> from pyg_jets.nn import PFN
        >>> tagger = Tagger(PFN(2))
        >>> tagger(torch.zeros(3, 2), torch.tensor([0, 3])).shape
        torch.Size([1, 1])
    """

    shift: Tensor
    scale: Tensor

    def __init__(
        self,
        network: nn.Module,
        loss: nn.Module | None = None,
        optimizer: OptimizerCallable = torch.optim.Adam,
        scheduler: LRSchedulerCallable | None = None,
        scheduler_interval: Literal["epoch", "step"] = "epoch",
        standardize: bool = True,
        fresh_norms: bool = True,
    ):
        super().__init__()
        self.save_hyperparameters(ignore=["network", "loss", "optimizer", "scheduler"])
        self.network = network
        self.takes_pos = "pos" in inspect.signature(network.forward).parameters
        self.loss = ClassificationLoss() if loss is None else loss
        self.classification = ClassificationLoss()
        self.optimizer, self.scheduler = optimizer, scheduler
        self.standardize, self.fresh_norms = standardize, fresh_norms
        check_names((scheduler_interval,), ("epoch", "step"), "scheduler_interval")
        self.scheduler_interval = scheduler_interval
        self.register_buffer("shift", torch.zeros(1))
        self.register_buffer("scale", torch.ones(1))
        self.collected: list[list[dict[str, Tensor]]] = []
        self.means = EpochMeans(self)
        self.predictions: dict[str, Tensor] = {}

    def forward(self, x: Tensor, ptr: Tensor, pos: Tensor | None = None) -> Tensor:
        """Logits of each jet."""
        positions = (pos,) if self.takes_pos else ()
        return self.network((x - self.shift) * self.scale, ptr, *positions)

    def setup(self, stage: str) -> None:
        """Size the lazy layers and, for a fit, learn the statistics."""
        data = getattr(self.trainer, "datamodule", None)
        if data is None:
            return
        if data.dataset.num_classes == 0:
            raise InputError(
                f"{data.dataset} has no labels, expected at least two classes to tell apart: "
                "choose a data set with labels."
            )
        self._resize(data.n_features)
        if stage == "fit" and self.standardize:
            self.learn_statistics(data.statistics_dataloader())

    def _resize(self, n_features: int) -> None:
        if len(self.shift) != n_features:  # a test after a fit keeps what was learned
            self.shift = self.shift.new_zeros(n_features)
            self.scale = self.scale.new_ones(n_features)
        was_training = self.network.training
        self.network.eval()
        with torch.no_grad():  # one jet gives lazy layers their shape
            x = torch.zeros(1, n_features, device=self.device)
            self(x, torch.tensor([0, 1], device=self.device), x.new_zeros(1, 2))
        self.network.train(was_training)

    def learn_statistics(self, loader: Any) -> None:
        """Set shift and scale from the particles of all batches of ``loader``."""
        count, total, square = 0, 0.0, 0.0
        for batch in loader:
            x = batch.x.double()
            count, total, square = count + len(x), total + x.sum(0), square + (x**2).sum(0)
        if not isinstance(total, Tensor) or count == 0:
            raise InputError("The training jets have no particles: nothing to learn from.")
        mean = total / count
        std = (square / count - mean**2).clamp_min(0).sqrt()
        self.shift = mean.to(self.shift)
        self.scale = torch.where(std > 1e-6, 1 / std.clamp_min(1e-6), 1.0).to(self.scale)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Size everything as the checkpoint has it."""
        self._resize(len(checkpoint["state_dict"]["shift"]))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of a batch, with every variant in it."""
        logits, variant_of = self(batch.x, batch.ptr, batch.get("pos")), _variant_of(batch)
        of_loss: Any = self.loss
        weight = {"weight": batch.weight} if "weight" in batch else {}
        if hasattr(of_loss, "terms"):
            terms = of_loss.terms(logits, batch.y, variant_of, **weight)
            loss = of_loss.total(terms)
        else:
            terms, loss = {}, of_loss(logits, batch.y, variant_of, **weight)
        self.means.add({"loss": loss, **terms}, batch.num_graphs)
        return loss

    def _collect(self, batch: Batch, loader: int = 0) -> None:
        while len(self.collected) <= loader:
            self.collected.append([])
        logits = self(batch.x, batch.ptr, batch.get("pos"))
        one = {"jet_id": batch.jet_id, "label": batch.y, "logits": logits}
        if "weight" in batch:
            one["weight"] = batch.weight
        self.collected[loader].append({k: v.detach().cpu() for k, v in one.items()})

    def on_validation_epoch_start(self) -> None:
        """Start with nothing collected, and with batch norms of un-rotated jets."""
        self.collected = []
        data = getattr(self.trainer, "datamodule", None)
        if self.fresh_norms and self.trainer.state.fn == "fit" and data is not None:
            self.learn_norms(data.statistics_dataloader())
        self._agree_on_buffers()

    def _agree_on_buffers(self) -> None:
        """Take those of the first process, as DDP would with a batch, which a rank may not have."""
        model: Any = self.trainer.strategy.model
        if isinstance(model, nn.parallel.DistributedDataParallel):
            for buffer in model.buffers() if model.require_forward_param_sync else ():
                torch.distributed.broadcast(buffer, 0)
            model.require_forward_param_sync = False

    def on_test_epoch_start(self) -> None:
        """Start with nothing collected."""
        self.collected = []

    def learn_norms(self, loader: Any) -> None:
        """Set the running statistics of batch norms to those of all batches of ``loader``."""
        norms = [m for m in self.network.modules() if isinstance(m, nn.BatchNorm1d)]
        if not norms:
            return
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.train()
        seen = 0
        with torch.no_grad():
            for batch in loader:
                if (n_jets := len(batch.ptr) - 1) < 2:
                    continue  # one jet has no variance
                seen += n_jets
                for norm in norms:
                    norm.momentum = n_jets / seen  # a mean over jets
                batch = batch.to(self.device)
                self(batch.x, batch.ptr, batch.get("pos"))
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            norm.train(self.network.training)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Collect the outputs of a batch of un-rotated jets."""
        self._collect(batch)

    def test_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Collect the outputs of a batch: un-rotated jets first, then rotated variants."""
        self._collect(batch, dataloader_idx)

    def on_validation_epoch_end(self) -> None:
        """Log ``val/loss`` and ``val/auc`` over all jets of all ranks."""
        if self.trainer.sanity_checking:
            return
        outputs = gathered(self.collected)
        self._refuse_nan(outputs["logits"])
        self.log("val/loss", self._loss(outputs), prog_bar=True)
        if outputs["logits"].size(-1) == 1 and len(outputs["label"].unique()) == 2:
            self.log("val/auc", area(outputs), prog_bar=True)

    def on_test_epoch_end(self) -> None:
        """Log ``test/…`` and keep the outputs for the run folder."""
        outputs = self.predictions = gathered(self.collected)
        found: dict[str, Any] = {"test/loss": self._loss(outputs)}
        if outputs["logits"].size(-1) == 1:
            found |= two_classes(outputs)
        else:
            found |= several_classes(outputs, self._classes())
        if _loaders(self.trainer) > 1 and outputs["logits"].size(-1) == 1:
            variants = gathered(self.collected, 1, unique=False)
            probability = variants["logits"].flatten().sigmoid()
            found["test/spread"] = metrics.spread(probability, variants["jet_id"].flatten())
        for name, value in found.items():
            self.log(name, torch.as_tensor(float(value), dtype=torch.float64))

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """``jet_id``, ``score`` (logit) and ``probability`` of each jet."""
        logits = self(batch.x, batch.ptr, batch.get("pos"))
        single = logits.size(-1) == 1
        probability = logits.sigmoid() if single else logits.softmax(-1)
        return {"jet_id": batch.jet_id, "score": logits, "probability": probability}

    def configure_optimizers(self) -> Any:
        """The optimiser, and the scheduler if there is one."""
        return configured(self, self.optimizer, self.scheduler, self.scheduler_interval)

    def _refuse_nan(self, logits: Tensor) -> None:
        if wrong := int((~logits.isfinite()).any(-1).sum()):
            raise InputError(
                f"The outputs of {wrong} of {len(logits)} validation jets are NaN or infinite in "
                f"epoch {self.current_epoch}: the training diverged; lower the learning rate or "
                "the coefficients of the loss."
            )

    def _loss(self, outputs: dict[str, Tensor]) -> Tensor:
        return self.classification(
            outputs["logits"], outputs["label"], weight=outputs.get("weight")
        )

    def _classes(self) -> tuple[str, ...]:
        data = getattr(self.trainer, "datamodule", None)
        return () if data is None else tuple(data.dataset.classes)


def _variant_of(batch: Batch) -> Tensor:
    if "variant_of" in batch:
        return batch.variant_of
    return torch.arange(batch.num_graphs, device=batch.x.device)


def _loaders(trainer: Any) -> int:
    loaders = trainer.test_dataloaders
    return len(loaders) if isinstance(loaders, list) else 1
