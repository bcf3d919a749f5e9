"""The names of the files in the folder of a run, of a point and of a scan."""

from __future__ import annotations

__all__ = [
    "BEST_CHECKPOINT",
    "CONFIG",
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
]

#: The configuration of a run, whole: written when a fit begins.
CONFIG = "config.yaml"
#: A row of losses and metrics for each validation of the training.
HISTORY = "metrics.csv"
#: Metrics of the test, and those of the best validation; a run that has it is finished.
METRICS = "metrics.json"
#: Versions, seed, machine, data set, sizes: what the run was made by.
PROVENANCE = "provenance.json"
#: A tagger's scores of the test jets, with observables of these jets.
PREDICTIONS = "predictions.parquet"
#: A few test jets before and after the detector.
SAMPLES = "samples.parquet"
#: A generator's jets of the test, with the jets that they were made from.
GENERATED = "generated.parquet"
#: The jets or scores of ``pyg-jets predict``.
PREDICTED = "predicted.parquet"
#: The weights of the best epoch and of the last one.
BEST_CHECKPOINT, LAST_CHECKPOINT = "checkpoints/best.ckpt", "checkpoints/last.ckpt"
#: Parameters, command line and state of a point of a scan, beside the files of its run.
POINT = "point.json"
#: What a point printed.
LOG = "log.txt"
#: The record of a scan; a folder that has it is a scan.
SCAN = "scan.json"
#: The sweep file as the scan ran it.
SWEEP = "sweep.yaml"
