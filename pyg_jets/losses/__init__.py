"""Losses: a function and a thin module for each."""

from pyg_jets.losses.classification import ClassificationLoss, classification_loss
from pyg_jets.losses.invariance import InvarianceLoss, invariance_loss, variant_variance

__all__ = [
    "ClassificationLoss",
    "InvarianceLoss",
    "classification_loss",
    "invariance_loss",
    "variant_variance",
]
