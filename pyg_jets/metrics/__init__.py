"""Tagging metrics with standard errors. They rank raw scores and never rescale them."""

from pyg_jets.metrics.intervals import (
    Interval,
    effective_number,
    efficiency_interval,
    rejection_interval,
    score_cut,
)
from pyg_jets.metrics.multiclass import confusion_matrix, one_vs_one, one_vs_rest
from pyg_jets.metrics.resampling import Estimate, bootstrap, difference, resamples
from pyg_jets.metrics.tagging import (
    accuracy,
    auc,
    background_efficiency,
    background_rejection,
    roc_curve,
    signal_efficiency,
    significance_improvement,
    spread,
)

__all__ = [
    "Estimate",
    "Interval",
    "accuracy",
    "auc",
    "background_efficiency",
    "background_rejection",
    "bootstrap",
    "confusion_matrix",
    "difference",
    "effective_number",
    "efficiency_interval",
    "one_vs_one",
    "one_vs_rest",
    "rejection_interval",
    "resamples",
    "roc_curve",
    "score_cut",
    "signal_efficiency",
    "significance_improvement",
    "spread",
]
