"""Losses: a function and a thin module for each."""

from pyg_jets.losses.chamfer import ChamferLoss, chamfer, masked_chamfer
from pyg_jets.losses.classification import ClassificationLoss, classification_loss
from pyg_jets.losses.invariance import InvarianceLoss, invariance_loss, variant_variance
from pyg_jets.losses.jet_terms import jet_pt_mass, jet_terms
from pyg_jets.losses.kl import gaussian_kl
from pyg_jets.losses.vae import VAELoss

__all__ = [
    "ChamferLoss",
    "ClassificationLoss",
    "InvarianceLoss",
    "VAELoss",
    "chamfer",
    "classification_loss",
    "gaussian_kl",
    "invariance_loss",
    "jet_pt_mass",
    "jet_terms",
    "masked_chamfer",
    "variant_variance",
]
