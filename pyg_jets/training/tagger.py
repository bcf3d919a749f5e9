"""`Tagger`, the Lightning task that trains a network to tell jets apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torch_geometric.data import Batch

from pyg_jets import metrics
from pyg_jets.errors import InputError, InputTypeError
from pyg_jets.losses import ClassificationLoss, classification_loss
from pyg_jets.nn.protocol import ObservablesModel
from pyg_jets.training.data import JetDataModule
from pyg_jets.training.tagger_metrics import auc, binary_metrics, multiclass_metrics
from pyg_jets.training.task import JetTask

__all__ = ["Tagger"]


class Tagger(JetTask):
    """Train a network to classify jets.

    The inputs are standardised with the mean and standard deviation of the un-rotated training
    jets, which are part of the checkpoint. Before each validation the running statistics of batch
    norms are computed from the same jets: a training on rotated variants leaves those of the
    variants, but the network is meant for un-rotated jets. Both count all jets alike. Validation
    and test use the cross-entropy whatever the training loss is, so that runs with different losses
    stop by the same measure. Losses and metrics count the weights of jets, ``weight [J]`` of a
    batch, where there are any.

    A network with ``jet_channels`` also reads ``jet_features [J, K]`` of a batch, the observables
    of jets that ``jet_features=`` of the data module names. They are standardised in the same way,
    always.

    Args:
        network: A :class:`~pyg_jets.nn.protocol.TaggerModel`, called as ``network(x, ptr, pos)``,
            which gives logits ``[J, 1]`` of two classes, or ``[J, C]`` of ``C``.
        loss: A :class:`~pyg_jets.losses.Loss`. Default: the cross-entropy.
        optimizer: Makes the optimiser of the parameters.
        scheduler: Makes a learning-rate scheduler of the optimiser.
        scheduler_interval: When it is stepped, each ``"epoch"`` or each ``"step"``.
        standardize: Whether to standardise the features of particles.
        fresh_norms: Whether to compute the statistics of batch norms before each validation, which
            costs a pass over the training jets. Trainings without variants do not need it.

    Shapes:
        - input: features ``x [N, F]``, pointer ``ptr [J + 1]``, positions ``pos [N, 2]`` or none,
          observables ``jet [J, K]`` or none
        - output: logits ``[J, C]``

    Examples:
        >>> from pyg_jets.nn import PFN
        >>> tagger = Tagger(PFN(2))
        >>> tagger(torch.zeros(3, 2), torch.tensor([0, 3])).shape
        torch.Size([1, 1])
    """

    shift: Tensor
    scale: Tensor
    #: Those of the observables of jets; ``None`` for a network that reads none.
    jet_shift: Tensor | None
    jet_scale: Tensor | None

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
        loss = ClassificationLoss() if loss is None else loss
        super().__init__(network, loss, optimizer, scheduler, scheduler_interval)
        self.save_hyperparameters(ignore=["network", "loss", "optimizer", "scheduler"])
        self.standardize, self.fresh_norms = standardize, fresh_norms
        self.register_buffer("shift", torch.zeros(1))
        self.register_buffer("scale", torch.ones(1))
        self.register_buffer("jet_shift", None)
        self.register_buffer("jet_scale", None)
        self.collected: list[list[dict[str, Tensor]]] = []
        self.predictions: dict[str, Tensor] = {}

    def forward(
        self, x: Tensor, ptr: Tensor, pos: Tensor | None = None, jet: Tensor | None = None
    ) -> Tensor:
        """Logits of each jet."""
        x = (x - self.shift) * self.scale
        if self.jet_shift is None or self.jet_scale is None:
            return self.network(x, ptr, pos)
        if jet is None or jet.shape != (len(ptr) - 1, len(self.jet_shift)):
            raise InputError(
                f"This tagger reads {len(self.jet_shift)} observables of each jet, but got "
                f"{'none' if jet is None else f'jet of shape {list(jet.shape)}'}: give jet "
                f"[{len(ptr) - 1}, {len(self.jet_shift)}], as jet_features= of JetDataModule does."
            )
        return self.network(x, ptr, pos, (jet - self.jet_shift) * self.jet_scale)

    def of_batch(self, batch: Batch) -> Tensor:
        """Logits of each jet of a batch.

        Args:
            batch: With ``x``, ``ptr`` and, where the network reads them, ``pos`` and
                ``jet_features``.
        """
        return self(batch.x, batch.ptr, batch.get("pos"), batch.get("jet_features"))

    def setup(self, stage: str) -> None:
        """Give lazy layers their size and, before a fit, compute the statistics of the inputs."""
        data = self._data()
        if data is not None:
            if data.num_classes == 0 and stage != "predict":
                raise InputError(
                    f"{data.dataset} has no labels, expected at least two classes to tell apart: "
                    "choose a data set with labels."
                )
            self._resize(data.n_features, data.n_jet_features)
            if stage == "fit" and (self.standardize or data.n_jet_features):
                self.fit_statistics(data.statistics_dataloader())
        elif stage == "fit":  # loaders, or another data module, such as PyG's LightningDataset
            batches = self.trainer.fit_loop._data_source.dataloader()
            with torch.random.fork_rng(devices=[]):  # a loader draws a number: keep the state
                first = _checked(next(iter(batches)))
                observables = first.get("jet_features")
                n_observables = 0 if observables is None else observables.size(-1)
                self._resize(first.x.size(1), n_observables)
                if self.standardize or n_observables:
                    self.fit_statistics(batches)

    def _data(self) -> JetDataModule | None:
        """The data module of the trainer, if it is one of ours."""
        data = getattr(self.trainer, "datamodule", None)
        return data if isinstance(data, JetDataModule) else None

    def _resize(self, n_features: int, n_observables: int) -> None:
        _check_observables(self.network, n_observables)
        if len(self.shift) != n_features:  # a test after a fit keeps the statistics
            self.shift = self.shift.new_zeros(n_features)
            self.scale = self.scale.new_ones(n_features)
        if n_observables and (self.jet_shift is None or len(self.jet_shift) != n_observables):
            self.jet_shift = self.shift.new_zeros(n_observables)
            self.jet_scale = self.scale.new_ones(n_observables)
        was_training = self.network.training
        self.network.eval()
        with torch.no_grad():  # one jet gives lazy layers their shape
            x = torch.zeros(1, n_features, device=self.device)
            jet = x.new_zeros(1, n_observables) if n_observables else None
            self(x, torch.tensor([0, 1], device=self.device), x.new_zeros(1, 2), jet)
        self.network.train(was_training)

    def fit_statistics(self, batches: Iterable[Batch]) -> None:
        """Set shift and scale of the inputs from the particles, and the jets, of all batches."""
        particles, jets = _Moments(), _Moments()
        for batch in batches:
            if self.standardize:
                particles.add(batch.x)
            if self.jet_shift is not None:
                jets.add(batch.jet_features)
        if self.standardize:
            if particles.count == 0:
                raise InputError(
                    "The training jets have no particles, which standardised inputs need."
                )
            self.shift, self.scale = particles.shift_and_scale(self.shift)
        if self.jet_shift is not None:
            self.jet_shift, self.jet_scale = jets.shift_and_scale(self.jet_shift)
            if not (self.jet_shift.isfinite().all() and self.jet_scale.isfinite().all()):
                wrong = (~(self.jet_shift + self.jet_scale).isfinite()).nonzero().flatten().tolist()
                raise InputError(
                    f"Observables {wrong} of jet_features (from 0) are NaN or infinite for some "
                    "training jets: leave them out."
                )

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Size everything as the checkpoint has it."""
        state = checkpoint["state_dict"]
        self._resize(len(state["shift"]), len(state.get("jet_shift", ())))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of a batch, with every variant in it."""
        logits = self.of_batch(batch)
        terms = self.loss.terms(logits, batch, self.current_epoch)
        loss = self.loss.total(terms, self.current_epoch)
        self.log_running_means({"loss": loss, **terms}, batch)
        return loss

    def _logits(self, batch: Batch) -> Tensor:
        """Logits to be measured: metrics of outputs in half precision would have three digits."""
        logits = self.of_batch(batch)
        return logits.to(torch.promote_types(logits.dtype, torch.float32))

    def _collect(self, batch: Batch, loader: int = 0) -> None:
        while len(self.collected) <= loader:
            self.collected.append([])
        logits = self._logits(batch)
        ids = batch.get("jet_id")
        if ids is None:  # the position in the data set, where each process has every n-th jet
            place = sum(len(part["jet_id"]) for part in self.collected[loader])
            places = torch.arange(place, place + batch.num_graphs)
            ids = self.trainer.global_rank + self.trainer.world_size * places
        outputs = {"jet_id": ids, "label": batch.y.flatten(), "logits": logits}
        for name in ("weight", "event"):
            if (value := batch.get(name)) is not None and value.numel() == batch.num_graphs:
                outputs[name] = value.flatten()
        self.collected[loader].append({k: v.detach().cpu() for k, v in outputs.items()})

    def on_validation_epoch_start(self) -> None:
        """Start with nothing collected, and with batch norms of un-rotated jets."""
        self.collected = []
        data = self._data()
        if self.fresh_norms and self.trainer.state.fn == "fit" and data is not None:
            self.fit_batch_norms(data.statistics_dataloader())
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

    def fit_batch_norms(self, batches: Iterable[Batch]) -> None:
        """Set the running statistics of batch norms to those of all batches together."""
        norms = [m for m in self.network.modules() if isinstance(m, nn.BatchNorm1d)]
        if not norms:
            return
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.train()
        total = 0
        with torch.no_grad():
            for batch in batches:
                if (n_jets := len(batch.ptr) - 1) < 2:
                    continue  # one jet has no variance
                total += n_jets
                for norm in norms:
                    norm.momentum = n_jets / total  # a mean over jets
                self.of_batch(batch.to(self.device))
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
        outputs = _gather_outputs(self.collected)
        self._refuse_nan(outputs["logits"])
        for name, value in self._validation_metrics(outputs).items():
            self.log(name, value, prog_bar=True)

    def _validation_metrics(self, outputs: dict[str, Tensor]) -> dict[str, Any]:
        values: dict[str, Any] = {"val/loss": self._loss(outputs)}
        if outputs["logits"].size(-1) == 1 and len(outputs["label"].unique()) == 2:
            values["val/auc"] = auc(outputs)
        return values

    def on_test_epoch_end(self) -> None:
        """Log ``test/…`` and keep the outputs for the run folder."""
        outputs = self.predictions = _gather_outputs(self.collected)
        variants, loaders = None, self.trainer.test_dataloaders
        if isinstance(loaders, list) and len(loaders) > 1 and outputs["logits"].size(-1) == 1:
            variants = _gather_outputs(self.collected, 1, unique=False)
        for name, value in self._test_metrics(outputs, self._classes(), variants).items():
            self.log(name, torch.as_tensor(float(value), dtype=torch.float64))

    def _test_metrics(
        self, outputs: dict[str, Tensor], classes: Sequence[str], variants: dict[str, Tensor] | None
    ) -> dict[str, Any]:
        values: dict[str, Any] = {"test/loss": self._loss(outputs)}
        if outputs["logits"].size(-1) == 1:
            values |= binary_metrics(outputs)
        else:
            values |= multiclass_metrics(outputs, classes)
        if variants is not None:
            probability = variants["logits"].flatten().sigmoid()
            ids, weight = variants["jet_id"].flatten(), variants.get("weight")
            values["test/spread"] = metrics.spread(probability, ids, weight)
        return values

    def metric_names(self, n_features: int, with_variants: bool) -> set[str]:
        """Names of what a training and a test with this network and this loss log.

        The network and the loss are applied to a few made-up jets, and the names are those of what
        comes out.

        Args:
            n_features: Number of features of a particle.
            with_variants: Whether there is a test loader of rotated variants.

        Returns:
            The names; ``*`` in one stands for any text, such as the name of a class.

        Examples:
            >>> from pyg_jets.nn import PFN
            >>> names = Tagger(PFN(4)).metric_names(4, with_variants=False)
            >>> "val/auc" in names, "test/spread" in names
            (True, False)
        """
        jet = Batch(x=torch.rand(2, n_features), pos=torch.rand(2, 2), ptr=torch.tensor([0, 2]))
        was_training = self.network.training
        self.network.eval()
        with torch.no_grad():
            reads = _jet_channels(self.network)
            observables = [torch.rand(1, max(reads, 1))] if reads else []
            width = self.network(jet.x, jet.ptr, jet.pos, *observables).size(-1)
        self.network.train(was_training)
        label = torch.arange(2 * max(width, 2)) % max(width, 2)
        logits, ids = torch.rand(len(label), width), torch.arange(len(label))
        outputs = {"logits": logits, "label": label, "jet_id": ids}
        variants = outputs if with_variants and width == 1 else None
        tested = self._test_metrics(outputs, ["*"] * width, variants)
        names = {*self._validation_metrics(outputs), *tested}
        batch = Batch(y=label, variant_of=ids // 2, jet_id=ids)
        return names | {f"train/{name}" for name in ("loss", *self.loss.terms(logits, batch, 0))}

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """``score`` (logit) and ``probability`` of each jet, and its ``jet_id`` if it has one."""
        logits = self._logits(batch)
        single = logits.size(-1) == 1
        probability = logits.sigmoid() if single else logits.softmax(-1)
        outputs = {"score": logits, "probability": probability}
        return outputs | ({"jet_id": batch.jet_id} if "jet_id" in batch else {})

    def _refuse_nan(self, logits: Tensor) -> None:
        if wrong := int((~logits.isfinite()).any(-1).sum()):
            raise InputError(
                f"The outputs of {wrong} of {len(logits)} validation jets are NaN or infinite in "
                f"epoch {self.current_epoch}: the training diverged; lower the learning rate or "
                "the coefficients of the loss."
            )

    def _loss(self, outputs: dict[str, Tensor]) -> Tensor:
        return classification_loss(outputs["logits"], outputs["label"], outputs.get("weight"))

    def _classes(self) -> tuple[str, ...]:
        data = self._data()
        return () if data is None else data.classes


class _Moments:
    """Mean and standard deviation of rows that come in parts."""

    def __init__(self) -> None:
        self.count, self.total, self.square = 0, torch.zeros(()), torch.zeros(())

    def add(self, rows: Tensor) -> None:
        rows = rows.double()
        self.count += len(rows)
        self.total, self.square = self.total + rows.sum(0), self.square + (rows**2).sum(0)

    def shift_and_scale(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """What standardises the rows; a column that is constant is shifted alone."""
        mean = self.total / self.count
        std = (self.square / self.count - mean**2).clamp_min(0).sqrt()
        scale = torch.where(std > 1e-6, 1 / std.clamp_min(1e-6), 1.0)
        return mean.to(like), scale.to(like)


def _jet_channels(network: nn.Module) -> int:
    """How many observables of a jet a network reads; -1 for any number."""
    return network.jet_channels if isinstance(network, ObservablesModel) else 0


def _check_observables(network: nn.Module, given: int) -> None:
    """Refuse a network that reads other observables of a jet than it is given."""
    name, reads = type(network).__name__, _jet_channels(network)
    if reads and not given:
        raise InputError(
            f"{name} reads observables of jets (jet_channels={reads}), but there are none: name "
            "them in data.jet_features, or make it with jet_channels=0."
        )
    if given and reads not in (-1, given):
        raise InputError(
            f"Expected a network that reads the {given} observables of jets in jet_features, but "
            f"{name} reads {reads or 'none'}: set its jet_channels to {given}, or to -1."
        )


def _checked(batch: Any) -> Batch:
    """A batch of a loader that is none of ours, if it is one of labelled graphs."""
    if isinstance(batch, Batch) and all(batch.get(name) is not None for name in ("x", "ptr", "y")):
        return batch
    raise InputTypeError(
        f"Expected batches of PyG with x, ptr and y, but got {batch}: give "
        "torch_geometric.loader.DataLoader or pyg_jets.JetLoader of graphs with x and y, or a "
        "JetDataModule."
    )


def _gather_outputs(
    collected: list[list[dict[str, Tensor]]], loader: int = 0, unique: bool = True
) -> dict[str, Tensor]:
    """Outputs of all batches and ranks in the order of jets, each jet once if ``unique``.

    Distributed samplers repeat a few jets, so that all ranks have equally many.
    """
    parts = collected[loader] if len(collected) > loader else []  # a rank may have no jets
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        every: list[Any] = [None] * torch.distributed.get_world_size()
        torch.distributed.all_gather_object(every, parts)
        parts = [part for rank in every for part in rank]
    joined = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    order = joined["jet_id"].flatten().sort(stable=True).indices
    joined = {name: value[order] for name, value in joined.items()}
    if unique:
        ids = joined["jet_id"].flatten()
        first = torch.ones(len(ids), dtype=torch.bool)
        first[1:] = ids[1:] != ids[:-1]
        joined = {name: value[first] for name, value in joined.items()}
    return joined
