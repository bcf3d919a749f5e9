"""`RunWriter`: the files of a run folder, each written whole or not at all."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pyg_jets.files import write_aside, write_json
from pyg_jets.io import write_parquet
from pyg_jets.io.parquet import write_columns
from pyg_jets.jets import JetArray
from pyg_jets.runs.names import (
    BEST_CHECKPOINT,
    CONFIG,
    GENERATED,
    HISTORY,
    LAST_CHECKPOINT,
    METRICS,
    PREDICTED,
    PREDICTIONS,
    PROVENANCE,
    SAMPLES,
)

__all__ = ["RunWriter"]


class RunWriter:
    """Writes what :func:`~pyg_jets.runs.load_run` reads.

    The metrics are written last: a folder that has them is that of a finished run.

    Args:
        folder: The run folder, which is made when the first file is written.

    Examples:
        >>> import tempfile
        >>> from pyg_jets.runs import is_finished, load_run
        >>> writer = RunWriter(tempfile.mkdtemp())
        >>> writer.write_history([{"epoch": 0, "val/loss": 0.7}, {"epoch": 1, "val/loss": 0.6}])
        >>> load_run(writer.folder).history["val/loss"].tolist(), is_finished(writer.folder)
        ([0.7, 0.6], False)
        >>> writer.write_metrics({"test/auc": 0.9})
        >>> is_finished(writer.folder)
        True
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)

    def clear(self, checkpoints: bool = True) -> None:
        """Remove what an earlier run left; its metrics first, so that it is not taken for finished.

        Args:
            checkpoints: Whether to remove its checkpoints too.
        """
        names = [METRICS, HISTORY, PROVENANCE, PREDICTIONS, SAMPLES, GENERATED, PREDICTED]
        names += [LAST_CHECKPOINT, BEST_CHECKPOINT] if checkpoints else []
        for name in names:
            (self.folder / name).unlink(missing_ok=True)

    def write_config(self, text: str) -> None:
        """Write the configuration of the run, as YAML."""
        with write_aside(self.folder / CONFIG) as part:
            part.write_text(text)

    def write_history(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write a row for each validation; a row may lack columns that others have."""
        names = dict.fromkeys(name for row in rows for name in row)
        with write_aside(self.folder / HISTORY) as part, part.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, list(names))
            writer.writeheader()
            writer.writerows(rows)

    def history_rows(self) -> list[dict[str, str]]:
        """The rows that were written, as text; none if there is no file."""
        if not (self.folder / HISTORY).is_file():
            return []
        with (self.folder / HISTORY).open(newline="") as stream:
            return list(csv.DictReader(stream))

    def write_predictions(self, columns: Mapping[str, np.ndarray]) -> None:
        """Write a row for each test jet.

        Args:
            columns: ``jet_id``, ``label``, ``score`` (or ``score_0``, ``score_1``, … of several
                classes), ``weight`` and ``event`` where jets have them, and observables, each
                ``[J]``.
        """
        write_columns(columns, self.folder / PREDICTIONS)

    def write_samples(self, jets: JetArray) -> None:
        """Write test jets before and after the detector, with the columns ``stage``, ``angle``."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_parquet(jets, self.folder / SAMPLES)

    def write_generated(self, jets: JetArray, predicted: bool = False) -> Path:
        """Write the jets of a generator, with the column ``stage``; return the file's path.

        Args:
            jets: The jets.
            predicted: Whether they are those of a prediction, not of the test.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / (PREDICTED if predicted else GENERATED)
        write_parquet(jets, path)
        return path

    def write_provenance(self, provenance: Mapping[str, Any]) -> None:
        """Write what the run was made by."""
        write_json(self.folder / PROVENANCE, dict(provenance))

    def write_metrics(self, metrics: Mapping[str, float]) -> None:
        """Write the metrics of the test and of the best validation."""
        write_json(self.folder / METRICS, dict(metrics))
