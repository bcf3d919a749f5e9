"""Folders of runs and scans: the only room that knows the names and contents of their files.

Examples:
    >>> import json, pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / METRICS).write_text(json.dumps({"test/auc": 0.9}))
    >>> load_run(folder).metrics["test/auc"], metric_value(folder, "test/auc")
    (0.9, 0.9)
"""

from pyg_jets.runs.names import (
    BEST_CHECKPOINT,
    CONFIG,
    GENERATED,
    HISTORY,
    LAST_CHECKPOINT,
    LOG,
    METRICS,
    POINT,
    PREDICTED,
    PREDICTIONS,
    PROVENANCE,
    SAMPLES,
    SCAN,
    SWEEP,
)
from pyg_jets.runs.run import (
    FILES,
    Predictions,
    Run,
    is_finished,
    load_run,
    load_runs,
    metric_value,
)
from pyg_jets.runs.scan import BROKEN, Point, Points, Scan, load_scan, repeats_training
from pyg_jets.runs.writer import RunWriter

__all__ = [
    "BEST_CHECKPOINT",
    "BROKEN",
    "CONFIG",
    "FILES",
    "GENERATED",
    "HISTORY",
    "LAST_CHECKPOINT",
    "LOG",
    "METRICS",
    "POINT",
    "PREDICTED",
    "PREDICTIONS",
    "PROVENANCE",
    "SAMPLES",
    "SCAN",
    "SWEEP",
    "Point",
    "Points",
    "Predictions",
    "Run",
    "RunWriter",
    "Scan",
    "is_finished",
    "load_run",
    "load_runs",
    "load_scan",
    "metric_value",
    "repeats_training",
]
