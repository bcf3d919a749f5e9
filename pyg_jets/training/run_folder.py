"""`RunFolder`, the callback that leaves a run as a folder from which all else is derived."""

from __future__ import annotations

import csv
import dataclasses
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.utilities import rank_zero_only

from pyg_jets import __version__
from pyg_jets.datasets import JetDataset
from pyg_jets.files import write_aside, write_json
from pyg_jets.io import write_parquet
from pyg_jets.metrics.baselines import tree_scores
from pyg_jets.provenance import invocation, moment, versions
from pyg_jets.training.data import JetDataModule
from pyg_jets.training.samples import samples
from pyg_jets.training.tagger import Tagger

__all__ = ["RunFolder"]

_PACKAGES = ("pyg-jets", "torch", "torch-geometric", "lightning", "numba", "numpy", "awkward",
             "pythia8mc", "fastjet", "scikit-learn")  # fmt: skip
#: What the tree baseline reads.
TREE = ("mass", "multiplicity")
#: Seconds between two writings of ``metrics.csv``.
_PAUSE = 2.0


class RunFolder(lightning.Callback):
    """Write metrics, predictions, samples and provenance of a run into its folder.

    ``metrics.csv`` grows by a row a validation; ``metrics.json``, ``predictions.parquet``,
    ``samples.parquet`` and ``provenance.json`` are written when the test ends.

    Args:
        folder: The run's folder.
        title: What a report calls the run. Default: the folder's name.
        command: The command that made it, for the record. Default: this process's.
        samples: Number of test jets kept before and after the detector.
        variants: Number of these that are kept with their rotated variants.
        arm: The arm of a study that the run belongs to.
        tree: The observables that the tree baseline reads.
    """

    def __init__(
        self,
        folder: str | Path,
        title: str | None = None,
        command: str | None = None,
        samples: int = 200,
        variants: int = 20,
        arm: str | None = None,
        tree: Sequence[str] = TREE,
    ):
        self.folder, self.tree = Path(folder), tuple(tree)
        self.title = title or self.folder.name
        self.command = command or invocation()
        self.samples, self.variants, self.arm = samples, variants, arm
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
        path = self.folder / "metrics.csv"
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
        with write_aside(self.folder / "metrics.csv") as part, part.open("w", newline="") as stream:
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
        data = getattr(trainer, "datamodule", None)
        if not isinstance(pl_module, Tagger) or not isinstance(data, JetDataModule):
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        self._write_predictions(pl_module, data)
        if self.samples:
            kept = samples(data, self.samples, self.variants)
            write_parquet(kept, self.folder / "samples.parquet")
        write_json(self.folder / "provenance.json", self._provenance(trainer, pl_module, data))
        found = {
            name: float(value)
            for name, value in trainer.callback_metrics.items()
            if name.startswith("test/")
        }
        found |= self._best(trainer)
        write_json(self.folder / "metrics.json", found)

    def _best(self, trainer: lightning.Trainer) -> dict[str, float]:
        """The validation's numbers where the checkpoint's monitor was best."""
        callback = getattr(trainer, "checkpoint_callback", None)
        monitor, mode = getattr(callback, "monitor", None), getattr(callback, "mode", "min")
        rows = [row for row in self.rows if monitor in row]
        if monitor is None or not rows:
            return {}
        best = (min if mode == "min" else max)(rows, key=lambda row: float(row[monitor]))
        return {name: float(best[name]) for name in best if name.startswith("val/")}

    def _write_predictions(self, tagger: Tagger, data: JetDataModule) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        outputs = tagger.predictions
        logits = outputs["logits"].float().numpy()
        table: dict[str, Any] = {
            "jet_id": outputs["jet_id"].flatten().numpy(),
            "label": outputs["label"].flatten().numpy(),
        }
        if logits.shape[1] == 1:
            table["score"] = logits[:, 0]
        else:
            table |= {f"score_{i}": logits[:, i] for i in range(logits.shape[1])}
        if "weight" in outputs:
            table["weight"] = outputs["weight"].flatten().numpy()
        table |= _observables(data, table["jet_id"], self.tree)
        with write_aside(self.folder / "predictions.parquet") as part:
            pq.write_table(pa.table(table), part)

    def _provenance(
        self, trainer: lightning.Trainer, tagger: Tagger, data: JetDataModule
    ) -> dict[str, Any]:
        sizes = {f"n_{split}": len(jets) for split, jets in data.splits.items()}
        return {
            "name": self.folder.name,
            "title": self.title,
            "version": __version__,
            "date": moment(),
            "command": self.command,
            "seed": int(os.environ.get("PL_GLOBAL_SEED", "-1")),
            "versions": {k: v for k, v in versions(_PACKAGES).items() if v},
            "machine": _machine(),
            "dataset": repr(data.dataset),
            "data_hash": data.dataset.content_hash,
            "content": data.dataset.content,
            "level": getattr(data.dataset, "level", None),
            "classes": list(data.dataset.classes),
            "arm": self.arm,
            "tree": list(self.tree),
            "weights": None if data.weights is None else repr(data.weights),
            "sample": dataclasses.asdict(data.sample),
            "detector": getattr(data.train_transform, "name", None),
            "network_name": type(tagger.network).__name__,
            "features": list(data.features.names),
            "train_transform": repr(data.train_transform),
            "network": repr(tagger.network),
            "loss": repr(tagger.loss),
            **sizes,
            "parameters": sum(p.numel() for p in tagger.network.parameters()),
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


def _tagging_columns(jets: JetDataset) -> dict[str, np.ndarray]:
    """Observables as predictions keep them, at the level the data set is cut at."""
    found = jets.observables(getattr(jets, "level", "gen"))
    for above, below in ((2, 1), (3, 2)):
        if f"tau{above}" in found:
            bottom = found[f"tau{below}"]
            ratio = np.divide(found[f"tau{above}"], bottom, where=bottom > 0,
                              out=np.zeros_like(bottom))  # fmt: skip
            found[f"tau{above}{below}"] = ratio
    kept = ("pt", "eta", "mass", "softdrop_mass", "tau21", "tau32", "multiplicity")
    return {name: found[name] for name in kept if name in found}


def _observables(
    data: JetDataModule, ids: np.ndarray, tree: Sequence[str]
) -> dict[str, np.ndarray]:
    """Observables of the test jets in the order of ``ids``, and a tree's score on some of them."""
    test, train = (_tagging_columns(data.splits[split]) for split in ("test", "train"))
    if not set(TREE) <= set(test):
        return {}
    if len(data.dataset.classes) == 2:
        jets, weight = data.splits["train"], None
        if data.weights is not None:
            weight = data.weights.of(jets.jet, jets.y)
        score = tree_scores(train, jets.y.numpy(), test, tree, weights=weight)
        test["tree"] = score.astype(np.float32)
    at = {int(jet): i for i, jet in enumerate(data.splits["test"].jet_id.tolist())}
    order = np.array([at[int(jet)] for jet in ids])
    return {name: value[order] for name, value in test.items()}
