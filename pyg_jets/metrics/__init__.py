"""Tagging metrics with standard errors, and baselines; they rank raw scores, never rescale."""

from pyg_jets.metrics.intervals import Interval, efficiency_interval, rejection_interval, score_cut
from pyg_jets.metrics.invariance import spread
from pyg_jets.metrics.multiclass import confusion_matrix, one_against_one, one_against_rest
from pyg_jets.metrics.resampling import Estimate, bootstrap, difference, resamples
from pyg_jets.metrics.tagging import (
    accuracy,
    auc,
    background_efficiency,
    background_rejection,
    roc_curve,
    signal_efficiency,
    significance_improvement,
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
    "efficiency_interval",
    "one_against_one",
    "one_against_rest",
    "rejection_interval",
    "resamples",
    "roc_curve",
    "score_cut",
    "signal_efficiency",
    "significance_improvement",
    "spread",
]
