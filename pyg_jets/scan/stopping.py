"""`StopEarly`: hyperband over the points of a scan, by what each left in its folder."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import lightning

from pyg_jets.files import read_json, write_json

__all__ = ["StopEarly"]

_FILE = "brackets.json"
#: The key of a checkpoint for the values so far.
_KEY = "stop_early"


class StopEarly(lightning.Callback):
    """Stop a training whose metric is not among the best at its last bracket.

    At each bracket the metric is written to ``brackets.json`` of the point's folder; after each
    validation it is compared with what the scan's other points wrote there. A validation is an
    iteration, as W&B counts what is logged; a value that is no number is none.

    Args:
        folder: The point's folder; the others lie beside it.
        metric: Name of a metric that validation logs.
        goal: ``"minimize"`` or ``"maximize"``.
        hyperband: Where the brackets are, and who stops.
    """

    def __init__(self, folder: Path, metric: str, goal: str, hyperband: Any):
        self.folder, self.metric, self.goal, self.hyperband = folder, metric, goal, hyperband
        self.stopped = False
        self.values: list[float] = []
        self.seen: dict[str, float] = {}

    def on_save_checkpoint(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        checkpoint: dict[str, Any],
    ) -> None:
        """Keep the values so far, for a point that was killed."""
        checkpoint[_KEY] = {"stopped": self.stopped, "values": self.values, "seen": self.seen}

    def on_load_checkpoint(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        checkpoint: dict[str, Any],
    ) -> None:
        """Go on with the values of a point that was killed."""
        if trainer.state.fn == "fit" and (state := checkpoint.get(_KEY)):
            self.stopped = state["stopped"]
            self.values, self.seen = list(state["values"]), dict(state["seen"])

    def on_validation_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Compare, if there was a bracket."""
        if trainer.state.fn != "fit" or self.metric not in trainer.callback_metrics:
            return
        value = float(trainer.callback_metrics[self.metric])
        if not math.isfinite(value):
            return
        self.values.append(value)
        bracket = self.hyperband.bracket(len(self.values))
        if bracket is None:
            return
        if bracket == len(self.values):
            self.seen[str(bracket)] = value
            write_json(self.folder / _FILE, {self.metric: self.seen})
        if self.hyperband.stops(self.values, self._others(str(bracket)), self.goal):
            self.stopped = trainer.should_stop = True

    def _others(self, bracket: str) -> list[float]:
        values = []
        for path in sorted(self.folder.parent.glob(f"*/{_FILE}")):
            if path.parent != self.folder:
                try:
                    value = read_json(path).get(self.metric, {}).get(bracket)
                except (FileNotFoundError, ValueError):  # moved aside in the meantime
                    continue
                values += [] if value is None else [float(value)]
        return values
