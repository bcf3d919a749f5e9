"""Published numbers that a report sets beside its own."""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files

from pyg_jets.metrics import Estimate

__all__ = ["broken_symmetry"]


@cache
def broken_symmetry() -> dict[tuple[str, str, str, int], Estimate]:
    """Test AUC of arXiv 2311.05952 by (arm, network, detector, number of training events).

    Its errors are the spread of trainings on resamples of one training set, to one digit.

    Examples:
        >>> broken_symmetry()["pre-inv", "FCN", "toy-rect", 480]
        Estimate(value=0.672, error=0.002)
    """
    path = files("pyg_jets.report.references") / "broken_symmetry.csv"
    found = {}
    for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines()):
        key = (row["arm"], row["network"], row["detector"], int(row["n_train"]))
        found[key] = Estimate(float(row["auc"]), float(row["auc_err"]))
    return found
