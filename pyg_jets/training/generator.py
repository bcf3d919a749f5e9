r"""`Generator`, the Lightning task that trains a network to make jets."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import lightning
import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torch_geometric.data import Batch

from pyg_jets.errors import InputError, InputTypeError
from pyg_jets.files import write_aside
from pyg_jets.losses import FittedLoss, ScheduledLoss, VAELoss
from pyg_jets.metrics.features import feature_distances
from pyg_jets.nn.protocol import GeneratorModel
from pyg_jets.ops import counts_to_ptr
from pyg_jets.training.data import JetDataModule
from pyg_jets.training.refit_prior import RefitPrior
from pyg_jets.training.task import JetTask, check_state, sum_of_weights

__all__ = ["Generator"]

#: Variance of the means of a latent over the jets above which it is active (arXiv:1509.00519 has
#: .01; .05 is the threshold of MixturePrior).
_ACTIVE_VARIANCE = 0.05


class Generator(JetTask):
    """Train an autoencoder to reconstruct jets, to make new ones, or to make RECO out of GEN.

    Batches with a second particle set ``x_target``, such as those of
    :class:`~pyg_jets.transforms.Detect`, are pairs of input and target; in all others each jet is
    its own target. Before the first step the scales of the network are set from the training jets.
    A prior that is fitted to latents is fitted by :class:`~pyg_jets.training.RefitPrior`, which
    comes along. The jets made in validation and test are kept and compared with the targets,
    feature by feature: :class:`~pyg_jets.training.SelectByEMD` logs ``val/emd_…``, the test
    ``test/emd_…``. A validation logs the terms of the loss, ``val/kl`` among them, and
    ``val/active_latents``, the number of latents whose means vary by more than 0.05. If jets have
    weights, losses and distances count them; scales are those of all jets alike.

    Args:
        network: A :class:`~pyg_jets.nn.protocol.GeneratorModel`.
        loss: A :class:`~pyg_jets.losses.Loss` of its reconstructions. Default:
            :class:`~pyg_jets.losses.VAELoss`, which does not fit a network with another
            ``trained_by``.
        optimizer: Makes the optimiser of the parameters.
        scheduler: Makes a learning-rate scheduler of the optimiser.
        scheduler_interval: When it is stepped, each ``"epoch"`` or each ``"step"``.
        clip: Largest norm of the gradient; 0 for no limit.

    Examples:
        >>> from pyg_jets.nn import GraphVAE
        >>> Generator(GraphVAE(latent=4)).network.latent
        4
    """

    network: Any  # a GeneratorModel, which is no subclass of Module for a type checker

    def __init__(
        self,
        network: nn.Module,
        loss: nn.Module | None = None,
        optimizer: OptimizerCallable = torch.optim.Adam,
        scheduler: LRSchedulerCallable | None = None,
        scheduler_interval: Literal["epoch", "step"] = "epoch",
        clip: float = 1.0,
    ):
        if not isinstance(network, GeneratorModel):
            raise InputTypeError(
                f"{type(network).__name__} cannot make jets: expected a network with the methods "
                "of pyg_jets.nn.protocol.GeneratorModel, such as pyg_jets.nn.GraphVAE."
            )
        loss = VAELoss() if loss is None else loss
        if isinstance(loss, VAELoss) and (own := getattr(network, "trained_by", "")):
            raise InputError(
                f"Expected the loss {own} with {type(network).__name__}, which returns no "
                f"reconstruction, but got VAELoss (the default): give loss={own}(…), in a "
                f"configuration model.loss.class_path: pyg_jets.losses.{own}."
            )
        super().__init__(network, loss, optimizer, scheduler, scheduler_interval)
        self.save_hyperparameters(ignore=["network", "loss", "optimizer", "scheduler"])
        self.clip = clip
        self.kept: list[dict[str, Any]] = []
        self.columns: tuple[str, ...] = ("pt", "etarel", "phirel")

    def forward(self, x: Tensor, ptr: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """New jets ``(x, ptr)``, as many as are given.

        Args:
            x: Particles ``[N, F]``, out of which a network of pairs makes the jets.
            ptr: Their pointer ``[J + 1]``.
            y: Classes ``[J]``, which a network with classes needs.
        """
        return self.network.sample(len(ptr) - 1, self._condition(x, ptr, y))

    def _condition(self, x: Tensor, ptr: Tensor, y: Tensor | None) -> Any:
        """What jets are made of: GEN jets, but classes if the network makes jets by class."""
        by_class = getattr(self.network, "n_classes", 0) and not self.network.from_gen
        return y if by_class else (x, ptr)

    def configure_callbacks(self) -> list[lightning.Callback]:
        """The callback that fits the prior, unless the trainer has one."""
        callbacks: Any = self.trainer.callbacks  # type: ignore[attr-defined]  # by a connector
        has_own = any(isinstance(callback, RefitPrior) for callback in callbacks)
        return [] if has_own else [RefitPrior()]

    def setup(self, stage: str) -> None:
        """Before a fit, set the scales and multiplicities of the network."""
        data: Any = getattr(self.trainer, "datamodule", None)
        if data is None:
            return
        if not isinstance(data, JetDataModule):
            raise InputTypeError(
                f"Expected a JetDataModule, which names the columns of jets, but got "
                f"{type(data).__name__}: JetDataModule((train, val, test)) takes data sets of PyG."
            )
        self.columns = tuple(data.names)
        if data.jet_features is not None:
            raise InputError("data.jet_features is of taggers: leave it out for a generator.")
        if stage == "fit":
            loader = data.statistics_dataloader()
            first = next(iter(loader))
            if self.network.from_gen and "x_target" not in first:
                raise InputError(
                    f"{type(self.network).__name__} makes RECO out of GEN, but batches have no "
                    "x_target: give pyg_jets.transforms.Detect as train_transform."
                )
            self.network.fit_statistics(loader)
            if isinstance(self.loss, FittedLoss):
                self.loss.fit_statistics(self.network, loader)

    def on_fit_start(self) -> None:
        """Tell the loss how long the training is."""
        if isinstance(self.loss, ScheduledLoss):
            epochs = float(self.trainer.max_epochs or -1)
            if epochs < 0:  # it ends after a number of steps
                steps = self.trainer.estimated_stepping_batches
                epochs = steps / max(self.trainer.num_training_batches, 1)
            self.loss.set_length(epochs)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of a batch."""
        terms = self.loss.terms(self._reconstruct(batch), batch, self.current_epoch)
        loss = self.loss.total(terms, self.current_epoch)
        if not bool(loss.isfinite()):
            self._stop(batch, terms)
        self.log_running_means({"loss": loss, **terms}, batch)
        return loss

    def _reconstruct(self, batch: Batch) -> Any:
        target, target_ptr = batch.get("x_target"), batch.get("x_target_ptr")
        jets = batch.x, batch.ptr, target, target_ptr, batch.get("y")
        weight = batch.get("weight")
        return self.network(*jets) if weight is None else self.network(*jets, weight=weight)

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
        """Jets made out of a batch, with their input and target.

        Returns:
            ``{stage: (x, ptr)}`` of :data:`~pyg_jets.columns.STAGES`, and ``y``, ``jet_id``,
            ``weight`` and ``event``, where there are any, and the latent's mean.
        """
        n_jets, y = batch.num_graphs, batch.get("y")
        jets = batch.x, batch.ptr
        pairs = "x_target" in batch
        target = (batch.x_target, batch.x_target_ptr) if pairs else jets
        by_gen = pairs or self.network.from_gen
        condition = self._condition(*jets, y) if by_gen else y
        made = self._clip_pt(*self.network.sample(n_jets, condition))
        mean, _ = self.network.encode(*jets, y)
        stages: dict[str, Any] = {"input": jets, "target": target, "made": made}
        if not pairs:
            again = self.network(*jets, *target, y)
            stages["reconstructed"] = self._clip_pt(again.x, again.ptr)
        of_jets = {"y": y, "weight": batch.get("weight"), "event": batch.get("event")}
        return {**stages, **of_jets, "jet_id": batch.jet_id.flatten(), "latent": mean}

    def _clip_pt(self, x: Tensor, ptr: Tensor) -> tuple[Tensor, Tensor]:
        """Set a pT, or an intensity, below zero to zero: plain coordinates allow it."""
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
        terms = self.loss.terms(self._reconstruct(batch), batch)
        options: Any = {"batch_size": float(sum_of_weights(batch)), "sync_dist": True}
        self.log("val/loss", self.loss.total(terms), prog_bar=True, **options)
        self.log_dict({f"val/{name}": value for name, value in terms.items()}, **options)
        self.kept.append(self.make(batch))

    def on_validation_epoch_end(self) -> None:
        """Log how many latents are active: those whose means differ from jet to jet."""
        latent = torch.cat([made["latent"] for made in self.kept])
        active = latent.var(0, unbiased=False) > _ACTIVE_VARIANCE
        self.log("val/active_latents", active.sum().double(), sync_dist=True)

    def test_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Keep the jets made of a batch."""
        self.kept.append(self.make(batch))

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """The jets made of a batch, which are kept too."""
        self.kept.append(self.make(batch))
        return self.kept[-1]

    def distances(self) -> dict[str, float]:
        """Distance of the made jets from their targets in each feature."""
        made, target = (self.joined(stage) for stage in ("made", "target"))
        weights = (self.weights(stage) for stage in ("made", "target"))
        return feature_distances(made, target, self.network.physical, *weights)

    def metric_names(self, n_features: int, with_variants: bool) -> set[str]:
        """Names of what a training and a test with this network and this loss log.

        The network and the loss are applied to a few made-up jets, and the names are those of what
        comes out. :class:`~pyg_jets.training.SelectByEMD` logs further ones.

        Args:
            n_features: Number of features of a particle.
            with_variants: Whether there is a test loader of rotated variants, which has no metric.
        """
        x, ptr = torch.rand(9, n_features), torch.tensor([0, 4, 9])
        batch = Batch(x=x, ptr=ptr, y=torch.tensor([0, 1]))
        terms = self.loss.terms(self.network(x, ptr, x, ptr, batch.y), batch)
        names = {f"{stage}/{name}" for stage in ("train", "val") for name in ("loss", *terms)}
        distances = feature_distances((x, ptr), (x, ptr), self.network.physical)
        return names | {"val/active_latents"} | {f"test/emd_{name}" for name in distances}

    def joined(self, stage: str) -> tuple[Tensor, Tensor]:
        """All jets ``(x, ptr)`` of a stage that were kept."""
        parts = [made[stage] for made in self.kept]
        ptr = counts_to_ptr(torch.cat([ptr.diff() for _, ptr in parts]))
        return torch.cat([x for x, _ in parts]).detach().cpu(), ptr.cpu()

    def column(self, name: str) -> Tensor | None:
        """A number of each jet that was kept, ``[J]``: ``y``, ``jet_id``, ``weight``, ``event``."""
        if any(made[name] is None for made in self.kept):
            return None
        return torch.cat([made[name].flatten() for made in self.kept]).detach().cpu()

    def weights(self, stage: str) -> Tensor | None:
        """How much each jet of a stage counts, ``[J]``; ``None`` if all count the same.

        A jet that was made out of another one counts as much as that. Jets out of noise follow the
        weighted jets already: those of a class all have the mean weight of its jets.

        Args:
            stage: One of :data:`~pyg_jets.columns.STAGES`.
        """
        weight, y = self.column("weight"), self.column("y")
        out_of_noise = stage == "made" and "reconstructed" in self.kept[0]
        if weight is None or not out_of_noise or self.network.from_gen:
            return weight
        label = torch.zeros(len(weight), dtype=torch.long) if y is None else y.long()
        total = torch.zeros(int(label.max()) + 1).index_add(0, label, weight.float())
        return (total / label.bincount().clamp(min=1))[label]

    def on_test_epoch_end(self) -> None:
        """Log ``test/emd_…`` of each feature."""
        for name, value in self.distances().items():
            self.log(f"test/emd_{name}", torch.as_tensor(value, dtype=torch.float64))

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse a checkpoint of another network."""
        check_state(self, checkpoint["state_dict"])
