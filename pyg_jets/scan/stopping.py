"""`StopEarly`: hyperband over the points of a scan, by what each left in its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning

from pyg_jets.files import read_json, write_json

__all__ = ["StopEarly"]

_FILE = "brackets.json"


class StopEarly(lightning.Callback):
    """Stop a training whose metric is not among the best at a bracket.

    At each bracket the metric is written to ``brackets.json`` of the point's folder, and compared
    with what the scan's other points wrote there. A validation is an iteration, as W&B counts what
    is logged.

    Args:
        folder: The point's folder; the others lie beside it.
        metric: Name of a metric that validation logs.
        goal: ``"minimize"`` or ``"maximize"``.
        hyperband: Where the brackets are, and who stops.
    """

    def __init__(self, folder: Path, metric: str, goal: str, hyperband: Any):
        self.folder, self.metric, self.goal, self.hyperband = folder, metric, goal, hyperband
        self.iteration, self.stopped = 0, False
        self.seen: dict[str, float] = {}

    def on_validation_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Compare, if this is a bracket."""
        if trainer.state.fn != "fit" or self.metric not in trainer.callback_metrics:
            return
        self.iteration += 1
        if self.iteration not in self.hyperband.brackets(self.iteration):
            return
        value = float(trainer.callback_metrics[self.metric])
        self.seen[str(self.iteration)] = value
        write_json(self.folder / _FILE, self.seen)
        if self.hyperband.stops(value, self._others(), self.goal):
            self.stopped = trainer.should_stop = True

    def _others(self) -> list[float]:
        found = []
        for path in sorted(self.folder.parent.glob(f"*/{_FILE}")):
            if path.parent != self.folder:
                value = read_json(path).get(str(self.iteration))
                found += [] if value is None else [float(value)]
        return found
