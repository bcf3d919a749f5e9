"""What a command line says about a run: what is trained on what, and what came out."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.utilities import rank_zero_only
from torch.nn.parameter import is_lazy

from pyg_jets.training.data import JetDataModule, unread_columns

__all__ = ["TrainingSummary", "metric_table", "run_lines"]


class TrainingSummary(lightning.Callback):
    """Prints what a training is about when it starts, in two lines."""

    @rank_zero_only
    def on_fit_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Print the jets of each split, the network, its parameters and its features."""
        task: Any = pl_module
        data: Any = getattr(trainer, "datamodule", None)
        if not isinstance(data, JetDataModule):
            return
        sizes = [f"{len(jets):,} {split}" for split, jets in data.splits.items()]
        parameters = list(task.network.parameters())
        count = sum(p.numel() for p in parameters if not is_lazy(p))
        print(f"{data.dataset}: {', '.join(sizes)} jets")
        unread = unread_columns(data.features) if data.names == data.features.names else ()
        reads = f"reads {', '.join(data.names)}" + f", not {', '.join(unread)}" * bool(unread)
        print(f"{type(task.network).__name__}: {count:,} parameters, {reads}", flush=True)


def metric_table(metrics: Mapping[str, float]) -> str:
    """A line for each metric of a test, by name.

    Args:
        metrics: Values by name; those that do not begin with ``test/`` are left out.

    Examples:
        >>> print(metric_table({"test/loss": 0.512345, "test/auc": 0.75, "val/auc": 0.8}))
        test/auc   0.75
        test/loss  0.5123
    """
    names = sorted(name for name in metrics if name.startswith("test/"))
    width = max(map(len, names), default=0)
    return "\n".join(f"{name:<{width}}  {float(metrics[name]):.4g}" for name in names)


def run_lines(folder: str | Path) -> str:
    """Where a finished run lies, and the command that makes a page of it.

    Args:
        folder: The run folder.

    Examples:
        >>> print(run_lines("runs/plain"))
        The run: runs/plain
        A page of it: pyg-jets report runs/plain --out runs/plain/report
    """
    name, page = (shlex.quote(str(path)) for path in (folder, Path(folder) / "report"))
    return f"The run: {folder}\nA page of it: pyg-jets report {name} --out {page}"
