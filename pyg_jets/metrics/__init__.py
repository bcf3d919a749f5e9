"""Tagging metrics with standard errors, and baselines; they rank raw scores, never rescale."""

from pyg_jets.metrics.invariance import spread
from pyg_jets.metrics.resampling import Estimate, bootstrap, difference, resamples
from pyg_jets.metrics.tagging import (
    accuracy,
    auc,
    background_efficiency,
    background_rejection,
    roc_curve,
    signal_efficiency,
)

__all__ = [
    "Estimate",
    "accuracy",
    "auc",
    "background_efficiency",
    "background_rejection",
    "bootstrap",
    "difference",
    "resamples",
    "roc_curve",
    "signal_efficiency",
    "spread",
]
