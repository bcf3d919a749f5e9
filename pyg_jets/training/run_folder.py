"""`RunFolder`, the callback that leaves a run as a folder from which all else is derived."""

from __future__ import annotations

import csv
import dataclasses
import os
import platform
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.utilities import rank_zero_only

from pyg_jets import __version__
from pyg_jets.files import write_aside, write_json
from pyg_jets.io import write_parquet
from pyg_jets.provenance import invocation, timestamp, versions
from pyg_jets.runs import (
    GENERATED,
    HISTORY,
    METRICS,
    PREDICTIONS,
    PROVENANCE,
    SAMPLES,
)
from pyg_jets.training.data import JetDataModule
from pyg_jets.training.generated import write_generated
from pyg_jets.training.generator import Generator
from pyg_jets.training.predictions import TREE, write_predictions
from pyg_jets.training.samples import samples
from pyg_jets.training.tagger import Tagger

__all__ = ["RunFolder"]

_PACKAGES = ("pyg-jets", "torch", "torch-geometric", "lightning", "numba", "numpy", "awkward",
             "pythia8mc", "fastjet", "scikit-learn")  # fmt: skip
#: Seconds between two writings of ``metrics.csv``.
_PAUSE = 2.0


class RunFolder(lightning.Callback):
    """Write metrics, predictions, samples and provenance of a run into its folder.

    The history grows by a row with each validation; metrics, predictions, samples and provenance
    are written when the test ends. :mod:`pyg_jets.runs` names the files and reads them.

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
        self.title = title or self.folder.name
        self.command = command or invocation()
        self.samples, self.variants, self.labels = samples, variants, dict(labels or {})
        self.written = 0.0
        self.rows: list[dict[str, Any]] = []
        self.trained = 0.0
        self.started = time.perf_counter()

    def on_fit_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Start the clock."""
        self.started = time.perf_counter()

    def on_train_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Keep the rows of the epochs that a continued run has behind it."""
        path = self.folder / HISTORY
        if trainer.current_epoch > 0 and path.exists():
            with path.open(newline="") as stream:
                rows = list(csv.DictReader(stream))
            self.rows = [row for row in rows if int(row["epoch"]) < trainer.current_epoch]

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
        names = dict.fromkeys(name for row in self.rows for name in row)
        with write_aside(self.folder / HISTORY) as part, part.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, list(names))
            writer.writeheader()
            writer.writerows(self.rows)
        self.written = time.perf_counter()

    def on_fit_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Stop the clock, and write what is not yet written."""
        self._write_rows()
        self.trained = time.perf_counter() - self.started

    @rank_zero_only
    def on_test_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write what the test found."""
        data: Any = getattr(trainer, "datamodule", None)
        if not isinstance(data, JetDataModule):
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        if isinstance(pl_module, Tagger):
            predictions = self.folder / PREDICTIONS
            write_predictions(pl_module, data, predictions, self.tree)
            if self.samples:
                kept = samples(data, self.samples, self.variants)
                write_parquet(kept, self.folder / SAMPLES)
        elif isinstance(pl_module, Generator):
            write_generated(pl_module, self.folder / GENERATED)
        else:
            return
        write_json(self.folder / PROVENANCE, self._provenance(trainer, pl_module, data))
        found = {
            name: float(value)
            for name, value in trainer.callback_metrics.items()
            if name.startswith("test/")
        }
        found |= self._best(trainer)
        write_json(self.folder / METRICS, found)

    def _best(self, trainer: lightning.Trainer) -> dict[str, float]:
        """The validation's numbers where the checkpoint's monitor was best."""
        callback = getattr(trainer, "checkpoint_callback", None)
        monitor, mode = getattr(callback, "monitor", None), getattr(callback, "mode", "min")
        rows = [row for row in self.rows if monitor in row]
        if monitor is None or not rows:
            return {}
        best = (min if mode == "min" else max)(rows, key=lambda row: float(row[monitor]))
        return {name: float(best[name]) for name in best if name.startswith("val/")}

    def _provenance(
        self, trainer: lightning.Trainer, task: Any, data: JetDataModule
    ) -> dict[str, Any]:
        sizes = {f"n_{split}": len(jets) for split, jets in data.splits.items()}
        return {
            "name": self.folder.name,
            "title": self.title,
            "version": __version__,
            "date": timestamp(),
            "command": self.command,
            "seed": int(os.environ.get("PL_GLOBAL_SEED", "-1")),
            "versions": {k: v for k, v in versions(_PACKAGES).items() if v},
            "machine": _machine(),
            "dataset": repr(data.dataset),
            "data_hash": data.dataset.content_hash,
            "content": data.dataset.content,
            "level": getattr(data.dataset, "level", None),
            "classes": list(data.dataset.classes),
            "labels": self.labels,
            "tree": list(self.tree),
            "weights": None if data.weights is None else repr(data.weights),
            "sample": dataclasses.asdict(data.sample),
            "detector": getattr(data.train_transform, "name", None),
            "network_name": type(task.network).__name__,
            "features": list(data.names),
            "train_transform": repr(data.train_transform),
            "network": repr(task.network),
            "loss": repr(task.loss),
            **sizes,
            "parameters": sum(p.numel() for p in task.network.parameters()),
            "epochs": len({row["epoch"] for row in self.rows}),
            "steps": int(self.rows[-1]["step"]) if self.rows else 0,
            "wall_time_s": round(self.trained, 2),
            "world_size": trainer.world_size,
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
