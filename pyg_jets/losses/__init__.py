"""Losses: a function on tensors, and a thin module that a training calls, for each.

The modules follow the protocol :class:`~pyg_jets.losses.Loss`.
"""

from pyg_jets.losses.chamfer import ChamferLoss, chamfer, masked_chamfer
from pyg_jets.losses.classification import ClassificationLoss, classification_loss
from pyg_jets.losses.energy_distance import (
    EnergyDistanceLoss,
    SamplesOfJets,
    TwoStageLoss,
    energy_distance,
)
from pyg_jets.losses.invariance import InvarianceLoss, invariance_loss, variant_variance
from pyg_jets.losses.jet_terms import jet_pt_mass, jet_terms
from pyg_jets.losses.likelihood import AutoregressiveLoss
from pyg_jets.losses.protocol import FittedLoss, Loss, ScheduledLoss, TermLoss
from pyg_jets.losses.response import ResponseLoss, gaussian_divergence
from pyg_jets.losses.set_embedding import SetEmbedding
from pyg_jets.losses.set_energy import (
    SetEnergyLoss,
    chamfer_energy_score,
    set_energy_score,
    survival_change,
    survival_term,
)
from pyg_jets.losses.sliced_wasserstein import (
    SlicedWassersteinLoss,
    masked_sliced_wasserstein,
    sliced_wasserstein,
)
from pyg_jets.losses.vae import VAELoss, gaussian_kl

__all__ = [
    "AutoregressiveLoss",
    "ChamferLoss",
    "ClassificationLoss",
    "EnergyDistanceLoss",
    "FittedLoss",
    "InvarianceLoss",
    "Loss",
    "ResponseLoss",
    "SamplesOfJets",
    "ScheduledLoss",
    "SetEmbedding",
    "SetEnergyLoss",
    "SlicedWassersteinLoss",
    "TermLoss",
    "TwoStageLoss",
    "VAELoss",
    "chamfer",
    "chamfer_energy_score",
    "classification_loss",
    "energy_distance",
    "gaussian_divergence",
    "gaussian_kl",
    "invariance_loss",
    "jet_pt_mass",
    "jet_terms",
    "masked_chamfer",
    "masked_sliced_wasserstein",
    "set_energy_score",
    "sliced_wasserstein",
    "survival_change",
    "survival_term",
    "variant_variance",
]
