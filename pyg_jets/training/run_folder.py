"""`RunFolder`: the callback that writes the folder of a run, and what it puts there."""

from __future__ import annotations

import dataclasses
import os
import platform
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
import yaml
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.cli import SaveConfigCallback
from lightning.pytorch.utilities import rank_zero_only
from torch_geometric.data import Batch

from pyg_jets import __version__
from pyg_jets.columns import STAGES
from pyg_jets.datasets import JetDataset
from pyg_jets.detector import rotate
from pyg_jets.errors import InputError
from pyg_jets.files import write_aside
from pyg_jets.jets import JetArray
from pyg_jets.metrics.baselines import tree_scores
from pyg_jets.provenance import invocation, timestamp, versions
from pyg_jets.runs import BEST_CHECKPOINT, PROVENANCE, RunWriter, load_run
from pyg_jets.training.checkpoint import use_seals
from pyg_jets.training.data import JetDataModule
from pyg_jets.training.described import describe_run
from pyg_jets.training.generator import Generator
from pyg_jets.training.tagger import Tagger
from pyg_jets.training.task import JetTask

__all__ = ["TREE", "RunFolder", "generated_jets", "prediction_table", "sample_jets"]

#: Observables that the tree baseline reads.
TREE = ("mass", "multiplicity")
#: Packages whose versions are recorded.
_PACKAGES = ("pyg-jets", "torch", "torch-geometric", "lightning", "numba", "numpy", "awkward",
             "pythia8mc", "fastjet", "scikit-learn")  # fmt: skip
#: Observables of test jets that are kept with the predictions, where the data set has them.
_OBSERVABLES = ("pt", "eta", "mass", "softdrop_mass", "tau21", "tau32", "multiplicity")
#: Rotations of the sampled jets (rad).
_ANGLES = np.arange(8) * (np.pi / 4)
#: Seconds between two writings of the history.
_PAUSE = 2.0
#: The key of a checkpoint for what the run folder keeps in it.
_KEY = "run_folder"


class RunFolder(lightning.Callback):
    """Write metrics, predictions, samples and provenance of a run into its folder.

    The history grows by a row with each validation; most is written when the test ends.
    Checkpoints hold the history too, so that a training that goes on from one has lost no row.
    :func:`pyg_jets.load_run` reads the folder.

    A trainer that is made in Python gets its checkpoints and ``config.yaml`` in the folder too: a
    ``ModelCheckpoint`` without a folder writes there, as ``best.ckpt`` and by the loss of the
    validation unless it says otherwise, and the configuration describes the model as far as plain
    values do.

    Args:
        folder: The run's folder.
        title: What a report calls the run. Default: the folder's name.
        command: The command that made it, for the record. Default: this process's.
        samples: Number of test jets kept before and after the detector.
        variants: Number of these that are kept with their rotated variants.
        labels: Names and texts that tell the run from others, such as ``{"loss": "focal"}``.
        tree: The observables that the tree baseline reads.
    """

    def __init__(
        self,
        folder: str | Path,
        title: str | None = None,
        command: str | None = None,
        samples: int = 200,
        variants: int = 20,
        labels: Mapping[str, str] | None = None,
        tree: Sequence[str] = TREE,
    ):
        self.folder, self.tree = Path(folder), tuple(tree)
        self.writer = RunWriter(folder)
        self.title = title or self.folder.name
        self.command = command or invocation()
        self.samples, self.variants, self.labels = samples, variants, dict(labels or {})
        self.written = 0.0
        self.rows: list[dict[str, Any]] = []
        #: Seconds of training: in all, and before the training was continued.
        self.trained = self.trained_before = 0.0
        self.started = time.perf_counter()

    def setup(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str
    ) -> None:
        """Let checkpoints that have no place be written into the folder, and with a seal."""
        use_seals(trainer)
        best = self.folder / BEST_CHECKPOINT
        for callback in trainer.checkpoint_callbacks if stage == "fit" else ():
            if not isinstance(callback, ModelCheckpoint) or callback.dirpath is not None:
                continue
            callback.dirpath = str(best.parent)
            validates = trainer.fit_loop.epoch_loop.val_loop._data_source.is_defined()
            if callback.monitor is None and validates and isinstance(pl_module, JetTask):
                callback.monitor = "val/loss"
            if callback.filename is None and callback.save_top_k == 1:
                callback.filename = best.stem

    def on_fit_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Start the clock, and describe the model unless a command line has written it."""
        self.started = time.perf_counter()
        callbacks: Any = trainer.callbacks  # type: ignore[attr-defined]  # set by a connector
        if isinstance(pl_module, JetTask) and not any(
            isinstance(callback, SaveConfigCallback) for callback in callbacks
        ):
            self._write_config(pl_module, getattr(trainer, "datamodule", None))

    @rank_zero_only
    def _write_config(self, task: JetTask, data: Any) -> None:
        tree = describe_run(task, data) | {"title": self.title, "labels": self.labels}
        self.writer.write_config(yaml.safe_dump(tree, sort_keys=False))

    def _seconds(self) -> float:
        return self.trained_before + time.perf_counter() - self.started

    def on_save_checkpoint(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        checkpoint: dict[str, Any],
    ) -> None:
        """Keep the rows and the clock in the checkpoint."""
        checkpoint[_KEY] = {"rows": self.rows, "seconds": self._seconds()}

    def on_load_checkpoint(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        checkpoint: dict[str, Any],
    ) -> None:
        """Go on with the rows and the clock of a continued training."""
        if trainer.state.fn == "fit" and _KEY in checkpoint:  # not where best.ckpt is tested
            self.rows = list(checkpoint[_KEY]["rows"])
            self.trained_before = checkpoint[_KEY]["seconds"]

    def on_validation_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Begin a row."""
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            rate = trainer.optimizers[0].param_groups[0]["lr"]
            step = {"epoch": trainer.current_epoch, "step": trainer.global_step, "lr": rate}
            self.rows.append(step | _logged(trainer))

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Complete the row with what is known at the end of its epoch."""
        if self.rows and self.rows[-1]["epoch"] == trainer.current_epoch:
            self.rows[-1] |= _logged(trainer)
        if time.perf_counter() - self.written > _PAUSE:
            self._write_rows()

    @rank_zero_only
    def _write_rows(self) -> None:
        if not self.rows:  # of a training without validation
            return
        self.writer.write_history(self.rows)
        self.written = time.perf_counter()

    def on_fit_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Stop the clock, and write what is not yet written."""
        self._write_rows()
        self.trained = self._seconds()
        self._copy_best(trainer)

    @rank_zero_only
    def _copy_best(self, trainer: lightning.Trainer) -> None:
        """Copy a best checkpoint that is written elsewhere, or under another name."""
        kept = Path(getattr(trainer.checkpoint_callback, "best_model_path", "") or "none")
        best = self.folder / BEST_CHECKPOINT
        if kept.is_file() and kept.resolve() != best.resolve():
            with write_aside(best) as part:
                shutil.copyfile(kept, part)

    @rank_zero_only
    def on_test_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write predictions, samples or generated jets, then provenance and metrics."""
        module: Any = getattr(trainer, "datamodule", None)
        data = module if isinstance(module, JetDataModule) else None
        if not self.rows:  # of a run that is tested again
            self.rows = list(self.writer.history_rows())
        if isinstance(pl_module, Tagger):
            self.writer.write_predictions(prediction_table(pl_module, data, self.tree))
            if self.samples and data is not None and isinstance(data.dataset, JetDataset):
                self.writer.write_samples(sample_jets(data, self.samples, self.variants))
        elif isinstance(pl_module, Generator):
            self.writer.write_generated(generated_jets(pl_module))
        else:
            return
        self.writer.write_provenance(self._provenance(trainer, pl_module, data))
        logged = trainer.callback_metrics.items()
        metrics = {name: float(value) for name, value in logged if name.startswith("test/")}
        self.writer.write_metrics(metrics | self._best(trainer))

    def _best(self, trainer: lightning.Trainer) -> dict[str, float]:
        """The metrics of the validation in which the checkpoint's monitor was best."""
        callback = getattr(trainer, "checkpoint_callback", None)
        monitor, mode = getattr(callback, "monitor", None), getattr(callback, "mode", "min")
        rows = [row for row in self.rows if monitor in row]
        if monitor is None or not rows:
            return {}
        rows = [row for row in rows if row[monitor] != ""]
        best = (min if mode == "min" else max)(rows, key=lambda row: float(row[monitor]))
        named = {name: best[name] for name in best if name.startswith("val/")}
        return {name: float(value) for name, value in named.items() if value != ""}

    def _provenance(
        self, trainer: lightning.Trainer, task: Any, data: JetDataModule | None
    ) -> dict[str, Any]:
        return {
            "name": self.folder.name,
            "title": self.title,
            "version": __version__,
            "date": timestamp(),
            "command": self.command,
            "seed": int(os.environ.get("PL_GLOBAL_SEED", "-1")),
            "versions": {k: v for k, v in versions(_PACKAGES).items() if v},
            "machine": _machine(),
            "labels": self.labels,
            "tree": list(self.tree),
            **({} if data is None else _data_facts(data)),
            "network_name": type(task.network).__name__,
            "network": repr(task.network),
            "loss": repr(task.loss),
            "parameters": sum(p.numel() for p in task.network.parameters()),
            "epochs": len({row["epoch"] for row in self.rows}),
            "steps": int(self.rows[-1]["step"]) if self.rows else 0,
            "wall_time_s": round(self.trained, 2) if self.trained else self._wall_time(),
            "world_size": trainer.world_size,
        }

    def _wall_time(self) -> float:
        """How long the run was trained, if it was before this process."""
        if not (self.folder / PROVENANCE).is_file():
            return 0.0
        return load_run(self.folder, only=(PROVENANCE,)).provenance.get("wall_time_s", 0.0)


def _data_facts(data: JetDataModule) -> dict[str, Any]:
    """What the provenance says of the data; a data set of others has no content of its own."""
    dataset = data.dataset
    return {
        "dataset": repr(dataset),
        "data_hash": getattr(dataset, "content_hash", None),
        "content": getattr(dataset, "content", None),
        "level": getattr(dataset, "level", None),
        "classes": list(data.classes),
        "weights": None if data.weights is None else repr(data.weights),
        "weighted": data.is_weighted,
        "sample": dataclasses.asdict(data.sample),
        "detector": getattr(data.train_transform, "name", None),
        "features": list(data.names),
        "jet_features": [] if data.jet_features is None else list(data.jet_features.names),
        "train_transform": repr(data.train_transform),
        **{f"n_{split}": len(jets) for split, jets in data.splits.items()},
    }


def _logged(trainer: lightning.Trainer) -> dict[str, float]:
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


def _machine() -> dict[str, Any]:
    pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gib": round(pages / 2**30, 1),
        "platform": platform.platform(),
    }


def prediction_table(
    tagger: Tagger, data: JetDataModule | None, tree: Sequence[str] = TREE
) -> dict[str, np.ndarray]:
    """The predictions of a test: label, scores and observables of each jet, and a tree's score.

    Args:
        tagger: A tagger after its test.
        data: The data of the test; ``None`` for those of others, which have no observables.
        tree: The observables that the tree baseline reads.

    Returns:
        A column ``[J]`` for each name.
    """
    outputs = tagger.predictions
    logits = outputs["logits"].float().numpy()
    names = ["score"] if logits.shape[1] == 1 else [f"score_{i}" for i in range(logits.shape[1])]
    table = {"jet_id": outputs["jet_id"].flatten().numpy(),
             "label": outputs["label"].flatten().numpy(),
             **dict(zip(names, logits.T, strict=True))}  # fmt: skip
    table |= {n: outputs[n].flatten().numpy() for n in ("weight", "event") if n in outputs}
    if data is None:
        return table
    test, train = (_observables(data.splits[split]) for split in ("test", "train"))
    if not set(TREE) <= set(test):
        return table
    if data.num_classes == 2:
        jets = data.splits["train"]
        weight = data.jet_weights(jets)
        score = tree_scores(train, jets.y.numpy(), test, tree, weights=weight)
        test["tree"] = score.astype(np.float32)
    ids = data.splits["test"].jet_id.flatten().numpy()
    order = np.argsort(ids, kind="stable")
    rows = order[np.searchsorted(ids[order], table["jet_id"])]
    return table | {name: value[rows] for name, value in test.items()}


def _observables(jets: Any) -> dict[str, np.ndarray]:
    """Observables at the level at which the data set is cut, with ratios of N-subjettiness."""
    if not isinstance(jets, JetDataset):
        return {}
    values = jets.observables(getattr(jets, "level", "gen"))
    for above, below in ((2, 1), (3, 2)):
        upper, lower = values.get(f"tau{above}"), values.get(f"tau{below}")
        if upper is not None and lower is not None:
            ratio = np.divide(upper, lower, where=lower > 0, out=np.zeros_like(lower))
            values.setdefault(f"tau{above}{below}", ratio)
    names = dict.fromkeys((*_OBSERVABLES, *jets.requested_jet_columns))
    return {name: values[name] for name in names if name in values}


def sample_jets(data: JetDataModule, count: int = 200, rotated: int = 4) -> JetArray:
    """Test jets before (``stage`` 0) and after (``stage`` 1) the detector, for pictures.

    Args:
        data: The data, with the detector in ``eval_transform`` if there is one.
        count: Number of jets, equally many of each class, in turn.
        rotated: Number of these that come with eight rotated variants too.
    """
    jets = _first_jets(data, count)
    stages = [_with_stage(jets.with_jets(angle=np.zeros(len(jets), np.float32)), 0)]
    transform = data.eval_transform
    if transform is not None and transform.detector is not None:
        detector, seed = transform.detector, getattr(transform, "seed", 0)
        first = jets[:rotated]
        stages += [
            _with_stage(detector.simulate(jets, seed=seed), 1),
            _with_stage(rotate(first, _ANGLES, axis=detector.axis), 0),
            _with_stage(detector.simulate(first, seed=seed, angles=_ANGLES), 1),
        ]
    return JetArray.concatenate(stages)


def _with_stage(jets: JetArray, stage: int) -> JetArray:
    columns = {"stage": np.full(len(jets), stage, np.int64)}
    columns |= {name: jets.jets[name] for name in ("angle", "weight") if name in jets.jets}
    return replace(jets, jets=columns)


def _first_jets(data: JetDataModule, count: int) -> JetArray:
    """The first test jets of each class, in turn: one of each class, then the next of each."""
    dataset: Any = data.splits["test"]
    labels = dataset._data.y[list(dataset.indices())].numpy()
    rank = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        rank[labels == label] = np.arange((labels == label).sum())
    order = np.lexsort((labels, rank))[: min(count, len(labels))]
    jets = JetArray.from_pyg(
        Batch.from_data_list([dataset[int(i)] for i in order]), dataset.columns
    )
    weight = data.jet_weights(dataset)
    return replace(jets, jets={} if weight is None else {"weight": weight.numpy()[order]})


def generated_jets(task: Generator, stages: Sequence[str] = STAGES) -> JetArray:
    """The jets that a generator kept in a test or a prediction.

    A jet has ``stage``, the index of its stage in :data:`~pyg_jets.columns.STAGES`, its
    ``jet_id``, its label, its weight and its event if there are any, and the means ``z0``, ``z1``,
    … of the latent variables of its input.

    Args:
        task: A generator after a test or a prediction.
        stages: The stages to give, of those that there are.
    """
    if not task.kept:
        raise InputError("No jets were made: run a test or a prediction with jets in it.")
    ids, y, event = (task.column(name) for name in ("jet_id", "y", "event"))
    assert ids is not None
    labels = None if y is None else y.numpy()
    latent = torch.cat([made["latent"] for made in task.kept]).float().cpu().numpy()
    parts = []
    for stage in (s for s in stages if s in task.kept[0]):
        x, ptr = task.joined(stage)
        columns = {f"z{i}": latent[:, i] for i in range(latent.shape[1])}
        columns["stage"] = np.full(len(ids), STAGES.index(stage), np.int64)
        own = {"weight": task.weights(stage), "event": event}
        columns |= {name: value.numpy() for name, value in own.items() if value is not None}
        parts.append(JetArray(x.numpy(), task.columns, ptr.numpy(), labels, columns, ids.numpy()))
    return JetArray.concatenate(parts)
