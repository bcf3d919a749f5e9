"""Losses: a function and a thin module for each."""

from pyg_jets.losses.chamfer import ChamferLoss, chamfer, masked_chamfer
from pyg_jets.losses.classification import ClassificationLoss, classification_loss
from pyg_jets.losses.invariance import InvarianceLoss, invariance_loss, variant_variance

__all__ = [
    "ChamferLoss",
    "ClassificationLoss",
    "InvarianceLoss",
    "chamfer",
    "classification_loss",
    "invariance_loss",
    "masked_chamfer",
    "variant_variance",
]
