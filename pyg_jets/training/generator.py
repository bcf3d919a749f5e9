r"""`Generator`, the Lightning task that trains a network to make jets."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import lightning
import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor
from torch_geometric.data import Batch

from pyg_jets.columns import check_names
from pyg_jets.errors import InputError
from pyg_jets.files import write_aside
from pyg_jets.losses import VAELoss
from pyg_jets.metrics.features import feature_distances
from pyg_jets.nn import VariationalAutoencoder
from pyg_jets.ops import counts_to_ptr
from pyg_jets.training.checkpoints import check_fit
from pyg_jets.training.means import EpochMeans
from pyg_jets.training.optimizers import configured

__all__ = ["Generator"]


class Generator(lightning.LightningModule):
    """Train an autoencoder to make jets: again, out of noise, or GEN → RECO.

    Batches with a second set ``x_target`` (see :class:`~pyg_jets.transforms.Detect`) are pairs; in
    all others each jet is its own target. Before the first step the network learns its scales from
    the training jets. In validation and test the jets that it makes are kept, and compared with the
    targets: ``val/emd_…`` of each feature (see :class:`~pyg_jets.training.SelectByEMD`).

    Args:
        network: A :class:`~pyg_jets.nn.VariationalAutoencoder`.
        loss: Called as ``loss.terms(reconstruction)`` and ``loss.total(terms, epoch)``.
        optimizer: Makes the optimiser of the parameters.
        scheduler: Makes a learning-rate scheduler of the optimiser.
        scheduler_interval: When it is stepped, each ``"epoch"`` or each ``"step"``.
        clip: Largest norm of the gradient; 0 for any.

    Examples:
        >>> from pyg_jets.nn import GraphVAE
        >>> Generator(GraphVAE(latent=4)).network.latent
        4
    """

    def __init__(
        self,
        network: VariationalAutoencoder,
        loss: VAELoss | None = None,
        optimizer: OptimizerCallable = torch.optim.Adam,
        scheduler: LRSchedulerCallable | None = None,
        scheduler_interval: Literal["epoch", "step"] = "epoch",
        clip: float = 1.0,
    ):
        super().__init__()
        self.save_hyperparameters(ignore=["network", "loss", "optimizer", "scheduler"])
        check_names((scheduler_interval,), ("epoch", "step"), "scheduler_interval")
        self.network, self.loss = network, VAELoss() if loss is None else loss
        self.optimizer, self.scheduler = optimizer, scheduler
        self.scheduler_interval, self.clip = scheduler_interval, clip
        self.means = EpochMeans(self)
        self.kept: list[dict[str, Any]] = []
        self.physical, self.columns = True, ("pt", "etarel", "phirel")

    def forward(self, x: Tensor, ptr: Tensor) -> tuple[Tensor, Tensor]:
        """Jets made out of these."""
        return self.network.sample(len(ptr) - 1, (x, ptr))

    def setup(self, stage: str) -> None:
        """Learn scales and multiplicities for a fit."""
        data: Any = getattr(self.trainer, "datamodule", None)
        if data is None:
            return
        self.columns = tuple(data.names)
        scale: Any = getattr(self.network, "scale", None)
        self.physical = scale is None or scale.coordinates != "plain"
        if stage == "fit":
            loader = data.statistics_dataloader()
            first = next(iter(loader))
            if self.network.from_gen and "x_target" not in first:
                raise InputError(
                    f"{type(self.network).__name__} makes RECO out of GEN, but batches have no "
                    "x_target: give pyg_jets.transforms.Detect as train_transform."
                )
            self.network.learn(loader)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of a batch."""
        terms = self.loss.terms(self._reconstruct(batch))
        loss = self.loss.total(terms, self.current_epoch)
        if not bool(loss.isfinite()):
            self._stop(batch, terms)
        self.means.add({"loss": loss, **terms}, batch.num_graphs)
        return loss

    def _reconstruct(self, batch: Batch) -> Any:
        target, target_ptr = batch.get("x_target"), batch.get("x_target_ptr")
        return self.network(batch.x, batch.ptr, target, target_ptr, batch.get("y"))

    def _stop(self, batch: Batch, terms: dict[str, Tensor]) -> None:
        """Write what the step was about, and end the training."""
        values = {name: float(value.detach()) for name, value in terms.items()}
        wrong = [name for name, value in terms.items() if not bool(value.isfinite())]
        folder = Path(self.trainer.default_root_dir)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"nan-step-{self.global_step}.pt"
        tensors = {k: v for k, v in batch.to_dict().items() if isinstance(v, Tensor)}
        state = {"step": self.global_step, "epoch": self.current_epoch, "terms": values,
                 "batch": tensors}  # fmt: skip
        with write_aside(path) as part:
            torch.save(state, part)
        raise InputError(
            f"The loss is not finite in step {self.global_step} (epoch {self.current_epoch}), by "
            f"the term {', '.join(wrong) or 'total'}: {path} holds the step, the terms and the "
            "batch; lower the learning rate or the coefficient."
        )

    def configure_gradient_clipping(
        self,
        optimizer: Any,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip the norm, unless the trainer has its own way."""
        self.clip_gradients(
            optimizer, gradient_clip_val or self.clip or None, gradient_clip_algorithm or "norm"
        )

    def make(self, batch: Batch) -> dict[str, Any]:
        """The jets of a batch: what was read, what was wanted, what is made.

        Returns:
            ``{stage: (x, ptr)}`` of :data:`~pyg_jets.columns.STAGES`, and ``y``, ``jet_id`` and the
            latent's mean.
        """
        n_jets, y = batch.num_graphs, batch.get("y")
        given = batch.x, batch.ptr
        pairs = "x_target" in batch
        target = (batch.x_target, batch.x_target_ptr) if pairs else given
        by_gen = pairs or self.network.from_gen
        made = self._possible(*self.network.sample(n_jets, given if by_gen else y))
        mean, _ = self.network.encode(*given, y)
        found: dict[str, Any] = {"input": given, "target": target, "made": made}
        if not pairs:
            again = self.network(*given, *target, y)
            found["reconstructed"] = self._possible(again.x, again.ptr)
        return {**found, "y": y, "jet_id": batch.jet_id.flatten(), "latent": mean}

    def _possible(self, x: Tensor, ptr: Tensor) -> tuple[Tensor, Tensor]:
        """Without a pT, or an intensity, below zero, which plain coordinates allow."""
        if "pt" in self.columns:
            x = x.clone()
            x[:, self.columns.index("pt")].clamp_(min=0)
        return x, ptr

    def on_validation_epoch_start(self) -> None:
        """Start with nothing kept."""
        self.kept = []

    on_test_epoch_start = on_predict_epoch_start = on_validation_epoch_start

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep the jets made of a batch, and log its terms."""
        terms = self.loss.terms(self._reconstruct(batch))
        options: Any = {"batch_size": batch.num_graphs, "sync_dist": True}
        self.log("val/loss", self.loss.total(terms), prog_bar=True, **options)
        self.log_dict({f"val/{name}": value for name, value in terms.items()}, **options)
        self.kept.append(self.make(batch))

    def test_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Keep the jets made of a batch."""
        self.kept.append(self.make(batch))

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """The jets made of a batch, which are kept too."""
        self.kept.append(self.make(batch))
        return self.kept[-1]

    def distances(self) -> dict[str, float]:
        """Of each feature, how far the jets kept are from their targets."""
        sets = [self.joined(stage) for stage in ("made", "target")]
        return feature_distances(sets[0], sets[1], self.physical)

    def joined(self, stage: str) -> tuple[Tensor, Tensor]:
        """The jets kept of a stage, ``(x, ptr)``."""
        parts = [made[stage] for made in self.kept]
        ptr = counts_to_ptr(torch.cat([ptr.diff() for _, ptr in parts]))
        return torch.cat([x for x, _ in parts]).detach().cpu(), ptr.cpu()

    def on_test_epoch_end(self) -> None:
        """Log ``test/emd_…`` of each feature."""
        for name, value in self.distances().items():
            self.log(f"test/emd_{name}", torch.as_tensor(value, dtype=torch.float64))

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse a checkpoint of another network."""
        check_fit(self, checkpoint["state_dict"])

    def configure_optimizers(self) -> Any:
        """The optimiser, and the scheduler if there is one."""
        return configured(self, self.optimizer, self.scheduler, self.scheduler_interval)
